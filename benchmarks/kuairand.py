"""YouTubeRanking on KuaiRand-Pure's short-video impressions, trained on earlier days.

    python benchmarks/kuairand.py DIR --output runs/kuairand

DIR holds val.parquet and test.parquet (impressions of earlier and later days, with user_id,
video_id, time_ms, is_click, play_time_ms), user_features_pure.csv.gz and
video_features_basic_pure.csv.gz. Repeated rows are dropped. A pair of impressions is compared
within a user's day. Gao et al., "KuaiRand", CIKM 2022; CC BY-SA 4.0.
"""

import argparse
import pathlib

import numpy as np
import pandas as pd

import tfrec_zoo as zoo
from tfrec_zoo.data import Log, Roles
from tfrec_zoo.evaluation import pointwise_metrics
from tfrec_zoo.tables import markdown
from tfrec_zoo.tasks import WatchTime
from tfrec_zoo.tasks.specs import impression_spec

ROWS = {
    "weighted": {"hidden_units": (128, 64), "dropout": 0.2},
    "weighted, exact odds": {"hidden_units": (128, 64), "dropout": 0.2, "exact_odds": True},
    "unweighted": {"hidden_units": (128, 64), "dropout": 0.2, "weighted": False},
    "logistic regression": {"hidden_units": (), "weighted": False},
}


def _seconds(dates: pd.Series) -> pd.Series:
    return (pd.to_datetime(dates) - pd.Timestamp(0)).dt.total_seconds()


def kuairand(directory: pathlib.Path, impressions: int | None = None) -> tuple[Log, float]:
    """The log, and the time from which its later days begin.

    Args:
        directory: Folder of the files.
        impressions: How many impressions to keep, the same number before and after that time.
    """
    parts = [pd.read_parquet(directory / f"{part}.parquet") for part in ("val", "test")]
    if impressions is not None:
        earlier, later = (part.sort_values("time_ms") for part in parts)
        parts = [earlier.tail(impressions // 2), later.head(impressions // 2)]
    shown = pd.concat(parts, ignore_index=True)
    shown = shown.drop_duplicates(["user_id", "video_id", "time_ms"])
    shown["time"] = shown["time_ms"] / 1000.0
    shown["clicked"] = shown["is_click"].astype(int)
    # An impression is worth what was watched of it once it was clicked.
    shown["seconds"] = shown["play_time_ms"].astype(float) / 1000.0 * shown["clicked"]
    shown["page_id"] = shown["user_id"].astype(str) + "/" + shown["date"].astype(str)
    shown["tab"] = shown["tab"].astype(str)
    columns = ["user_id", "video_id", "time", "clicked", "seconds", "page_id", "tab"]
    shown = shown[columns]
    watched = shown[(shown["clicked"] == 1) & (shown["seconds"] > 0)]
    users = pd.read_csv(directory / "user_features_pure.csv.gz")
    kept = ["user_active_degree", "follow_user_num_range", "fans_user_num_range",
            "friend_user_num_range", "register_days_range"]  # fmt: skip
    users = users[users["user_id"].isin(shown["user_id"])][["user_id", *kept]]
    videos = pd.read_csv(directory / "video_features_basic_pure.csv.gz")
    videos = pd.DataFrame(
        {
            "video_id": videos["video_id"],
            "author": videos["author_id"].astype(str),
            "tag": videos["tag"].fillna("").astype(str),
            "upload_type": videos["upload_type"].fillna(""),
            "length": videos["video_duration"].astype(float) / 1000.0,
            "upload_time": _seconds(videos["upload_dt"]),
        }
    )
    log = Log(
        name="kuairand-pure",
        interactions=watched[["user_id", "video_id", "time", "seconds"]],
        users=users,
        items=videos[videos["video_id"].isin(shown["video_id"])],
        impressions=shown,
        roles=Roles(item="video_id", weight="seconds"),
    )
    return log, float(parts[1]["time_ms"].min() / 1000.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--impressions", type=int, help="only so many at the turn of the days")
    arguments = parser.parse_args()
    log, test_from = kuairand(arguments.directory, arguments.impressions)
    task = WatchTime(log, test_from=test_from, spec=impression_spec(log, embedding_dim=16))
    train, test = task.rows
    print(f"{len(train)} impressions to train on, {len(test)} to test on", flush=True)
    results = []
    for row, options in ROWS.items():
        for seed in arguments.seeds:
            training = zoo.Training(
                epochs=arguments.epochs, batch_size=512, learning_rate=0.001, seed=seed, verbose=2
            )
            result = zoo.train("YouTubeRanking", task, training, **options).result(row=row)
            result.write(arguments.output / f"{row.replace(',', '').replace(' ', '-')}-{seed}.json")
            results.append({"row": row, **result.to_dict()})
    # The bound below: the same score for all.
    examples = task.examples(zoo.YouTubeRanking).test
    metrics = pointwise_metrics(np.zeros(len(examples)), examples.label, examples.groups)
    del metrics["bias"]
    print(markdown(results))
    print("a constant score:", metrics)


if __name__ == "__main__":
    main()
