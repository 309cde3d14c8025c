"""What new items are worth to a model that was trained before them, on the simulator.

    python benchmarks/new_items.py --output runs/new-items.json

Everything is trained on the watches before the last days, in which no video that is uploaded in
them can be. Then these videos are added, without training, and the watches of the last days are
ranked among all videos: those of new videos, and those of old ones. `TwoTower` reads the new ones'
channel, topic, series and length; the vectors of `YouTubeRetrieval` start from a regression on the
same and on the words of the titles, from the mean of the channel or of the topic, from the mean of
all, or from nothing. The simulator's truth is that a new video is watched for its topic, its
channel and its series.
"""

import argparse
import logging
import pathlib
import time
from typing import Any

import numpy as np
from side_by_side import about, report

import tfrec_zoo as zoo
from tfrec_zoo.data import Log, Split, next_watch_examples, simulate
from tfrec_zoo.evaluation import full_ranking
from tfrec_zoo.tasks import NextWatch

DAY = 86_400
CONTENT = ["video_id", "title", "channel", "topic", "series", "length"]


def split_before(log: Log, begin: float) -> Split:
    """Trains on the watches before a moment, tests on those after it."""
    times = log.interactions["time"].to_numpy()
    none = np.empty(0, np.int64)
    train, test = np.flatnonzero(times < begin), np.flatnonzero(times >= begin)
    return Split(train, none, test, f"before {begin / DAY:g} days, after them")


def of_new_items(arguments: argparse.Namespace, log: Log, begin: float) -> list[dict[str, Any]]:
    """The rows of the table."""
    split = split_before(log, begin)
    new = log.items[log.items["upload_time"] >= begin]
    is_new = log.interactions["video_id"].isin(new["video_id"]).to_numpy()[split.test]
    assert not log.interactions["video_id"].isin(new["video_id"]).to_numpy()[split.train].any()
    task = NextWatch(log, split=split, example_age=False)
    training = zoo.Training(epochs=arguments.epochs, seed=arguments.seed, verbose=0)
    shape: dict[str, Any] = {"hidden_units": (128, 64)}
    started = time.perf_counter()
    towers = zoo.train("TwoTower", task, training, **shape).model
    youtube = zoo.train("YouTubeRetrieval", task, training, **shape).model
    print(f"trained in {time.perf_counter() - started:.0f} s", flush=True)
    content = log.items[CONTENT]
    contenders = {
        "TwoTower, by features alone": (towers, "zeros"),
        "TwoTower, ids by its features": (towers, "content"),
        "TwoTower, ids by content": (towers, zoo.Content(content)),
        "YouTubeRetrieval, content": (youtube, zoo.Content(content)),
        "YouTubeRetrieval, mean of channel": (youtube, zoo.Category("channel", content)),
        "YouTubeRetrieval, mean of topic": (youtube, zoo.Category("topic", content)),
        "YouTubeRetrieval, mean of all": (youtube, "mean"),
        "YouTubeRetrieval, zeros": (youtube, "zeros"),
        "YouTubeRetrieval, as drawn": (youtube, "initial"),
    }
    tests = {
        name: next_watch_examples(log, split.test[rows], serving=True, last_search=True)
        for name, rows in (("new", is_new), ("old", ~is_new))
    }
    rows = []
    for name, (model, rule) in contenders.items():
        started = time.perf_counter()
        grown = zoo.add_items(model, new, rule)
        row: dict[str, Any] = {"start": name, "seconds": time.perf_counter() - started}
        for which, examples in tests.items():
            found = full_ranking(grown, examples)
            row.update({f"{which}_recall_at_{k}": found[f"hit_rate_at_{k}"] for k in (10, 50)})
        rows.append(row)
    print(f"{len(new)} new of {len(log.items)} videos; {is_new.sum()} of {len(is_new)} watches")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--fresh-days", type=int, default=2, help="days in which videos are new")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    log = simulate(arguments.users, arguments.items, arguments.days, seed=arguments.seed)
    begin = (arguments.days - arguments.fresh_days) * DAY
    head, rows = about(), of_new_items(arguments, log, begin)
    tables = {"Users whose next watch is a video that no model was trained on": rows}
    report(head, tables, 4, arguments.output)


if __name__ == "__main__":
    main()
