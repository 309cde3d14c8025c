"""Click prediction: how well does torch-rechub predict the very splits of our table?

    python benchmarks/click_accuracy.py --data-dir DIR --peer-python ENVIRONMENT/bin/python \
        --results docs/results --output runs/click-accuracy

torch-rechub, in an environment of its own, gets the training, validation and test examples of each
seed of `tfrec-zoo benchmark ctr`, or of another `--table`, as ids; of the time of `ctr-without-ids`
it gets the bucket. Its models have the widths of our rows, embeddings of 16 and three layers of 400
with its batch normalisation, Adam with .001, and batches of 2,048; each is trained without and with
its default weight decay until the AUC on the validation examples has not risen for three epochs,
and the better of the two on those is told. Beside it stands what the result files of our table say
of the same test examples. What was run already is not run again.
"""

import argparse
import functools
import json
import pathlib
from typing import Any

import numpy as np
from click_examples import ids_of, prefixed, sizes_of
from side_by_side import Peer, about, kept, peer_with, report, say

from tfrec_zoo import presets, registry
from tfrec_zoo.data import Log, movielens

#: Our rows that torch-rechub has the architectures of.
ROWS = ("WideDeep", "DeepFM", "DCN", "DCNV2", "AutoInt", "AutoInt+")
TABLES = ("ctr", "ctr-without-ids")
WEIGHT_DECAYS = (0.0, 1e-5)


def arrays_of(log: Log, table: str, seed: int) -> dict[str, np.ndarray]:
    """The ids and labels of a split's training, validation and test examples."""
    preset = presets.get(f"{table}/DeepFM")
    cls = registry.get(preset.model).load()
    task = preset.make_task(log, seed)
    examples = task.examples(cls, preset.arguments)
    held_out = task.validating().examples(cls, preset.arguments).test
    features = examples.fit_features()
    parts = {"train": examples.train, "validation": held_out, "test": examples.test}
    found = prefixed("size", sizes_of(features))
    for part, own in parts.items():
        found |= prefixed(part, ids_of(features, own))
        found[f"label/{part}"] = np.asarray(own.label)
    return found


def ours(results: pathlib.Path, row: str, seed: int, dataset: str) -> float | None:
    """The AUC that a result file of our table has, if there is one of the data set."""
    path = results / f"{row}-{seed}.json"
    found = json.loads(path.read_text()) if path.is_file() else {}
    return found["metrics"]["auc"] if found.get("dataset") == dataset else None


def of_split(peer: Peer, row: str, seed: int) -> dict[str, Any]:
    """The best of a model of the peer on validation examples, of all weight decays."""
    tried = [peer.ask(name=row, seed=seed, weight_decay=decay) for decay in WEIGHT_DECAYS]
    best = max(range(len(tried)), key=lambda i: tried[i]["validation"])
    found = {**tried[best], "weight_decay": WEIGHT_DECAYS[best], "tried": tried}
    say(f"{row}, split {seed}: {found}")
    return found


def main() -> None:
    """Trains what has no result file yet, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="where tensorflow-datasets has movielens/1m")
    parser.add_argument("--peer-python", required=True, help="python that has torch-rechub")
    parser.add_argument("--table", choices=TABLES, default=TABLES[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--size", default="1m", choices=["100k", "1m"])
    parser.add_argument("--results", type=pathlib.Path, required=True, help="our tables' files")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder of result files")
    arguments = parser.parse_args()
    head = about(seeds=arguments.seeds)
    log = movielens(arguments.size, data_dir=arguments.data_dir)
    script = pathlib.Path(__file__).with_name("click_accuracy_torch.py")
    command = ("env", "TQDM_DISABLE=1", arguments.peer_python, script)
    splits: list[dict[str, Any]] = []
    for seed in arguments.seeds:
        with peer_with(arrays_of(log, arguments.table, seed), *command) as peer:
            head["versions"] |= peer.about
            for row in arguments.rows:
                path = arguments.output / f"{row}-{seed}.json"
                settings = {"size": arguments.size, "table": arguments.table}
                found = kept(path, settings, functools.partial(of_split, peer, row, seed))
                theirs = {"torch-rechub": found["test"], "its epochs": found["epochs"]}
                folder = arguments.results / arguments.table
                our = ours(folder, row, seed, f"movielens/{arguments.size}")
                splits.append({"row": row, "split": seed, "tfrec_zoo": our, **theirs})
    means = []
    for row in arguments.rows:
        of_row = [split for split in splits if split["row"] == row]
        both = [split for split in of_row if split["tfrec_zoo"] is not None]
        if both:
            differences = [split["tfrec_zoo"] - split["torch-rechub"] for split in both]
            means.append(
                {
                    "row": row,
                    "splits": len(both),
                    "tfrec_zoo": float(np.mean([split["tfrec_zoo"] for split in both])),
                    "torch-rechub": float(np.mean([split["torch-rechub"] for split in both])),
                    "difference": float(np.mean(differences)),
                    "± over splits": float(np.std(differences, ddof=1)) if len(both) > 1 else None,
                }
            )
    tables = {"AUC on the test examples of each split": splits}
    if means:
        tables = {"AUC, means over splits that both were trained on": means, **tables}
    report(head, tables, 4, arguments.output / "table.json")


if __name__ == "__main__":
    main()
