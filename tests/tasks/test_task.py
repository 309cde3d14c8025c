"""What all tasks have in common: options, checksums, refusals."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo import registry, tasks
from tfrec_zoo.data import Log, SampledTest, Split, leave_last_out, simulate
from tfrec_zoo.features import EmbeddingColumn, FeatureSpec, VocabularyColumn
from tfrec_zoo.tasks import is_error
from tfrec_zoo.training import Training

SPEC = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("item_id"),))
SPLIT = Split(np.arange(40), np.arange(40, 50), np.arange(50, 60), "mine")
COMMON = {"spec": SPEC, "monitor": "val_loss", "patience": 7, "held_out": "validation"}
ITEM = {
    **COMMON,
    "split": "time",
    "validation_fraction": 0.2,
    "test_fraction": 0.3,
    "profile": False,
    "negatives": 9,
    "exponent": 0.75,
    "reject": False,
    "seed": 8,
}
NEXT_WATCH = {
    **ITEM,
    "label": "held-out",
    "examples_per_user": 2,
    "min_watch_share": 0.5,
    "bags": (2, 5),
    "last_watched": True,
    "example_age": False,
    "order": False,
    "moment": True,
    "half_lives": (3.0,),
}
#: Another value of every option of every task.
OTHERS: dict[str, dict[str, Any]] = {
    "next-watch": NEXT_WATCH,
    "choice": {**ITEM, "max_history": 7},
    "ncf": {**NEXT_WATCH, "others": np.zeros((12, 3), np.int64), "best_on_test": False},
    "clicks": {
        **COMMON,
        "label": "time",
        "threshold": 2.5,
        "ids": False,
        "profile": False,
        "crosses": 10,
        "split": "time",
        "validation_fraction": 0.2,
        "test_fraction": 0.3,
        "negatives": 9,
        "count": "shown",
        "seed": 8,
    },
    "ratings": {
        **COMMON,
        "label": "time",
        "split": "time",
        "validation_fraction": 0.1,
        "test_fraction": 0.3,
        "profile": False,
        "seed": 8,
    },
    "watch-time": {
        **COMMON,
        "split": SPLIT,
        "validation_fraction": 0.2,
        "test_fraction": 0.3,
        "test_from": 30.0,
        "sources": "a model",  # Made by the test.
        "fold_models": "two models",  # Made by the test.
        "num_candidates": 7,
        "max_history": 7,
        "negatives": 9,
        "count": "shown",
        "seed": 8,
    },
}
BY_TIME, AT_RANDOM = {"split": "time"}, {"split": "random-out"}
_SHARES = ("validation_fraction", "test_fraction")
#: Options that others take to have an effect, by task and option; those of watch-time have models.
BESIDE: dict[str, dict[str, dict[str, Any]]] = {
    **{
        name: {**dict.fromkeys(_SHARES, BY_TIME), "seed": AT_RANDOM}
        for name in ("next-watch", "choice", "ncf")
    },
}
#: Values that are refused, when a task is made or when its examples are.
WRONG: dict[str, dict[str, list[Any]]] = {
    "next-watch": {
        "split": ["by-heart"],
        "validation_fraction": [-0.1, 1.0],
        "test_fraction": [-0.1, 1.0],
        "negatives": [0],
        "label": ["past"],
        "examples_per_user": [0],
        "min_watch_share": [-0.1, 1.1, 0.5],  # 0.5: the items have no length.
        "bags": [(), (3, 0)],
        "half_lives": [(0.0,), (3.0, float("inf")), (float("nan"),)],
        "monitor": ["auc", "val_auc"],
        "patience": [0],
        "held_out": ["train"],
    },
    "choice": {"max_history": [0], "split": ["by-heart"], "negatives": [0], "held_out": [None]},
    "ncf": {
        "others": [np.zeros((3, 2), np.int64), np.zeros(12, np.int64)],
        "negatives": [-1],
        "bags": [(0,)],
        "monitor": ["hit_rate_at_10"],  # Not measured after each epoch.
        "patience": [0],
        "held_out": [""],
    },
    "clicks": {
        "label": ["stars"],
        "threshold": [9.0],
        "crosses": [0],
        "split": ["last-out"],
        "validation_fraction": [0.0, 0.9],
        "test_fraction": [0.0, 0.9],
        "negatives": [0],
        "monitor": ["rmse", "val_rmse"],
        "patience": [0],
        "held_out": ["train"],
    },
    "ratings": {
        "label": ["stars"],
        "split": ["by-heart"],
        "validation_fraction": [-0.1, 0.9],
        "test_fraction": [-0.1, 0.0, 0.95],
        "patience": [0],
        "held_out": ["train"],
    },
    "watch-time": {
        "split": ["last-out"],
        "validation_fraction": [0.0, 1.0],
        "test_fraction": [0.0, 1.0],
        "test_from": [-1.0, 1e9],
        "max_history": [0],
        "negatives": [0],
        "num_candidates": [0],
        "patience": [0],
        "held_out": ["train"],
    },
}
#: A model that does each task in no time.
QUICK = {
    "next-watch": "MatrixFactorization",
    "choice": "YouTubeRetrieval",
    "ncf": "GMF",
    "clicks": "LogisticRegression",
    "ratings": "MatrixFactorization",
    "watch-time": "LogisticRegression",
}


def cases(table: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    return [(task, option) for task, options in table.items() for option in options]


def test_every_task_is_registered_under_its_name() -> None:
    assert list(tasks.TASKS) == ["next-watch", "choice", "clicks", "ratings", "watch-time", "ncf"]
    assert all(cls.name == name for name, cls in tasks.TASKS.items())


@pytest.mark.parametrize("name", tasks.TASKS)
def test_the_options_of_a_task_are_its_arguments(name: str) -> None:
    assert set(tasks.TASKS[name].option_names()) == set(OTHERS[name])


@pytest.fixture(scope="module")
def log(small_log: Log) -> Log:
    """With lengths, for shares of what was watched."""
    return dataclasses.replace(small_log, items=small_log.items.assign(length=10.0))


@pytest.fixture(scope="module")
def retrieval(log: Log) -> Any:
    return tfrec_zoo.train("Popularity", tasks.NextWatch(log), Training(verbose=0)).model


@pytest.mark.parametrize(("name", "option"), cases(OTHERS))
def test_the_checksum_is_of_every_option(name: str, option: str, log: Log, retrieval: Any) -> None:
    sources = {"popularity": retrieval}
    models = {"sources": sources, "fold_models": {"popularity": (retrieval, retrieval)}}
    value = models.get(option, OTHERS[name][option])
    # Models of folds come with the one that serves.
    given = {"sources": sources, "split": SPLIT} if option == "fold_models" else {}
    given = {"sources": sources} if option == "num_candidates" else given
    given = {**given, **BESIDE.get(name, {}).get(option, {})}
    if (name, option) == ("clicks", "negatives"):  # They are drawn where nothing is rated.
        log = dataclasses.replace(log, interactions=log.interactions.drop(columns="weight"))
    plain, other, again = (
        tasks.make(name, log, **given, **options)
        for options in ({}, {option: value}, {option: value})
    )
    assert set(plain.options) == set(given) and set(other.options) == {*given, option}
    assert len({plain.checksum, other.checksum}) == 2
    assert again.checksum == other.checksum
    # The default, said aloud.
    default = next(f.default for f in dataclasses.fields(plain) if f.name == option)
    assert tasks.make(name, log, **given, **{option: default}).checksum == plain.checksum


@pytest.mark.parametrize("name", tasks.TASKS)
def test_the_checksum_is_of_the_log_and_of_the_task(name: str, log: Log) -> None:
    frame = log.interactions.copy()
    frame.loc[0, "weight"] += 1
    other = dataclasses.replace(log, interactions=frame)
    task = tasks.make(name, log)
    found = [task.checksum, task.validating().checksum, tasks.make(name, other).checksum]
    assert len(set(found)) == 3 and all(len(digest) == 64 for digest in found)
    assert task.dataset == "small" and tasks.make(name, log).checksum == task.checksum
    everyone = {tasks.make(other_name, log).checksum for other_name in tasks.TASKS}
    assert len(everyone) == len(tasks.TASKS)


def test_splits_of_ones_own_are_told_apart_by_their_rows(log: Log) -> None:
    other = dataclasses.replace(SPLIT, test=np.arange(50, 61))
    first, second = (tasks.NextWatch(log, split=split) for split in (SPLIT, other))
    assert first.protocol == second.protocol and first.checksum != second.checksum


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(("name", "option"), cases(WRONG))
def test_wrong_values_are_refused(name: str, option: str, small_log: Log) -> None:
    for value in WRONG[name][option]:
        split = {"split": "time"} if "fraction" in option and name == "next-watch" else {}
        patience = {"patience": 1} if option == "monitor" else {}
        with pytest.raises((ValueError, TypeError), match=r"Received"):
            task = tasks.make(name, small_log, **{option: value}, **split, **patience)
            tfrec_zoo.train(QUICK[name], task, Training(epochs=1, verbose=0))


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_task_is_of_a_log(name: str, small_log: Log) -> None:
    with pytest.raises(TypeError, match="`log` must be a Log. Received: DataFrame"):
        tasks.make(name, small_log.interactions)  # type: ignore[arg-type]


def test_make_says_what_there_is(small_log: Log) -> None:
    with pytest.raises(ValueError, match=r"one of \['next-watch', .*'ncf'\]. Received: 'guess'"):
        tasks.make("guess", small_log)
    with pytest.raises(ValueError, match=r"'choice' has the options \[.*'max_history'.*\]. "
                       r"Received: \['bags'\]"):  # fmt: skip
        tasks.make("choice", small_log, bags=(3,), seed=1)


def test_a_test_of_its_own_is_for_ncf_and_its_log_for_the_others(small_log: Log) -> None:
    split = leave_last_out(small_log)
    given = SampledTest(small_log, split, np.zeros((12, 4), np.int64))
    ncf: Any = tasks.make("ncf", given)
    assert ncf.log is small_log and ncf.rows is split and ncf.others is given.negatives
    assert tasks.make("choice", given).log is small_log


RANKERS = {name for name, entry in registry.MODELS.items() if entry.family == "ranking"}
#: The models that can do the tasks that not all can.
ABLE = {
    "clicks": RANKERS - {"D2Q"} | {"MatrixFactorization"},
    "ratings": {"MatrixFactorization", "FactorizationMachine"},
    "watch-time": RANKERS,
}
WHY = {
    "clicks": "it predicts no probability of a click",
    "ratings": "it predicts no ratings",
    "watch-time": "it ranks no impressions",
}


@pytest.mark.parametrize("task_name", ABLE)
def test_a_model_that_cannot_do_a_task_says_so(task_name: str, small_log: Log) -> None:
    task = tasks.make(task_name, small_log)
    for name in registry.MODELS:
        if name in ABLE[task_name]:
            assert isinstance(dict(task.arguments(registry.get(name).load())), dict)
            continue
        with pytest.raises(ValueError) as error:
            tfrec_zoo.train(name, task)
        assert str(error.value) == (
            f"{name} can't be trained on the task {task_name!r}: {WHY[task_name]}"
        )


@pytest.mark.parametrize(
    ("task_name", "name", "expected"),
    [
        ("clicks", "YouTubeRanking", {"weighted": False}),
        ("clicks", "FactorizationMachine", {"loss": "logistic"}),
        ("clicks", "MatrixFactorization", {"loss": "logistic"}),
        ("clicks", "DeepFM", {}),
        ("watch-time", "YouTubeRanking", {}),
        ("watch-time", "D2Q", {}),
        ("ratings", "FactorizationMachine", {"loss": "squared"}),
        ("ratings", "MatrixFactorization", {"loss": "squared"}),
        ("next-watch", "MatrixFactorization", {}),
    ],
)
def test_what_makes_a_model_do_a_task(
    task_name: str, name: str, expected: dict[str, Any], small_log: Log
) -> None:
    task = tasks.make(task_name, small_log)
    assert dict(task.arguments(registry.get(name).load())) == expected


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("name", "label", "meaning"),
    [("clicks", "clicked", "probability"), ("ratings", "weight", "rating"),
     ("watch-time", "weight", "watch time")],
)  # fmt: skip
def test_predictions_mean_what_the_task_is_about(
    name: str, label: str, meaning: str, small_log: Log
) -> None:
    models = {"clicks": "DeepFM", "ratings": "FactorizationMachine", "watch-time": "YouTubeRanking"}
    task = tasks.make(name, small_log)
    run = tfrec_zoo.train(models[name], task, Training(epochs=1, patience=1, verbose=0))
    assert run.model.predicts == meaning


def test_features_of_ones_own_take_the_place_of_those_of_the_task(small_log: Log) -> None:
    spec = FeatureSpec(
        (EmbeddingColumn(VocabularyColumn("country"), 2),),
        (EmbeddingColumn(VocabularyColumn("item_id"), 2),),
    )
    for name in tasks.TASKS:
        task = tasks.make(name, small_log, spec=spec)
        ranker = registry.get("FactorizationMachine").load()
        assert task.examples(ranker).spec == spec
        if name != "ratings":
            # Models of ids read ids.
            assert task.examples(registry.get("GMF").load()).spec == SPEC


@pytest.mark.parametrize(
    ("metric", "less"),
    [("val_loss", True), ("rmse", True), ("mae", True), ("logloss", True), ("val_auc", False),
     ("weighted_per_user_loss", True), ("hit_rate_at_10", False)],
)  # fmt: skip
def test_which_metrics_are_errors(metric: str, less: bool) -> None:
    assert is_error(metric) is less


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("name", "model"), [("next-watch", "DeepFM"), ("ncf", "MatrixFactorization"),
                        ("clicks", "GMF"), ("ratings", "FactorizationMachine")]
)  # fmt: skip
def test_evaluate_is_what_the_run_measured(name: str, model: str, small_log: Log) -> None:
    task = tasks.make(name, small_log)
    arguments = {"hidden_units": (4,)} if model == "DeepFM" else {}
    run = tfrec_zoo.train(model, task, Training(epochs=1, verbose=0), **arguments)
    found = task.evaluate(run.model)
    assert found and {key: run.metrics[key] for key in found} == pytest.approx(found, abs=1e-6)


def test_evaluate_on_another_log_of_the_same_items() -> None:
    def log(seed: int) -> Log:
        rng = np.random.default_rng(seed)
        users, items = np.divmod(rng.permutation(8 * 9)[:50], 9)
        frame = pd.DataFrame({"user_id": users, "item_id": items, "time": np.arange(50)})
        return Log(f"log {seed}", frame)

    first, second = (tasks.NextWatch(log(seed)) for seed in (0, 1))
    run = tfrec_zoo.train("Popularity", first, Training(verbose=0))
    found = second.evaluate(run.model)
    # Ranks by the counts of the first, masks by the second; ties count against the item.
    counts = first.log.interactions["item_id"][first.rows.train].value_counts()
    counts = counts.reindex(range(9), fill_value=0)
    frame, ranks = second.log.interactions, []
    for row in second.rows.test:
        user, item = frame["user_id"][row], frame["item_id"][row]
        mine = set(frame["item_id"][(frame["user_id"] == user) & (frame.index < row)])
        ranks.append(sum(counts[i] >= counts[item] for i in range(9) if i not in {*mine, item}))
    assert (counts > 0).all()
    expected = np.mean([1 / (1 + rank) for rank in ranks])
    assert found["mean_average_precision"] == pytest.approx(expected, abs=1e-6)


def test_the_impressions_of_a_log_are_named_in_no_protocol() -> None:
    log = simulate(num_users=30, num_items=30, num_days=3, num_topics=3)
    for name in ("clicks", "watch-time"):
        assert "sampled" not in tasks.make(name, log).protocol
