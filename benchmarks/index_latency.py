"""Indexes as catalogues grow: recall, latency, throughput, and what they take.

    python benchmarks/index_latency.py --peer-python ENV/bin/python --output runs/index.json

Ours are SavedModels, asked through a signature in a process that imports TensorFlow alone, and
ScaNN's operations if need be; the peers, faiss (IVF-PQ, scored again by the vectors), hnswlib and
ScaNN's Python API, are asked through their own. Each is tuned to the target recall@100 on some
users' vectors and measured on others'. Every contender of each size is built once and then asked in
a process of its own, one at a time, in rounds that take turns in reverse order. Prints the medians.

Vectors are those of a `YouTubeRetrieval` trained on the simulator for two epochs, or `items` and
`queries` of a file. There are fewer than asked for, so they are spread: each item is one of them,
moved up to half of the way towards another of its cluster (of 60, by k-means), plus normal noise of
a tenth of each coordinate's standard deviation.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from side_by_side import about, report, say, versions_in

K = 100
OURS, PEERS = ("exact", "ivf", "scann"), ("faiss", "hnswlib", "scann")
SIZES = ("100000x64", "1000000x64", "1000000x256")

CLIENT = """
import json, sys, time
folder, path, here, kind = sys.argv[1:]
sys.path.insert(0, here)
begin = time.perf_counter()
import numpy as np, tensorflow as tf
if kind == "scann":
    from scann import scann_ops
from index_latency_peers import measured
arrays = np.load(path)
begin = time.perf_counter()
model = tf.saved_model.load(folder)
serve = model.signatures["serving_default"]
seconds = time.perf_counter() - begin
def search(queries):
    return serve(query=tf.constant(queries))["rows"].numpy()
found = measured(search, {key: arrays[key] for key in ("asked", "asked_best")})
assert "tfrec_zoo" not in sys.modules
print(json.dumps({"load s": seconds, **found}))
"""


def trained(dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Item vectors and users' vectors of a model trained on the simulator."""
    import tfrec_zoo as zoo
    from tfrec_zoo.data import simulate
    from tfrec_zoo.serving.user_vectors import user_vectors

    log = simulate(num_users=4000, num_items=4000, seed=0)
    training = zoo.Training(epochs=2, verbose=0)
    task = zoo.tasks.NextWatch(log)
    run = zoo.train("YouTubeRetrieval", task, training, hidden_units=(256, dim))
    queries = user_vectors(run.model, log, number=4000)
    return run.model.candidates().numpy(), queries.numpy()


def spread(items: np.ndarray, number: int) -> np.ndarray:
    """As many items as asked for, in the shape of those that there are."""
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(0)
    cluster = KMeans(min(60, len(items)), n_init=1, random_state=0).fit_predict(items)
    order, sizes = np.argsort(cluster, kind="stable"), np.bincount(cluster)
    begins = np.cumsum(sizes) - sizes
    noise = 0.1 * items.std(axis=0)
    made = np.empty((number, items.shape[1]), np.float32)
    for begin in range(0, number, 100_000):
        part = made[begin : begin + 100_000]
        one = rng.integers(len(items), size=len(part))
        of = cluster[one]
        other = order[begins[of] + (rng.random(len(part)) * sizes[of]).astype(int)]
        way = 0.5 * rng.random((len(part), 1))
        part[:] = items[one] + way * (items[other] - items[one])
        part += noise * rng.normal(size=part.shape)
    return made


