"""Click prediction: how the log is split, what is measured, and the same on a log of one's own."""

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from tfrec_zoo import cli, recipes
from tfrec_zoo.data import Log
from tfrec_zoo.experiments import clicks, tables
from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    EmbeddingColumn,
    FeatureSpec,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.training import Training

SIZE = 2000


@pytest.fixture(scope="module")
def log() -> Log:
    """Ratings of 40 x 60, by the item's and the user's taste."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(40 * 60)[:SIZE], 60)
    stars = 3 + rng.normal(size=60)[items] + rng.normal(size=40)[users] + rng.normal(size=SIZE)
    return Log(
        "rated",
        pd.DataFrame(
            {
                "user_id": users,
                "item_id": items,
                "time": rng.permutation(SIZE).astype(float),
                "weight": np.clip(np.round(stars), 1, 5),
            }
        ),
        users=pd.DataFrame(
            {"user_id": range(40), "age": [18.0, 25.0] * 20, "zip": ["1", "2"] * 20}
        ),
        items=pd.DataFrame(
            {
                "item_id": range(60),
                "title": [f"t{i}" for i in range(60)],
                "genres": [["a"], ["a", "b"]] * 30,
                "length": np.arange(60) * 2.0,
            }
        ),
    )


def test_the_split_is_fixed_whole_and_in_parts_of_8_1_1(log: Log) -> None:
    found = [[part.groups for part in clicks.ClickData(log).parts] for _ in range(2)]
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    kept = (log.interactions["weight"] != 3).sum()
    parts = clicks.ClickData(log).parts
    assert [len(part) for part in parts[:2]] == [kept * 8 // 10, kept * 9 // 10 - kept * 8 // 10]
    times = np.concatenate([part.raw(["time"])["time"] for part in parts])
    assert len(times) == len(set(times)) == kept  # each once
    # At random: no part is early or late.
    assert all(abs(part.raw(["time"])["time"].mean() - SIZE / 2) < 150 for part in parts)


def test_click_spec(log: Log) -> None:
    user = EmbeddingColumn(VocabularyColumn("user_id", dtype="int64"))
    item = EmbeddingColumn(VocabularyColumn("item_id", dtype="int64"))
    age = EmbeddingColumn(BucketizedColumn("age", (25.0,)))
    genres = EmbeddingColumn(BagColumn(VocabularyColumn("genres")))
    length = EmbeddingColumn(BucketizedColumn("length", tuple(np.arange(1, 60) * 2.0)))
    zip_code = EmbeddingColumn(VocabularyColumn("zip"))
    assert recipes.click_spec(log) == FeatureSpec((user, age, zip_code), (item, genres, length))
    without = recipes.click_spec(log, ids=False)
    assert without.query[:3] == (age, zip_code, NumericColumn("time"))
    assert without.candidate == (genres, length)
    # 2,000 moments, 0 to 1,999: a thousand quantiles hold two each.
    (buckets,) = without.query[3:]
    assert buckets.categorical.key == "time"
    np.testing.assert_allclose(
        buckets.categorical.boundaries, np.arange(1, 1000) * 1.999, rtol=1e-5
    )


def test_what_is_measured_is_measured_on_the_test_examples(log: Log) -> None:
    data = clicks.ClickData(log)
    result = clicks.WITH_IDS["item-rates"](data, 0)
    train, _, test = data.parts
    of_train, of_test = (part.raw(["item_id"])["item_id"] for part in (train, test))
    mean = train.label.mean()
    rates = np.array(
        [
            (train.label[of_train == i].sum() + 10 * mean) / ((of_train == i).sum() + 10)
            for i in range(60)
        ]
    )
    expected = rates[of_test]
    assert result.metrics["auc"] == pytest.approx(roc_auc_score(test.label, expected), abs=1e-6)
    assert result.metrics["logloss"] == pytest.approx(log_loss(test.label, expected), rel=1e-6)
    users = [u for u in set(test.groups) if 0 < test.label[test.groups == u].mean() < 1]
    of_users = [
        roc_auc_score(test.label[test.groups == u], expected[test.groups == u]) for u in users
    ]
    sizes = [(test.groups == u).sum() for u in users]
    assert result.metrics["gauc"] == pytest.approx(np.average(of_users, weights=sizes), abs=1e-6)
    assert "with ids, random 8:1:1" in result.protocol and result.checksum == log.checksum


def test_the_weights_are_those_of_the_best_epoch_on_validation(log: Log, monkeypatch: Any) -> None:
    histories = []
    fit = clicks.fit

    def spy(model: Any, train: Any, training: Training, validation: Any) -> Any:
        assert validation is data.parts[1] and train is data.parts[0]
        histories.append(fit(model, train, training, validation=validation))
        return histories[-1]

    monkeypatch.setattr(clicks, "fit", spy)
    data = clicks.ClickData(log)
    training = Training(epochs=3, batch_size=64, learning_rate=0.05, plateau=0.2, verbose=0)
    training = dataclasses.replace(training, seed=1)
    result = clicks.train("FactorizationMachine", data, training, embedding_dim=4)
    aucs = histories[0].history["val_auc"]
    assert result.metrics["epochs"] == int(np.argmax(aucs)) + 1
    assert result.metrics["auc"] > 0.65
    # 40 users, 60 items, 2 ages, 2 zips, 2 genres and 60 lengths: 166, factors and weight. A bias.
    assert result.metrics["parameters"] == 166 * (4 + 1) + 1
    assert (result.model.seed, result.model.embedding_dim) == (1, 4)


@pytest.mark.parametrize("table", ["ctr", "ctr-without-ids"])
def test_the_settings_are_kept_apart(table: str) -> None:
    rows = tables.TABLES[table]
    assert {"DeepFM", "LogisticRegression", "DCNV2", "AutoInt+"} <= set(rows)
    assert tables.select(table, models=["DeepFM"]) == ["DeepFM"]


def test_on_a_log_of_ones_own(log: Log, tmp_path: Any, capsys: Any) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    frame = log.interactions.assign(liked=log.interactions["weight"] > 3).drop(columns="weight")
    frame.to_csv(folder / "interactions.csv", index=False)
    spec = FeatureSpec(
        (EmbeddingColumn(VocabularyColumn("user_id", dtype="int64")),),
        (EmbeddingColumn(VocabularyColumn("item_id", dtype="int64")),),
    )
    (tmp_path / "spec.json").write_text(spec.to_json())
    command = (
        f"benchmark ctr --dataset {folder} --label liked --threshold 0.5 --seeds 0 --json "
        f"--spec {tmp_path / 'spec.json'} --model LogisticRegression --output {tmp_path / 'runs'}"
    )
    assert cli.main(command.split()) == 0
    (result,) = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["metrics"]["auc"] > 0.6 and "with features given" in result["protocol"]
    assert result["metrics"]["parameters"] == 101
    # Other labels are other data: their results don't go beside these.
    assert cli.main(command.replace("0.5", "0.6").split()) == 2
    assert "is of other data" in capsys.readouterr().err
    (tmp_path / "spec.json").write_text("{}")
    assert cli.main(command.split()) == 2
    assert "is no feature spec" in capsys.readouterr().err


def test_options_are_for_click_prediction_alone(log: Log) -> None:
    with pytest.raises(ValueError, match=r"'ratings' has no options. Received: \['label'\]"):
        tables.prepare("ratings", log, label="x")
