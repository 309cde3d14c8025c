"""The peers' side of `index_latency.py`, in an environment of its own: faiss, hnswlib, ScaNN.

    ENV/bin/python benchmarks/index_latency_peers.py build KIND VECTORS.npz FOLDER

builds an index, finds by bisection how much it must search for the target recall, and writes both;

    ENV/bin/python benchmarks/index_latency_peers.py ask KIND VECTORS.npz FOLDER

reads and measures it. Both print JSON.
"""

import json
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from side_by_side import milliseconds, peak_mb

K = 100
#: What a search may read of each kind: clusters, candidates of the graph, leaves.
MOST = {"faiss": 1024, "hnswlib": 2000, "scann": 2000}


def recall(rows: np.ndarray, best: np.ndarray) -> float:
    """The share of the best items that were found."""
    return float(np.mean([np.isin(b, r).mean() for b, r in zip(best, rows, strict=True)]))


def measured(search: Callable[[np.ndarray], np.ndarray], arrays: Any) -> dict[str, Any]:
    """Recall, latency of one query, and queries per second of 256 at once."""
    queries = arrays["asked"]
    found = np.concatenate([search(queries[i : i + 256]) for i in range(0, len(queries), 256)])
    ones = iter(range(10**9))
    times = milliseconds(lambda: search(queries[next(ones) % len(queries)][None]), 1000, 50)
    many = np.resize(queries, (256, queries.shape[1]))
    batches = milliseconds(lambda: search(many), 9, 2)
    return {
        "recall": recall(found, arrays["asked_best"]),
        "p50 ms": float(np.percentile(times, 50)),
        "p99 ms": float(np.percentile(times, 99)),
        "queries/s": 256_000 / float(np.median(batches)),
        "peak MB": peak_mb(),
    }


def build(kind: str, items: np.ndarray, folder: pathlib.Path) -> None:
    """Builds and writes an index."""
    num_items, dim = items.shape
    clusters = int(4 * num_items**0.5)
    if kind == "faiss":
        import faiss

        inner = faiss.METRIC_INNER_PRODUCT
        first = faiss.index_factory(dim, f"IVF{clusters},PQ{dim // 2}x8", inner)
        index = faiss.IndexRefineFlat(first)
        index.train(items[:: max(num_items // 200_000, 1)])
        index.add(items)
        faiss.write_index(index, str(folder / "index"))
    elif kind == "hnswlib":
        import hnswlib

        index = hnswlib.Index("ip", dim)
        index.init_index(num_items, ef_construction=200, M=16)
        index.add_items(items)
        index.save_index(str(folder / "index"))
    else:
        import scann

        builder = scann.scann_ops_pybind.builder(items, K, "dot_product")
        builder = builder.tree(clusters // 2, clusters // 2, training_sample_size=250_000)
        builder.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(6 * K)
        builder.build().serialize(str(folder))


def load(kind: str, items: np.ndarray, folder: pathlib.Path) -> Callable[..., np.ndarray]:
    """A function of queries and of how much is searched."""
    if kind == "faiss":
        import faiss

        index = faiss.read_index(str(folder / "index"))
        index.k_factor = 10
        inner = faiss.downcast_index(index.base_index)

        def search(queries: np.ndarray, effort: int) -> np.ndarray:
            inner.nprobe = effort
            return index.search(queries, K)[1]

    elif kind == "hnswlib":
        import hnswlib

        graph = hnswlib.Index("ip", items.shape[1])
        graph.load_index(str(folder / "index"))

        def search(queries: np.ndarray, effort: int) -> np.ndarray:
            graph.set_ef(max(effort, K))
            return graph.knn_query(queries, K)[0]

    else:
        import scann

        searcher = scann.scann_ops_pybind.load_searcher(str(folder))

        def search(queries: np.ndarray, effort: int) -> np.ndarray:
            if len(queries) == 1:
                return searcher.search(queries[0], leaves_to_search=effort)[0][None]
            return searcher.search_batched_parallel(queries, leaves_to_search=effort)[0]

    return search


def least(recall_of: Callable[[int], float], target: float, most: int) -> int:
    """The least effort that reaches the target, to an eighth, or the most."""
    low, high = 0, most
    while high - low > max(high // 8, 1):
        middle = max(round((max(low, 1) * high) ** 0.5), low + 1)
        if recall_of(middle) >= target:
            high = middle
        else:
            low = middle
    return high


def main() -> None:
    """Does one of both."""
    what, kind, path = sys.argv[1:4]
    folder = pathlib.Path(sys.argv[4])
    arrays = np.load(path)
    items = arrays["items"]
    begin = time.perf_counter()
    if what == "build":
        folder.mkdir(parents=True, exist_ok=True)
        build(kind, items, folder)
        search = load(kind, items, folder)
        tune, best = arrays["tune"][:256], arrays["tune_best"][:256]
        target, most = float(arrays["target"]), min(MOST[kind], len(items))
        effort = least(lambda effort: recall(search(tune, effort), best), target, most)
        (folder / "effort.json").write_text(json.dumps(effort))
        print(json.dumps({"build s": time.perf_counter() - begin, "effort": effort}))
        return
    effort = json.loads((folder / "effort.json").read_text())
    items = items[:1].copy()
    search = load(kind, items, folder)
    seconds = time.perf_counter() - begin
    print(json.dumps({"load s": seconds, **measured(lambda q: search(q, effort), arrays)}))


if __name__ == "__main__":
    main()