def best(queries: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The rows of the best items of each query, in any order."""
    parts = [
        np.argpartition(-(queries[i : i + 64] @ items.T), K, axis=1)[:, :K]
        for i in range(0, len(queries), 64)
    ]
    return np.concatenate(parts)


def build_ours(kind: str, path: str, folder: pathlib.Path) -> dict[str, Any]:
    """A process that builds an index and exports it."""
    from tfrec_zoo.serving import build_index

    import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

    arrays = np.load(path)
    items, queries = tf.constant(arrays["items"]), tf.constant(arrays["tune"])
    begin = time.perf_counter()
    target = float(arrays["target"])
    options = {} if kind == "exact" else {"k": K, "target_recall": target}
    index = build_index(items, kind, queries, **options)  # type: ignore[arg-type]
    seconds = time.perf_counter() - begin
    module = tf.Module()
    module.index = index
    spec = tf.TensorSpec([None, items.shape[1]], tf.float32, "query")

    @tf.function(input_signature=[spec])
    def serve(query: tf.Tensor) -> dict[str, tf.Tensor]:
        scores, rows = index.search(query, K, tf.fill([tf.shape(query)[0], 1], -1))
        return {"scores": scores, "rows": rows}

    options = tf.saved_model.SaveOptions(namespace_whitelist=["Scann"])
    tf.saved_model.save(module, str(folder), {"serving_default": serve}, options)
    return {"build s": seconds, "description": index.description}


def last_json(command: list[str]) -> dict[str, Any]:
    """What a process prints in its last line."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def size_mb(folder: pathlib.Path) -> float:
    """Megabytes of the files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def main() -> None:
    """Runs the processes, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), metavar="ITEMSxDIM")
    parser.add_argument("--vectors", type=pathlib.Path, help="file with `items` and `queries`")
    parser.add_argument("--ours", nargs="*", choices=OURS, default=list(OURS))
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--peer-python", help="Python with faiss-cpu, hnswlib, scann, numpy")
    parser.add_argument("--target-recall", type=float, default=0.95)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=pathlib.Path, help="result file")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        kind, path, folder = arguments.one
        print(json.dumps(build_ours(kind, path, pathlib.Path(folder))))
        return
    here = pathlib.Path(__file__)
    head, runs, rows = about(rounds=arguments.rounds, target=arguments.target_recall), [], []
    head["versions"] |= versions_in(arguments.peer_python, "faiss-cpu", "hnswlib", "scann", "numpy")
    peers = arguments.peers if arguments.peer_python else []
    contenders = [("ours", kind) for kind in arguments.ours] + [("peer", kind) for kind in peers]
    made: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for size in arguments.sizes:
        number, dim = map(int, size.split("x"))
        if arguments.vectors:
            given = np.load(arguments.vectors)
            made[dim] = given["items"].astype(np.float32), given["queries"].astype(np.float32)
        elif dim not in made:
            made[dim] = trained(dim)
        items, queries = made[dim]
        if items.shape[1] != dim:
            raise ValueError(f"`--vectors` have other dimensions. Received: {items.shape[1]}")
        items = items if len(items) == number else spread(items, number)
        tune, asked = queries[::2][:1024], queries[1::2][:512]
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            path = folder / "vectors.npz"
            np.savez(
                path,
                **{"items": items, "tune": tune, "asked": asked, "target": arguments.target_recall},
                tune_best=best(tune[:256], items),
                asked_best=best(asked, items),
            )
            built = {}
            for side, kind in contenders:
                to = folder / f"{side}-{kind}"
                if side == "ours":
                    command = [sys.executable, str(here), "--one", kind, str(path), str(to)]
                else:
                    peer = str(here.with_name("index_latency_peers.py"))
                    command = [arguments.peer_python, peer, "build", kind, str(path), str(to)]
                found = {**last_json(command), "size MB": size_mb(to)}
                built[side, kind] = found
                say(f"{size}: {side} {kind}: {found}")
            for turn in range(arguments.rounds):
                for side, kind in contenders if turn % 2 == 0 else reversed(contenders):
                    to = str(folder / f"{side}-{kind}")
                    if side == "ours":
                        client = [sys.executable, "-c", CLIENT, to, str(path)]
                        command = [*client, str(here.parent), kind]
                    else:
                        peer = str(here.with_name("index_latency_peers.py"))
                        command = [arguments.peer_python, peer, "ask", kind, str(path), to]
                    found = last_json(command)
                    say(f"{size}, round {turn}: {side} {kind}: {found}")
                    runs.append({"size": size, "contender": f"{side} {kind}", **found})
            for side, kind in contenders:
                contender = f"{side} {kind}"
                own = [r for r in runs if (r["size"], r["contender"]) == (size, contender)]
                numbers = [key for key in own[0] if isinstance(own[0][key], float)]
                rows.append(
                    {
                        "size": size,
                        "contender": contender,
                        **{key: statistics.median(r[key] for r in own) for key in numbers},
                        **{key: built[side, kind][key] for key in ("build s", "size MB")},
                    }
                )
                runs.append({"size": size, "contender": contender, **built[side, kind]})
    title = "Medians of each index; ms are of one query, per second of batches of 256"
    report(head, {title: rows}, 3, arguments.output, runs=runs)


if __name__ == "__main__":
    main()
