"""Latency of the exported funnel, one request at a time, in a process without this package.

    python benchmarks/funnel_latency.py

Item vectors are drawn from a mixture, of intrinsic dimension 16, so that approximate search has
the structure of trained ones to work with; the networks are not trained. Each request has a history
of 50 and gets 20 of 300 candidates. Prints p50 and p99 of one request at a time, requests per
second of 32 at once, and of p50 what the query's network and the search take by themselves, in this
process; the rest is the ranking, and what it reads.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
import tensorflow as tf
from side_by_side import about, milliseconds, report, say

from tfrec_zoo.data import Log
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    InteractionColumn,
    NumericColumn,
    Vocabulary,
    VocabularyColumn,
)
from tfrec_zoo.models import YouTubeRanking, YouTubeRetrieval
from tfrec_zoo.serving import Funnel, export

CLIENT = """
import json, sys, time
import numpy as np, tensorflow as tf
try:
    from scann import scann_ops
except ImportError:
    pass
folder, num_items, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
begin = time.perf_counter()
funnel = tf.saved_model.load(folder)
loaded = time.perf_counter() - begin
serve = funnel.signatures["serving_default"]
rng = np.random.default_rng(0)
times = []
for i in range(requests + 50):
    history = tf.constant([[f"i{n}" for n in rng.integers(num_items, size=50)]])
    ages = tf.constant(rng.random((1, 50)) * 1e6, tf.float64)
    begin = time.perf_counter()
    answer = serve(history=history, history_age=ages, exclude=tf.constant([[""]]))
    answer["ids"].numpy()
    if i >= 50:
        times.append(1000 * (time.perf_counter() - begin))
batches = [
    dict(
        history=tf.constant(
            [[f"i{n}" for n in row] for row in rng.integers(num_items, size=(32, 50))]
        ),
        history_age=tf.constant(rng.random((32, 50)) * 1e6, tf.float64),
        exclude=tf.fill([32, 1], ""),
    )
    for _ in range(10)
]
serve(**batches[0])
begin = time.perf_counter()
for batch in batches * 5:
    serve(**batch)["ids"].numpy()
rate = 32 * len(batches) * 5 / (time.perf_counter() - begin)
assert "tfrec_zoo" not in sys.modules
p50, p99 = np.percentile(times, [50, 99])
print(json.dumps({"p50_ms": round(p50, 2), "p99_ms": round(p99, 2), "per_second_of_32": round(rate),
                  "load_s": round(loaded, 2)}))
"""


def make_funnel(num_items: int, index: str) -> Funnel:
    rng = np.random.default_rng(0)
    ids = [f"i{n}" for n in range(num_items)]
    items = pd.DataFrame(
        {
            "item_id": ids,
            "channel": [f"c{n}" for n in rng.integers(num_items // 20, size=num_items)],
            "length": rng.random(num_items) * 600,
        }
    )
    events = pd.DataFrame({"user_id": ["u"], "item_id": ["i0"], "time": [0.0]})
    log = Log(name="synthetic", interactions=events, items=items)
    space = {"space": "item_id"}
    history = BagColumn(VocabularyColumn("history", **space))
    vocabularies = {"item_id": Vocabulary(tuple(ids))}
    query = FeatureSpec((EmbeddingColumn(history, 64),), (VocabularyColumn("item_id"),))
    retrieval = YouTubeRetrieval(Features(query, vocabularies, {}), hidden_units=(256, 64))
    # Before the funnel takes the item vectors.
    retrieval({"history": tf.constant([["i0"]])})
    retrieval.candidates()
    centres = rng.normal(size=(200, 16))[rng.integers(200, size=num_items)]
    vectors = (centres + 0.5 * rng.normal(size=centres.shape)) @ rng.normal(size=(16, 64))
    retrieval.output_table.table.assign(np.abs(vectors).astype(np.float32) * 0.1)

    channel = VocabularyColumn("channel")
    past = BagColumn(VocabularyColumn("history_channel", space="channel"))
    spec = FeatureSpec(
        (EmbeddingColumn(history, 32),),
        (
            EmbeddingColumn(VocabularyColumn("item_id"), 32),
            EmbeddingColumn(channel, 16),
            NumericColumn("length"),
            NumericColumn("candidate_score_retrieval"),
            InteractionColumn(past, channel, "history_age"),
        ),
    )
    rows = {
        "history_channel": [["c1", "c2"]] * 20,
        "channel": ["c1"] * 20,
        "history_age": rng.random((20, 2)) * 1e6,
    }
    data = {"length": items["length"], "candidate_score_retrieval": rng.normal(size=1000)}
    features = Features.fit(spec, {**data, "channel": items["channel"]}, vocabularies, [rows])
    ranking = YouTubeRanking(features, hidden_units=(256, 128))
    return Funnel({"retrieval": retrieval}, ranking, log, num_candidates=300, k=20, index=index)


def parts(funnel: Funnel, num_items: int) -> dict[str, float]:
    """Milliseconds of the query's network and of the search, at p50."""
    source = funnel._sources["retrieval"]
    rng = np.random.default_rng(1)
    history = tf.constant([[f"i{n}" for n in rng.integers(num_items, size=50)]])
    raw = {"history": history, "history_age": tf.zeros([1, 50], tf.float64)}

    @tf.function
    def query(raw: dict[str, tf.Tensor]) -> tf.Tensor:
        return source.query(funnel._features.with_history(raw, funnel._rows(raw["history"])))

    @tf.function
    def search(vector: tf.Tensor, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return source.search(vector, excluded, None, {})

    vector, excluded = query(raw), funnel._rows(history)
    calls = {
        "query_ms": lambda: query(raw).numpy(),
        "search_ms": lambda: search(vector, excluded)[1].numpy(),
    }
    return {name: round(float(np.median(milliseconds(c, 200))), 2) for name, c in calls.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[10**4, 10**5, 10**6])
    parser.add_argument("--indexes", nargs="+", default=["exact", "ivf", "scann"])
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--output", type=pathlib.Path, help="result file")
    arguments = parser.parse_args()
    head, rows = about(), []
    for num_items in arguments.items:
        for kind in arguments.indexes:
            funnel = make_funnel(num_items, kind)
            index = funnel._sources["retrieval"].index
            with tempfile.TemporaryDirectory() as folder:
                path = export(funnel, pathlib.Path(folder) / "funnel")
                size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
                client = [sys.executable, "-c", CLIENT, str(path), str(num_items)]
                answer = subprocess.run(
                    [*client, str(arguments.requests)],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            row = {
                "items": num_items,
                "index": type(index).__name__,
                **json.loads(answer.stdout.splitlines()[-1]),
                **parts(funnel, num_items),
                "megabytes": round(size / 1e6, 1),
            }
            row |= {"recall at 300": 1.0, "parts searched": "all"}
            if hasattr(index, "recall"):
                row["recall at 300"] = round(index.recall, 3)
                row["parts searched"] = f"{index.parts_to_search} of {index.num_parts}"
            rows.append(row)
            say(row)
    report(head, {"One request, and 32 at once": rows}, 2, arguments.output)


if __name__ == "__main__":
    main()
