import logging

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo as zoo
from tfrec_zoo.training import large_tables
from tfrec_zoo.training.large_tables import LARGE, suited_negatives, suited_optimizer


@pytest.fixture
def log():
    frame = pd.DataFrame(
        {"user_id": np.repeat(["u", "v", "w"], 8), "item_id": list("abcdefgh") * 3}
    )
    return zoo.Log("mine", frame.assign(time=range(24)))


def logged(caplog):
    return [(r.levelname, r.getMessage()) for r in caplog.records if r.name.startswith("tfrec")]


def test_negatives_by_size(caplog):
    caplog.set_level(logging.INFO)
    youtube, factors = zoo.YouTubeRetrieval, zoo.MatrixFactorization
    assert suited_negatives(youtube, {}, LARGE) == {}
    assert suited_negatives(youtube, {"dropout": 0.1}, LARGE + 1) == {
        "dropout": 0.1,
        "negatives": "log-uniform",
    }
    assert [level for level, _ in logged(caplog)] == ["INFO"]
    assert "30001 items: YouTubeRetrieval learns from 2,000" in logged(caplog)[0][1]
    caplog.clear()
    # What was said stays; TwoTower has negatives of its own; pairs and closed forms need none.
    assert suited_negatives(youtube, {"negatives": "mixed"}, 10**6) == {"negatives": "mixed"}
    assert suited_negatives(zoo.TwoTower, {}, 10**6) == {}
    assert suited_negatives(factors, {"loss": "logistic"}, 10**6) == {"loss": "logistic"}
    assert suited_negatives(zoo.SASRec, {"loss": "binary"}, 10**6) == {"loss": "binary"}
    assert suited_negatives(zoo.EASE, {}, 10**6) == {}
    assert suited_negatives(zoo.DeepFM, {}, 10**6) == {}
    assert logged(caplog) == []
    assert suited_negatives(factors, {"negatives": None}, 10**6) == {"negatives": None}
    [(level, text)] = logged(caplog)
    assert level == "WARNING" and "costs 500 times" in text and "4.1 GB" in text


@pytest.mark.usefixtures("eagerly")
def test_training_says_what_it_chose(log, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    training = zoo.Training(epochs=1, verbose=0)
    task = zoo.tasks.NextWatch(log)
    assert task.num_items == 6  # The last two are tested and validated on.
    small = zoo.train("YouTubeRetrieval", task, training, hidden_units=(4,))
    assert (small.training.optimizer, small.model.negatives) == ("fused_adam", None)
    assert logged(caplog) == []
    monkeypatch.setattr(large_tables, "LARGE", 5)
    large = zoo.train("YouTubeRetrieval", task, training, hidden_units=(4,))
    assert large.training.optimizer == large.result().config["training"]["optimizer"] == "lazy_adam"
    assert large.model.negatives.kind == large.arguments["negatives"] == "log-uniform"
    texts = {text.split(":")[0] for _, text in logged(caplog)}
    assert texts == {"6 items", "A table of 6 rows"}
    caplog.clear()
    with_adam = zoo.Training(epochs=1, verbose=0, optimizer="adam")
    chosen = zoo.train("YouTubeRetrieval", task, with_adam, hidden_units=(4,), negatives=None)
    assert chosen.training.optimizer == "adam"
    assert {level for level, _ in logged(caplog)} == {"WARNING"}
    assert any("sweeps all 6 rows" in text for _, text in logged(caplog))
    assert suited_optimizer(chosen.model, "sgd") == "sgd"
