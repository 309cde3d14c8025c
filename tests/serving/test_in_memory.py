"""Serving from memory: what the export would answer."""

from typing import Any

import numpy as np
import pytest

import tfrec_zoo
from tfrec_zoo import tasks
from tfrec_zoo.data import Log
from tfrec_zoo.serving import export, load, rank_catalogue, serve
from tfrec_zoo.training import Training

TRAINING = Training(epochs=1, verbose=0)


@pytest.fixture(scope="module")
def ranker(small_log: Log) -> Any:
    task = tasks.Choice(small_log)
    return tfrec_zoo.train("FactorizationMachine", task, TRAINING, embedding_dim=2).model


def test_a_model_in_memory_answers_like_its_export(small_log: Log, tmp_path: Any) -> None:
    model = tfrec_zoo.train("EASE", small_log, TRAINING, l2=1.0).model
    request = {"history": [["i1", "i2"], ["i3"]], "exclude": [["i1"], []]}
    memory = serve(model, k=5)
    assert memory.manifest == {"model": "EASE"}
    disk = load(export(model, tmp_path / "export", k=5))
    assert set(memory.request) == set(disk.request) and set(memory.signatures) == set(
        disk.signatures
    )
    for key, value in disk(request).items():
        np.testing.assert_array_equal(memory(request)[key], value)
    with pytest.raises(ValueError, match="`k` must be a number in 1 … 5. Received: 6"):
        memory.recommend(request, k=6)


def test_the_whole_catalogue_is_ranked_by_the_predictions(small_log: Log, ranker: Any) -> None:
    memory = serve(ranker)
    request = {"user_id": ["u3", "u4"], "country": ["nl", "ee"]}
    found = rank_catalogue(ranker, memory, small_log, request, k=100)
    tokens = ranker.features.vocabularies["item_id"].tokens
    genres = dict(zip(small_log.items["item_id"], small_log.items["genres"], strict=True))
    for row in (0, 1):
        mine = found[found["row"] == row]
        assert sorted(mine["id"]) == sorted(tokens)
        assert mine["rank"].tolist() == list(range(1, len(tokens) + 1))
        assert (np.diff(mine["score"]) <= 0).all()
        rows = {key: [values[row]] * len(mine) for key, values in request.items()}
        items = {"item_id": mine["id"].tolist(), "genres": [genres[i] for i in mine["id"]]}
        scores = memory({**rows, **items})["predictions"]
        np.testing.assert_allclose(mine["score"], scores, rtol=1e-5)


def test_what_is_excluded_is_not_ranked(small_log: Log, ranker: Any) -> None:
    memory = serve(ranker)
    tokens = ranker.features.vocabularies["item_id"].tokens
    request = {"user_id": ["u3", "u4"], "exclude": [list(tokens[:3]), []]}
    found = rank_catalogue(ranker, memory, small_log, request, k=len(tokens))
    assert set(found.query("row == 0")["id"]) == set(tokens[3:])
    assert set(found.query("row == 1")["id"]) == set(tokens)
    assert len(rank_catalogue(ranker, memory, small_log, request, k=2)) == 4
    with pytest.raises(ValueError, match="`k` must be positive. Received: 0"):
        rank_catalogue(ranker, memory, small_log, request, k=0)


def test_features_that_are_no_columns_of_items(simulated_log: Log) -> None:
    task = tasks.WatchTime(simulated_log)
    run = tfrec_zoo.train("LogisticRegression", task, TRAINING)
    with pytest.raises(ValueError, match="use a funnel, or score candidates. Received others: "
                       r"\[.*'item_age'.*\]"):  # fmt: skip
        run.recommend({"history": [[]]})
