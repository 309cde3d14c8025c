"""The age of the training example as a feature: time-dependent popularity, learned or averaged.

Covington et al. (2016), §3.3 and figure 4: an example of the time t is fed with its age t_max − t,
which is zero (or slightly below) when the model serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

import tfrec_zoo as zoo
from tfrec_zoo.data import Examples, Log, Split
from tfrec_zoo.data.derived import EXAMPLE_AGE
from tfrec_zoo.evaluation.nominations import nominate
from tfrec_zoo.experiments.experiment import Experiment, require_columns
from tfrec_zoo.experiments.findings import Finding, by_differences, is_above
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.plots.figures import COLOURS, line, new_figure
from tfrec_zoo.tasks import NextWatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DAY = 86_400.0
#: Days of the watched past, and of what happens after training, at which the lists are looked at.
AGES = (-0.5, 0.0, 1.0, 2.0, 4.0, 8.0)


class ExampleAge(Experiment):
    """The model is trained on all days but the last, from one unordered bag of watches as in the
    paper. The truth is each video's share of all watches of a day. The predictions of a day are
    averages over its own requests, at their example age; and, to see the feature alone, over one
    sample of requests of all days, as if they came on each of the days. The two differ because a
    history tells its day as well: it holds no video that is uploaded later. A request of another
    day has a history that contradicts the age it is given, and what is predicted lags behind.

    `r` is the correlation with the truth of the curve by days since upload, averaged over the
    videos whose whole curve is in the window; `r of videos` that of single videos, averaged over
    the twenty most watched; `KL` the divergence of a day's watches from the prediction in nats,
    averaged over the days. Fresh videos are those of the last two days of training; their share of
    the lists of ten is set beside their share of the watches of the next day.
    """

    name = "example-age"
    title = "The age of the example"
    source = "§3.3, figure 4"
    claim = (
        "With the age of the example as a feature, the model represents the upload time and the "
        "time-dependent popularity of a video; without, it predicts about the average over the "
        "training window."
    )
    columns = {
        "r": "curve_correlation",
        "r, same requests": "curve_correlation_same_requests",
        "r of videos": "video_correlation",
        "KL": "kl",
        "KL, same requests": "kl_same_requests",
        "fresh in lists, age 0": "fresh_in_lists_at_0",
        "fresh in lists, age −0.5 d": "fresh_in_lists_at_-0.5",
        "fresh in watches": "fresh_in_watches",
        "MAP": "mean_average_precision",
    }
    sizes = {
        "toy": {
            "world": {"num_users": 150, "num_items": 100, "num_days": 4},
            "hidden_units": (16,),
            "training": {"epochs": 1},
            "requests": 50,
        },
        "small": {
            "world": {"num_users": 3000, "num_items": 500, "num_days": 14},
            "hidden_units": (256, 64),
            "training": {"epochs": 8, "batch_size": 256, "learning_rate": 0.005},
            "requests": 500,
        },
        "full": {
            "world": {"num_users": 8000, "num_items": 1500, "num_days": 28},
            "hidden_units": (512, 128),
            "training": {"epochs": 8, "batch_size": 256, "learning_rate": 0.005},
            "requests": 1000,
        },
    }

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """With the feature and without."""
        return {"with": {"example_age": True}, "without": {"example_age": False}}

    def measure(self, seed: int, **setting: Any) -> Measured:
        """Predicted shares by day beside the true ones, and how fresh the lists are."""
        log = self.log(seed)
        require_columns(self.name, "items", log.items, ["upload_time"])
        split, begin, num_days = but_last_day(log)
        task = NextWatch(log, split=split, order=False, **setting)
        units = self.parameters["hidden_units"]
        run = zoo.train("YouTubeRetrieval", task, self.training(seed), hidden_units=units)
        examples = task.examples(type(run.model), run.arguments)
        videos = run.model.features.vocabularies[log.roles.item].array()
        rng = np.random.default_rng(seed)

        watched = log.interactions[log.roles.item].to_numpy()
        day = ((log.interactions[log.roles.time].to_numpy() - begin) // DAY).astype(int)
        truth = shares_by_day(watched[split.train], day[split.train], videos, num_days)
        ages = _ages(log, split, begin, num_days)
        number = self.parameters["requests"]
        same = sample(examples.train, rng, number)
        own = [
            sample(examples.train.take(np.flatnonzero(day[split.train] == each)), rng, number)
            for each in range(num_days)
        ]
        predicted = {
            "own": np.stack(
                [probabilities(run.model, o, age) for o, age in zip(own, ages, strict=True)]
            ),
            "same": np.stack([probabilities(run.model, same, age) for age in ages]),
        }
        upload = log.items.set_index(log.roles.item)["upload_time"].reindex(videos).to_numpy()
        uploaded = np.floor((upload - begin) / DAY)
        curves = {
            name: by_days_since_upload(shares, uploaded)
            for name, shares in {"truth": truth, **predicted}.items()
        }
        inside = np.flatnonzero((uploaded >= 1) & (uploaded < num_days))
        best = inside[np.argsort(-truth[:, inside].sum(axis=0), kind="stable")][:20]
        of_videos = [correlation(predicted["own"][:, v], truth[:, v]) for v in best]
        metrics = {
            "curve_correlation": correlation(curves["own"], curves["truth"]),
            "curve_correlation_same_requests": correlation(curves["same"], curves["truth"]),
            "video_correlation": float(np.mean(of_videos)),
            "kl": divergence(truth, predicted["own"]),
            "kl_same_requests": divergence(truth, predicted["same"]),
            "mean_average_precision": run.metrics["mean_average_precision"],
        }
        is_fresh = upload >= begin + (num_days - 2) * DAY
        known = watched[split.test][np.isin(watched[split.test], videos)]
        metrics["fresh_in_watches"] = float(np.isin(known, videos[is_fresh]).mean())
        fresh = self._fresh(run.model, examples.test, videos[is_fresh])
        for point in fresh:
            metrics[f"fresh_in_lists_at_{point['days']:g}"] = point["lists"]
        reach = len(curves["truth"]) // 2
        points = {
            "upload": [
                {"days": x - reach, **{name: float(curve[x]) for name, curve in curves.items()}}
                for x in range(2 * reach + 1)
            ],
            "video": [
                {
                    "days": float(d - uploaded[best[0]]),
                    "truth": float(truth[d, best[0]]),
                    **{name: float(shares[d, best[0]]) for name, shares in predicted.items()},
                }
                for d in range(num_days)
            ],
            "fresh": fresh,
        }
        return Measured(metrics, points)

    def _fresh(self, model: Any, test: Examples, fresh: np.ndarray) -> list[dict[str, float]]:
        """How much of the lists fresh videos have, by the age that is fed."""
        some = sample(test, np.random.default_rng(0), self.parameters["requests"])
        points = []
        for days in AGES:
            lists = nominate(model, _at_age(some, days * DAY), 10)
            points.append({"days": days, "lists": float(np.isin(lists, fresh).mean())})
        return points

    def figure(self, results: Results) -> Figure:
        """Curves by days since upload, of all videos and of one, and the share of fresh videos."""
        figure, (left, middle, right) = new_figure(columns=3, width=4.2)
        upload, video, fresh = (results.curve(name) for name in ("upload", "video", "fresh"))
        seed = video["seed"].min()
        video = video[video["seed"] == seed]
        settings = list(results.metrics["setting"].unique())
        for axes, frame in ((left, upload), (middle, video)):
            shares = ["truth", "own", "same"]
            frame = frame.assign(**{name: 100 * frame[name] for name in shares})
            true = frame[frame["setting"] == settings[0]]
            line(axes, true, "days", "truth", "watches", color="black", linestyle="--")
            for name, colour in zip(settings, COLOURS, strict=False):
                own, label = frame[frame["setting"] == name], f"{name} example age"
                line(axes, own, "days", "own", label, color=colour)
                line(axes, own, "days", "same", f"{label}, same requests", color=colour,
                     linestyle=":")  # fmt: skip
            axes.set_xlabel("days since upload")
            axes.set_ylabel("share of a day's watches (%)")
        left.set_title("mean over videos", fontsize="medium")
        middle.set_title(f"the most watched upload, seed {seed}", fontsize="medium")
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5)
        fresh = fresh.assign(lists=100 * fresh["lists"])
        for name, own in fresh.groupby("setting"):
            line(right, own, "days", "lists", f"{name} example age", marker="o", markersize=3)
        share = 100 * results.metrics["fresh_in_watches"].mean()
        right.axhline(share, color=COLOURS[6], linestyle="--", label="watches of the next day")
        right.set_xlabel("example age fed (days)")
        right.set_ylabel("share of fresh videos in lists of ten (%)")
        right.legend(fontsize="small")
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """Correlation and divergence with the truth, and fresh videos in lists."""
        correlated = results.values("with", "curve_correlation")
        kl = results.values("without", "kl") - results.values("with", "kl")
        gap = {
            name: (
                results.values(name, "fresh_in_lists_at_0")
                - results.values(name, "fresh_in_watches")
            ).abs()
            for name in ("with", "without")
        }
        return [
            by_differences(
                (correlated - 0.9).to_numpy(),
                f"r {correlated.mean():.3f}",
                "With example age, predictions follow the curve by days since upload: r is above "
                ".9.",
            ),
            is_above(
                results,
                "curve_correlation",
                "with",
                "without",
                "With example age the curve follows the truth better than without.",
            ),
            is_above(
                results,
                "curve_correlation_same_requests",
                "with",
                "without",
                "Of the same requests, predictions vary with the day only with example age.",
            ),
            by_differences(
                kl.to_numpy(),
                f"nats less: {kl.mean():.3g}",
                "With example age the predictions diverge less from the day's watches.",
            ),
            is_above(
                results,
                "fresh_in_lists_at_0",
                "with",
                "without",
                "With example age, more fresh videos are served.",
            ),
            by_differences(
                (gap["without"] - gap["with"]).to_numpy(),
                f"distance: with {gap['with'].mean():.3g}, without {gap['without'].mean():.3g}",
                "With example age, the share of fresh videos served at age 0 is closer to their "
                "share of the next day's watches.",
            ),
        ]


def but_last_day(log: Log) -> tuple[Split, float, int]:
    """Trains on whole days but the last, tests on the last; with their beginning and number."""
    log.require_times("the age of an example")
    times = log.interactions[log.roles.time].to_numpy(np.float64)
    begin = DAY * np.floor(times.min() / DAY)
    num_days = int((times.max() - begin) // DAY)
    if (times.max() - begin) % DAY < DAY / 2:  # What is left over is no day.
        num_days -= 1
    if num_days < 2:
        raise ValueError(f"The log must span three days. Received: {num_days + 1}")
    end = begin + num_days * DAY
    train, test = np.flatnonzero(times < end), np.flatnonzero((times >= end) & (times < end + DAY))
    return Split(train, np.empty(0, np.int64), test, "last day, days before it"), begin, num_days


def _ages(log: Log, split: Split, begin: float, num_days: int) -> np.ndarray:
    """The example age at the middle of each day of the training window."""
    end = log.interactions[log.roles.time].to_numpy(np.float64)[split.train].max()
    return np.asarray(end - (begin + (np.arange(num_days) + 0.5) * DAY))


def sample(examples: Examples, rng: np.random.Generator, number: int) -> Examples:
    """So many examples, drawn without replacement; all, if there are fewer."""
    return examples.take(np.sort(rng.permutation(len(examples))[:number]))


def _at_age(examples: Examples, age: float) -> Examples:
    return examples.with_features({EXAMPLE_AGE: np.full(len(examples), age)})


def probabilities(model: Any, examples: Examples, age: float) -> np.ndarray:
    """The probability of each item, [items], averaged over requests of one example age."""
    raw = _at_age(examples, age).raw(model.raw_keys)
    scores = tf.cast(model.scores(raw), tf.float32)
    return np.asarray(tf.reduce_mean(tf.nn.softmax(scores), axis=0).numpy(), np.float64)


def shares_by_day(
    items: np.ndarray, day: np.ndarray, known: np.ndarray, num_days: int
) -> np.ndarray:
    """Each known item's share of the events of each day, [days, items]."""
    counts = np.zeros((num_days, len(known)))
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known[order], items), len(known) - 1)
    is_known = known[order][at] == items
    np.add.at(counts, (day[is_known], order[at[is_known]]), 1)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def by_days_since_upload(shares: np.ndarray, uploaded: np.ndarray) -> np.ndarray:
    """The mean of shares by days since upload, from −reach to reach.

    The reach is a third of the days. The mean is over the items whose whole curve is in the window,
    so that every point is of the same items.

    Args:
        shares: [days, items] shares.
        uploaded: [items] day of the upload; days outside the window are left out.
    """
    num_days = len(shares)
    reach = num_days // 3
    items = np.flatnonzero((uploaded >= reach) & (uploaded < num_days - reach))
    days = uploaded[items].astype(int) + np.arange(-reach, reach + 1)[:, None]
    if not len(items):
        return np.zeros(2 * reach + 1)
    return np.asarray(shares[days, items].mean(axis=1))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation; 0 where one of the two does not vary."""
    if np.ptp(a) <= 1e-6 * np.abs(a).max() or np.ptp(b) <= 1e-6 * np.abs(b).max():
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def divergence(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The Kullback-Leibler divergence of predictions from the truth, in nats, a mean over rows."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(truth > 0, truth * np.log(truth / predicted), 0.0)
    return float(terms.sum(axis=1).mean())
