"""YouTubeRanking on KuaiRand-Pure's short-video impressions, trained on earlier days.

    python benchmarks/kuairand.py DIR --output runs/kuairand

DIR is a folder as `read_kuairand` describes it. What was shown from May 2022 on is tested on. A
pair of impressions is compared within a user's day.
"""

import argparse
import pathlib

import numpy as np
import pandas as pd

import tfrec_zoo as zoo
from tfrec_zoo.data import read_kuairand
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


#: Midnight where the app is used.
TEST_FROM = pd.Timestamp("2022-05-01", tz="Asia/Shanghai").timestamp()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    log = read_kuairand(arguments.directory)
    task = WatchTime(log, test_from=TEST_FROM, spec=impression_spec(log, embedding_dim=16))
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
