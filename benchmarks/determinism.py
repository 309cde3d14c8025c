"""Every registered model, trained in three processes: are the weights the same, to the bit?

    python benchmarks/determinism.py --output runs/determinism.json

Each process trains every model once on its own default task on a small simulated log, with a seed,
under TensorFlow's op determinism; their PYTHONHASHSEED, and with it the order of sets, differs.
Prints the models whose weights are not the same in all of them, and ends with 1 if there are any.
"""

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys

from side_by_side import about, report, say


def digests(names: list[str]) -> dict[str, str]:
    """Trains the models in this process: a digest of each one's weights, by name."""
    import tfrec_zoo as zoo
    from tfrec_zoo import registry

    import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

    tf.config.experimental.enable_op_determinism()
    log = zoo.simulate(num_users=100, num_items=80, num_days=5)
    found = {}
    for name in names or registry.MODELS:
        run = zoo.train(name, log, zoo.Training(epochs=2, batch_size=64, verbose=0))
        digest = hashlib.sha256()
        for variable in run.model.learned:
            digest.update(tf.convert_to_tensor(variable).numpy().tobytes())
        found[name] = digest.hexdigest()
    return found


def main() -> None:
    """Runs the processes, and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=[], help="default: all")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--output", type=pathlib.Path, help="result file")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(digests(arguments.models)))
        return
    head, found = about(), []
    for number in range(arguments.processes):
        command = [sys.executable, __file__, "--one"]
        command += ["--models", *arguments.models] if arguments.models else []
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(number)},
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
        say(f"process {number}: {len(found[-1])} models")
    rows = [
        {"model": name, "equal": len({one[name] for one in found}) == 1, "weights": found[0][name]}
        for name in found[0]
    ]
    tables = {f"Weights after training in {arguments.processes} processes": rows}
    report(head, tables, 0, arguments.output)
    others = [row["model"] for row in rows if not row["equal"]]
    if others:
        sys.exit(f"Not equal: {others}")


if __name__ == "__main__":
    main()
