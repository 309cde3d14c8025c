"""Retraining: what is learned stays, training goes on, and the new log is learned."""

import json
import pathlib
import shutil

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo as zoo
from tfrec_zoo import tasks
from tfrec_zoo.cli import main
from tfrec_zoo.data import Log, Split
from tfrec_zoo.training.schedules import Later, cosine

QUICK = zoo.Training(epochs=2, batch_size=64, optimizer="lazy_adam", verbose=0)


def events(days: int) -> pd.DataFrame:
    """Each day 40 users choose one even or odd item; an item comes and one goes every day."""
    rng = np.random.default_rng(0)
    parts = []
    for day in range(days):
        item = day + 2 * rng.integers(0, 6, 40) + np.arange(40) % 2
        parts.append(pd.DataFrame({"user_id": np.arange(40), "item_id": item, "time": day}))
    return pd.concat(parts, ignore_index=True)


def log_of(days: int, since: int = 0) -> Log:
    frame = events(days)
    users = pd.DataFrame({"user_id": range(40), "side": ["even", "odd"] * 20})
    return Log("days", frame[frame["time"] >= since], users=users)


@pytest.fixture(scope="module")
def monday(untraced) -> zoo.Run:
    with untraced():
        return zoo.train("YouTubeRetrieval", log_of(5), QUICK, hidden_units=(8,))


@pytest.fixture(scope="module")
def folder(monday, tmp_path_factory) -> pathlib.Path:
    return monday.save(tmp_path_factory.mktemp("monday"))


def vectors(model, table="output_table"):
    tokens = model.features.vocabularies["item_id"].tokens
    return dict(zip(tokens, getattr(model, table).table.numpy(), strict=True))


