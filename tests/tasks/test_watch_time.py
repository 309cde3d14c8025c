"""Watch time: which impressions, what is fed, and how far predictions are from the truth."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo.data import Log, leave_last_out
from tfrec_zoo.evaluation import scores_and_ranks, user_folds
from tfrec_zoo.folds import train_folds
from tfrec_zoo.models import GMF, LogisticRegression, YouTubeRanking
from tfrec_zoo.tasks import NextWatch, WatchTime
from tfrec_zoo.tasks.watch_time import calibration
from tfrec_zoo.training import Training


def times(log: Log, rows: np.ndarray) -> np.ndarray:
    assert log.impressions is not None
    return log.impressions["time"].to_numpy()[rows]


def test_the_last_impressions_are_tested_on(simulated_log: Log) -> None:
    task = WatchTime(simulated_log, test_fraction=0.25, validation_fraction=0.2)
    train, test = task.rows
    assert times(simulated_log, train).max() < times(simulated_log, test).min()
    assert simulated_log.impressions is not None
    assert sorted([*train, *test]) == list(range(len(simulated_log.impressions)))
    assert len(test) / (len(train) + len(test)) == pytest.approx(0.25, abs=0.01)
    # To validate, a fifth of what comes before the test: what is tested on is not looked at.
    less, validation = task.validating().rows  # type: ignore[attr-defined]
    assert sorted([*less, *validation]) == train.tolist()
    assert len(validation) / len(train) == pytest.approx(0.2, abs=0.01)
    assert times(simulated_log, less).max() < times(simulated_log, validation).min()
    assert task.protocol == "impressions by time, last 0.25"
    assert task.validating().protocol == "impressions by time, last 0.25, validation impressions"


def test_from_a_moment_on(simulated_log: Log) -> None:
    task = WatchTime(simulated_log, test_from=3 * 86_400.0)
    train, test = task.rows
    assert times(simulated_log, train).max() < 3 * 86_400 <= times(simulated_log, test).min()
    assert task.protocol == "impressions by time, from 259200"


def test_sampled_impressions_are_named(small_log: Log) -> None:
    task = WatchTime(small_log, negatives=2, seed=3)
    assert task.is_sampled and task.protocol == (
        "impressions by time, last 0.15, sampled impressions with 2 negatives of seed 3"
    )
    assert task.shown.impressions is not None
    assert len(task.shown.impressions) == 3 * len(small_log.interactions)
    assert task.validating().shown is task.shown  # type: ignore[attr-defined]


def test_sampled_impressions_by_a_split_of_what_they_were_sampled_for(small_log: Log) -> None:
    split = leave_last_out(small_log)
    task = WatchTime(small_log, split=split, negatives=2)
    watches, shown = small_log.interactions, task.shown.impressions
    assert shown is not None
    for held_out, part in ((task, split.test), (task.validating(), split.validation)):
        train, test = held_out.rows  # type: ignore[attr-defined]
        for rows, expected in ((train, split.train), (test, part)):
            assert len(rows) == 3 * len(expected)
            chosen = shown.iloc[rows].query("clicked == 1")
            found = sorted(zip(chosen["user_id"], chosen["item_id"], strict=True))
            pairs = watches.iloc[expected]
            assert found == sorted(zip(pairs["user_id"], pairs["item_id"], strict=True))
    assert task.protocol.startswith("leave-last-out, sampled impressions with 2 negatives")


def test_a_split_of_interactions_is_for_sampled_impressions(simulated_log: Log) -> None:
    split = leave_last_out(simulated_log)
    with pytest.raises(ValueError, match="Received a log 'simulated' with impressions"):
        WatchTime(simulated_log, split=split)


def test_what_is_fed(simulated_log: Log, small_log: Log) -> None:
    def keys(task: WatchTime, model: Any = LogisticRegression) -> set[str]:
        return set(task.examples(model).spec.raw)

    # Sampled impressions were never shown, so that what was shown before says nothing.
    assert "recent_impressions" in keys(WatchTime(simulated_log))
    assert "recent_impressions" not in keys(WatchTime(small_log))
    assert not [key for key in keys(WatchTime(small_log)) if key.startswith("candidate_")]
    assert keys(WatchTime(small_log), GMF) == {"user_id", "item_id"}
    spec = WatchTime(small_log, max_history=7).examples(YouTubeRanking).spec
    assert spec.query[0].categorical.max_length == 7  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def retrieval(small_log: Log) -> Any:
    return tfrec_zoo.train("Popularity", NextWatch(small_log), Training(verbose=0)).model


@pytest.fixture(scope="module")
def neighbors(small_log: Log) -> Any:
    return tfrec_zoo.train("ItemKNN", NextWatch(small_log), Training(verbose=0)).model


def test_sources_nominate_and_what_they_say_is_fed(
    small_log: Log, retrieval: Any, neighbors: Any
) -> None:
    sources = {"popular": retrieval, "neighbors": neighbors}
    task = WatchTime(small_log, sources=sources, negatives=2, num_candidates=4)
    assert "with 2 negatives nominated by popular and neighbors of seed 0" in task.protocol
    given = task.examples(LogisticRegression)
    keys = {key for key in given.spec.raw if key.startswith("candidate_")}
    assert keys == {
        "candidate_sources",
        *(f"candidate_{kind}_{name}" for kind in ("score", "reciprocal_rank") for name in sources),
    }
    raw = given.test.raw(keys)
    for name, source in sources.items():
        score, rank = scores_and_ranks(source, given.test, num_candidates=4).T
        np.testing.assert_allclose(raw[f"candidate_score_{name}"], score, rtol=1e-6)
        expected = [1 / one if one else 0 for one in rank]
        np.testing.assert_allclose(raw[f"candidate_reciprocal_rank_{name}"], expected, rtol=1e-6)
        is_named = (raw["candidate_sources"] == name).any(axis=1)
        np.testing.assert_array_equal(is_named, rank > 0)
        # All that is shown was nominated by one of them, and not all by each.
        assert 0 < is_named.mean() < 1
    assert (raw["candidate_sources"] != "").any(axis=1).all()
    # Nothing is shown twice at once.
    assert task.shown.impressions is not None
    pages = task.shown.impressions.groupby("page_id")["item_id"]
    assert (pages.nunique() == pages.size()).all()


def test_scores_are_fed(small_log: Log, retrieval: Any) -> None:
    task = WatchTime(small_log, sources={"popular": retrieval}, negatives=2)
    given = task.examples(LogisticRegression)
    counts = training_counts(small_log, NextWatch(small_log).rows.train)
    check_scores(task, task.rows[1], given.test, counts)
    # Both stages know the same items.
    vocabulary = given.fit_features().vocabularies["item_id"]
    assert vocabulary == retrieval.features.vocabularies["item_id"]


def training_counts(log: Log, rows: np.ndarray) -> dict[str, int]:
    return log.interactions["item_id"].iloc[rows].value_counts().to_dict()


def check_scores(task: WatchTime, rows: np.ndarray, examples: Any, counts: dict[str, int]) -> None:
    """Scores are shares, by one more than the counts, of what the user had not seen by then."""
    events, shown = task.log.interactions, task.shown.impressions
    assert shown is not None
    found = examples.raw(["candidate_score_popular"])["candidate_score_popular"]
    for page, score in zip(shown.iloc[rows].itertuples(), found, strict=True):
        before = (events["user_id"] == page.user_id) & (events["time"] < page.time)
        seen = set(events.loc[before, "item_id"])
        total = sum(1 + n for item, n in counts.items() if item not in seen)
        share = (1 + counts[page.item_id]) / total if page.item_id in counts else np.nan
        np.testing.assert_allclose(score, np.log(share), rtol=1e-4)


def test_what_is_trained_on_is_scored_out_of_fold(small_log: Log, retrieval: Any) -> None:
    base = NextWatch(small_log)
    folds = {"popular": train_folds(retrieval, base, Training(verbose=0))}
    sources = {"popular": retrieval}
    task = WatchTime(small_log, split=base.rows, sources=sources, fold_models=folds, negatives=2)
    assert "nominations out of 2 folds of users" in task.protocol
    given = task.examples(LogisticRegression)
    events, users = small_log.interactions, small_log.users["user_id"].tolist()
    every = training_counts(small_log, base.rows.train)
    check_scores(task, task.rows[1], given.test, every)
    fold_of = dict(zip(users, user_folds(np.arange(len(users)), 2), strict=True))
    assert task.shown.impressions is not None
    shown = task.shown.impressions["user_id"].map(fold_of).to_numpy()[task.rows[0]]
    trained_on = events["user_id"].map(fold_of).to_numpy()[base.rows.train]
    for fold in (0, 1):
        part = np.flatnonzero(shown == fold)
        assert len(part)
        # Watched by the other users; what these alone watched is known, and counts 0.
        others = training_counts(small_log, base.rows.train[trained_on != fold])
        counts = {item: others.get(item, 0) for item in every}
        check_scores(task, task.rows[0][part], given.train.take(part), counts)


def test_impressions_of_the_log_are_scored_out_of_fold_too(simulated_log: Log) -> None:
    base = NextWatch(simulated_log, split="time")
    model = tfrec_zoo.train("Popularity", base, Training(verbose=0)).model
    folds = {"popular": train_folds(model, base, Training(verbose=0))}
    plain = WatchTime(simulated_log, sources={"popular": model})
    task = WatchTime(simulated_log, sources={"popular": model}, fold_models=folds)
    key = "candidate_score_popular"
    (train, test), (other, same) = (
        (given.train.raw([key])[key], given.test.raw([key])[key])
        for given in (plain.examples(LogisticRegression), task.examples(LogisticRegression))
    )
    np.testing.assert_array_equal(test, same)
    assert (train != other).mean() > 0.9


def test_fold_models_go_with_sources_and_a_split(small_log: Log, retrieval: Any) -> None:
    folds = {"popular": (retrieval, retrieval)}
    with pytest.raises(ValueError, match=r"same names. .* of \['popular'\], sources \[\]"):
        WatchTime(small_log, fold_models=folds)
    with pytest.raises(ValueError, match=r"same names. .*, sources \['popular', 'x'\]"):
        sources = {"popular": retrieval, "x": retrieval}
        WatchTime(small_log, sources=sources, fold_models=folds)
    with pytest.raises(ValueError, match="give the `split` that says which. Received: 'time'"):
        WatchTime(small_log, sources={"popular": retrieval}, fold_models=folds)


def test_only_impressions_before_and_after_make_a_task(simulated_log: Log) -> None:
    for moment in (-1.0, 1e9):
        with pytest.raises(ValueError, match="to train on and .* to test on"):
            _ = WatchTime(simulated_log, test_from=moment).rows


@pytest.mark.usefixtures("eagerly")
def test_what_is_measured(simulated_log: Log) -> None:
    task = WatchTime(simulated_log)
    training = Training(epochs=1, learning_rate=0.01, verbose=0)
    run = tfrec_zoo.train("YouTubeRanking", task, training, hidden_units=(8,))
    ordered = {"auc", "gauc", "weighted_per_user_loss"}
    assert set(run.metrics) >= {*ordered, "bias", "mae", "xauc", "bias_to_truth"}
    assert np.isfinite(list(run.metrics.values())).all()
    assert simulated_log.impressions is not None
    rows = task.rows[1]
    truth = simulated_log.impressions["true_watch_time"].to_numpy()[rows]
    ten = [run.metrics[f"true_{i}"] for i in range(10)]
    assert np.average(ten, weights=[len(part) for part in np.array_split(truth, 10)]) == (
        pytest.approx(truth.mean(), rel=1e-5)
    )
    # What is drawn is what is measured: predictions beside the truth, or beside what was chosen.
    np.testing.assert_array_equal(run.outcomes.labels, truth)
    level = run.outcomes.predictions.sum() / truth.sum() - 1
    assert level == pytest.approx(run.metrics["bias_to_truth"], rel=1e-5)
    label = task.examples(YouTubeRanking).test.label
    assert run.metrics["mae"] == pytest.approx(np.abs(run.outcomes.predictions - label).mean())
    # A probability is no watch time, and has neither a bias nor an error in seconds.
    for name, arguments in (("LogisticRegression", {}), ("YouTubeRanking", {"weighted": False})):
        run = tfrec_zoo.train(name, task, training, **arguments)
        assert set(run.metrics) == ordered
    assert set(run.outcomes.labels) == {False, True}


def test_the_truth_is_the_bound(simulated_log: Log, small_log: Log) -> None:
    assert set(WatchTime(small_log).baselines) == {"mean", "median", "item-means"}
    task = WatchTime(simulated_log)
    means = {"mean", "median", "item-means", "duration-means"}
    assert set(task.baselines) == {*means, "truth"}
    metrics = task.baselines["truth"]()
    assert simulated_log.impressions is not None
    shown = simulated_log.impressions.iloc[task.rows[1]]
    worth = shown["watch_seconds"].where(shown["clicked"] == 1, 0).sum()
    assert metrics["bias"] == pytest.approx(shown["true_watch_time"].sum() / worth - 1, rel=1e-4)
    seconds = shown["watch_seconds"].where(shown["clicked"] == 1, 0)
    assert metrics["mae"] == pytest.approx((shown["true_watch_time"] - seconds).abs().mean(), 1e-5)
    assert 0.5 < metrics["xauc"] < 1
    odds = shown["true_watch_time"] / (1 - shown["true_click_probability"])
    expected = odds.sum() / shown["true_watch_time"].sum() - 1
    assert metrics["bias_of_odds"] == pytest.approx(expected, rel=1e-6)
    assert metrics["bias_of_odds"] > 0


def test_calibration_by_hand() -> None:
    predicted, true = np.array([4.0, 1.0, 3.0, 2.0]), np.array([6.0, 1.0, 4.0, 1.0])
    # Halves by prediction: (1, 2) against (1, 1), and (3, 4) against (4, 6); 10 against 12 in all.
    assert calibration(predicted, true, buckets=2) == pytest.approx(
        {"bias_to_truth": 10 / 12 - 1, "predicted_0": 1.5, "true_0": 1.0, "predicted_1": 3.5,
         "true_1": 5.0}
    )  # fmt: skip


def test_a_log_without_weights(small_log: Log) -> None:
    frame = small_log.interactions.drop(columns="weight")
    task = WatchTime(dataclasses.replace(small_log, interactions=frame))
    label = pd.Series(task.examples(LogisticRegression).test.label)
    # What is chosen is worth one.
    assert set(label) == {0.0, 1.0} and "sampled impressions" in task.protocol


def test_the_checksum_tells_retrieval_models_apart(small_log: Log) -> None:
    one, other = (
        tfrec_zoo.train(
            "Popularity", NextWatch(small_log, test_fraction=share, split="time"),
            Training(verbose=0),
        ).model
        for share in (0.1, 0.6)
    )  # fmt: skip
    checksums = [
        WatchTime(small_log, sources={"popular": model}).checksum for model in (one, other, one)
    ]
    assert checksums[0] == checksums[2] != checksums[1]
