"""Examples per second through `model.fit`: whole batches of ids, against per-example tf.data.

    python benchmarks/training_throughput.py

The same models, data and batch size, in turn in one process. "Plain" is what one writes first:
`Dataset.from_tensor_slices(raw features).shuffle(...).batch(...)`, with the look-ups in the model.
"""

import argparse
import pathlib
import statistics
import time

import tensorflow as tf
from side_by_side import about, report, say

from tfrec_zoo.data import Examples, simulate
from tfrec_zoo.models import RecommenderModel, YouTubeRanking, YouTubeRetrieval
from tfrec_zoo.tasks import NextWatch, WatchTime


def plain(examples: Examples, model: RecommenderModel, batch_size: int) -> tf.data.Dataset:
    raw = examples.raw(model.features.spec.raw)
    dataset = tf.data.Dataset.from_tensor_slices((raw, examples.label))
    return dataset.shuffle(len(examples)).batch(batch_size).prefetch(tf.data.AUTOTUNE)


def ours(examples: Examples, model: RecommenderModel, batch_size: int) -> tf.data.Dataset:
    return examples.dataset(batch_size, model.preprocessor, shuffle=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--items", type=int, default=4000)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--epochs", type=int, default=3, help="timed, after one that is not")
    parser.add_argument("--output", type=pathlib.Path, help="result file")
    arguments = parser.parse_args()
    head, rows = about(), []
    log = simulate(num_users=arguments.users, num_items=arguments.items)
    models = (
        (NextWatch(log), YouTubeRetrieval, {"hidden_units": (256, 64), "tied": True}),
        (WatchTime(log), YouTubeRanking, {"hidden_units": (128, 64)}),
    )
    for task, kind, options in models:
        name, given = kind.__name__, task.examples(kind, options)
        examples = given.train
        model = kind(given.fit_features(), **options)
        model.compile("adam")
        rates: dict[str, list[float]] = {"plain": [], "ours": []}
        datasets = {
            "plain": plain(examples, model, arguments.batch_size),
            "ours": ours(examples, model, arguments.batch_size),
        }
        for epoch in range(arguments.epochs + 1):
            for way, dataset in datasets.items():
                begin = time.perf_counter()
                model.fit(dataset, verbose=0)
                if epoch:
                    rates[way].append(len(examples) / (time.perf_counter() - begin))
        medians = {way: round(statistics.median(rate)) for way, rate in rates.items()}
        ratio = round(medians["ours"] / medians["plain"], 2)
        rows.append({"model": name, "examples": len(examples), **medians, "ratio": ratio})
        say(rows[-1])
    report(head, {"Training, examples per second": rows}, 2, arguments.output)


if __name__ == "__main__":
    main()