@pytest.mark.usefixtures("eagerly")
def test_it_starts_from_what_was_learned(monday, folder):
    still = zoo.Training(epochs=1, batch_size=64, optimizer="lazy_adam", learning_rate=1e-12,
                         verbose=0)  # fmt: skip
    # The first two days are gone, and with them items that none of the others has.
    tuesday = zoo.retrain(monday, log_of(7, since=2), still)
    old, new = vectors(monday.model), vectors(tuesday.model)
    assert new.keys() - old.keys() and old.keys() - new.keys()
    for item in old.keys() & new.keys():
        np.testing.assert_allclose(new[item], old[item], atol=1e-6)
    steps = int(tuesday.model.optimizer.iterations) - int(monday.model.optimizer.iterations)
    examples = tuesday.task.examples(type(tuesday.model), tuesday.arguments).train
    assert steps == -(-len(examples) // 64)
    result = tuesday.result().to_dict()
    assert result["config"]["started_from"] == {
        key: monday.result().to_dict()[key]
        for key in ("dataset", "data_checksum", "checksum", "metrics", "statistics")
    }
    assert result["data_checksum"] != monday.result().data_checksum
    assert "started_from" not in monday.result().config


@pytest.mark.usefixtures("eagerly")
def test_a_folder_goes_on_as_the_run_would_have(monday, folder):
    one, other = (zoo.retrain(start, log_of(6)) for start in (monday, folder))
    for a, b in zip(one.model.learned, other.model.learned, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert one.metrics == pytest.approx(other.metrics)
    assert one.result().config["started_from"] == other.result().config["started_from"]
    assert int(other.model.optimizer.iterations) > int(monday.model.optimizer.iterations)


def test_the_learning_rate_falls_again():
    schedule = Later(cosine(0.5, 10, 2), 100)
    again = [float(schedule(100 + step)) for step in (0, 1, 2, 6, 10)]
    # It rises for two steps, then falls along half a cosine of eight.
    np.testing.assert_allclose(again, [0, 0.25, 0.5, 0.25, 0], atol=1e-6)


@pytest.mark.usefixtures("eagerly")
def test_what_validates_and_refits_starts_there_too():
    """Numbers of epochs are chosen, and wide and deep optimizers go on."""
    task = tasks.Clicks(_rated(4), label="rating", threshold=2.0, patience=1)
    training = zoo.Training(epochs=2, batch_size=64, optimizer="ftrl+adagrad", verbose=0)
    run = zoo.train("WideDeep", task, training, hidden_units=(4,))
    again = zoo.retrain(run, _rated(6))
    assert type(again.model) is type(run.model) and again.task.patience == 1
    wide, deep = again.model.optimizer.optimizers
    assert int(wide.iterations) == int(deep.iterations) > int(run.model.optimizer.iterations)


def _rated(days: int) -> Log:
    frame = events(days)
    return Log("rated", frame.assign(rating=1.0 + (frame["item_id"] + frame["user_id"]) % 4))


@pytest.mark.usefixtures("eagerly")
def test_what_counts_is_made_of_the_new_log_alone():
    run = zoo.train("EASE", log_of(4), l2=2.0)
    again, fresh = zoo.retrain(run, log_of(6)), zoo.train("EASE", log_of(6), l2=2.0)
    np.testing.assert_array_equal(again.model.gram, fresh.model.gram)
    assert again.metrics == fresh.metrics and again.started_from is not None


@pytest.mark.usefixtures("eagerly")
def test_indicators_keep_their_values():
    from tfrec_zoo.features import (
        BagColumn,
        EmbeddingColumn,
        FeatureSpec,
        IndicatorColumn,
        VocabularyColumn,
    )

    item = {"space": "item_id", "dtype": "int64"}
    spec = FeatureSpec(
        (
            EmbeddingColumn(BagColumn(VocabularyColumn("history", **item)), 4),
            IndicatorColumn(VocabularyColumn("side")),
        ),
        (VocabularyColumn("item_id", **item),),
    )
    run = zoo.train("YouTubeRetrieval", tasks.NextWatch(log_of(5), spec=spec), QUICK,
                    hidden_units=(4,))  # fmt: skip
    more = log_of(6)
    more = Log(
        "days", more.interactions, users=more.users.assign(side=["none"] * 30 + ["odd"] * 10)
    )
    again = zoo.retrain(run, more)
    kept = run.model.features.vocabularies["side"]
    assert set(kept.tokens) == {"even", "odd"} and again.model.features.vocabularies["side"] == kept


def test_a_split_of_its_own_is_of_one_log(monday):
    rows = np.arange(200)
    split = Split(rows[:150], rows[150:160], rows[160:], "mine")
    task = tasks.NextWatch(log_of(5), split=split)
    run = zoo.train("Popularity", task)
    with pytest.raises(ValueError, match=r"give the task in place .* with its own \['split'\]"):
        zoo.retrain(run, log_of(6))
    assert zoo.retrain(run, tasks.NextWatch(log_of(6))).metrics


@pytest.mark.parametrize("text", ["{", "{}", '{"config": {"training": {"epochs": "x"}}}'])
def test_a_damaged_folder(folder, tmp_path, text):
    shutil.copytree(folder, tmp_path / "run")
    (tmp_path / "run" / "result.json").write_text(text)
    with pytest.raises(ValueError, match=r"result.json is damaged, or not of `train`"):
        zoo.retrain(tmp_path / "run", log_of(6))
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        zoo.retrain(tmp_path, log_of(6))


def test_the_command(tmp_path, capsys):
    for days in (4, 6):
        events(days).astype({"user_id": str, "item_id": str}).to_csv(
            tmp_path / f"until{days}.csv", index=False
        )

    def run(*arguments):
        assert main([str(argument) for argument in (*arguments, "--json")]) == 0
        return json.loads(capsys.readouterr().out)

    run("train", "MatrixFactorization", "--dataset", tmp_path / "until4.csv",
        "--output", tmp_path / "old", "--epochs", 1, "--set", "embedding_dim=4",
        "--task-set", "split=last-out")  # fmt: skip
    result = run("retrain", tmp_path / "old", "--dataset", tmp_path / "until6.csv",
                 "--output", tmp_path / "new", "--epochs", 2)  # fmt: skip
    assert result == json.loads((tmp_path / "new" / "result.json").read_text())
    assert result["config"]["arguments"]["embedding_dim"] == 4
    assert result["config"]["options"] == {"split": "last-out"}
    assert result["config"]["training"]["epochs"] == 2
    old = json.loads((tmp_path / "old" / "result.json").read_text())
    assert result["config"]["started_from"]["data_checksum"] == old["data_checksum"]
    assert run("evaluate", tmp_path / "new") == pytest.approx(result["metrics"], rel=1e-5)
    # And so on, every day.
    run("retrain", tmp_path / "new", "--output", tmp_path / "newer", "--epochs", 1)
    assert main(["retrain", str(tmp_path / "nowhere"), "--output", str(tmp_path / "x")]) == 2
