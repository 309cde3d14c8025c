"""Serving from memory: what the export would answer."""

from typing import Any

import numpy as np
import pytest

import tfrec_zoo
from tfrec_zoo import tasks
from tfrec_zoo.data import Log
from tfrec_zoo.serving import Served, export, load, serve
from tfrec_zoo.training import Training

pytestmark = pytest.mark.usefixtures("module_eagerly")

TRAINING = Training(epochs=1, verbose=0)


@pytest.fixture(scope="module")
def ranker(small_log: Log) -> Any:
    task = tasks.Choice(small_log)
    return tfrec_zoo.train("FactorizationMachine", task, TRAINING, embedding_dim=2).model


@pytest.fixture(scope="module")
def memory(small_log: Log, ranker: Any) -> Served:
    return serve(ranker, small_log)


def test_a_model_in_memory_answers_like_its_export(small_log: Log, tmp_path: Any) -> None:
    model = tfrec_zoo.train("EASE", small_log, TRAINING, l2=1.0).model
    request = {"history": [["i1", "i2"], ["i3"]], "exclude": [["i1"], []]}
    memory = serve(model, k=5)
    assert memory.manifest["model"] == "EASE" and memory.items is None
    disk = load(export(model, tmp_path / "export", k=5))
    assert memory.request == disk.request and set(memory.signatures) == set(disk.signatures)
    for key, value in disk(request).items():
        np.testing.assert_array_equal(memory(request)[key], value)
    with pytest.raises(ValueError, match="in 1 … 5. .*lists of 5 of its .*Received: 6"):
        memory.recommend(request, k=6)


def test_the_whole_catalogue_is_ranked_by_the_predictions(
    small_log: Log, ranker: Any, memory: Served
) -> None:
    request = {"user_id": ["u3", "u4"], "country": ["nl", "ee"]}
    found = memory.recommend(request, k=100)
    tokens = ranker.features.vocabularies["item_id"].tokens
    genres = dict(zip(small_log.items["item_id"], small_log.items["genres"], strict=True))
    for row in (0, 1):
        mine = found[found["row"] == row]
        assert sorted(mine["id"]) == sorted(tokens)
        assert mine["title"].tolist() == [f"title {item[1:]}" for item in mine["id"]]
        assert mine["rank"].tolist() == list(range(1, len(tokens) + 1))
        assert (np.diff(mine["score"]) <= 0).all()
        rows = {key: [values[row]] * len(mine) for key, values in request.items()}
        items = {"item_id": mine["id"].tolist(), "genres": [genres[i] for i in mine["id"]]}
        scores = memory({**rows, **items})["predictions"]
        np.testing.assert_allclose(mine["score"], scores, rtol=1e-5)


def test_what_is_excluded_is_not_ranked_and_what_is_allowed_alone_is(
    ranker: Any, memory: Served
) -> None:
    tokens = ranker.features.vocabularies["item_id"].tokens
    users = {"user_id": ["u3", "u4"]}
    found = memory.recommend({**users, "exclude": [list(tokens[:3]), []]}, k=len(tokens))
    assert set(found.query("row == 0")["id"]) == set(tokens[3:])
    assert set(found.query("row == 1")["id"]) == set(tokens)
    assert len(memory.recommend(users, k=2)) == 4
    assert len(memory.recommend(users)) == 20
    request = {**users, "allow": [[tokens[1], "?", tokens[5]], []], "exclude": [[tokens[5]], []]}
    found = memory.recommend(request, k=len(tokens))
    assert found.query("row == 0")["id"].tolist() == [tokens[1]]
    assert set(found.query("row == 1")["id"]) == set(tokens)
    assert memory.recommend({"user_id": ["u3"], "allow": [["nothing known"]]}).empty
    assert memory.recommend({"user_id": ["u3"], "history": [list(tokens[1:])]})["id"].tolist() == [
        tokens[0]
    ]
    for k in (0, True, 2.5):
        with pytest.raises(ValueError, match="`k` must be a whole number from 1 up. Received: "):
            memory.recommend(users, k=k)


def test_a_large_catalogue_is_ranked_in_parts(
    memory: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = {"user_id": [f"u{i % 12}" for i in range(7)], "country": ["nl"] * 7}
    candidates = [["i1", "i9", "i4", "i2"][: 1 + i % 4] for i in range(7)]
    whole, lists = memory.recommend(request, k=5), memory.score(request, candidates)
    monkeypatch.setattr("tfrec_zoo.serving.ranking._AT_ONCE", 6)
    monkeypatch.setattr("tfrec_zoo.serving.ranking._ROWS", 3)
    in_parts = memory.recommend(request, k=5)
    assert in_parts["id"].tolist() == whole["id"].tolist()
    np.testing.assert_allclose(in_parts["score"], whole["score"], rtol=1e-6)
    np.testing.assert_allclose(memory.score(request, candidates), lists, rtol=1e-6)


def test_candidates_are_given_by_id_or_by_features(memory: Served) -> None:
    users = {"user_id": ["u3", "u4"], "country": ["nl", "ee"]}
    scores = memory.score(users, [["i4", "i1", "i7"], ["i1"]])
    rows = {"user_id": ["u3", "u3", "u3", "u4"], "country": ["nl", "nl", "nl", "ee"]}
    items = {"item_id": ["i4", "i1", "i7", "i1"], "genres": [["a", "b"]] * 4}
    expected = memory({**rows, **items})["predictions"]
    np.testing.assert_allclose(scores.ravel()[:4], expected, rtol=1e-6)
    assert np.isnan(scores[1, 1:]).all()
    # Features that are given take the place of those of the catalogue.
    lists = {"item_id": [["i4", "i1", "i7"], ["i1"]], "genres": [[["a", "b"]] * 3, [["b", "a"]]]}
    np.testing.assert_allclose(memory.score(users, lists), scores, rtol=1e-6)
    other = memory.score(users, {**lists, "genres": [[[], ["a"], ["b"]], [[]]]})
    assert (other[0] != scores[0]).all()
    # `rank` takes all of it together, and looks up nothing.
    together = memory({**users, **lists}, signature="rank")["predictions"]
    np.testing.assert_allclose(together, scores, rtol=1e-6)
    alone = memory({**users, "item_id": lists["item_id"]}, "rank")["predictions"]
    bare = memory({**rows, "item_id": items["item_id"]})["predictions"]
    np.testing.assert_allclose(alone.ravel()[:4], bare, rtol=1e-6)
    found = memory.recommend(users, candidates=[["i4", "i1", "i4", "i7"], ["i1"]], k=3)
    order = np.argsort(-scores[0])
    assert found["id"].tolist() == [["i4", "i1", "i7"][at] for at in order] + ["i1"]
    np.testing.assert_allclose(found["score"], [*np.sort(scores[0])[::-1], scores[1, 0]], rtol=1e-6)
    left = memory.recommend(
        {**users, "exclude": [["i1"], ["i1"]], "history": [["i4"], []]},
        candidates=[["i4", "i1", "i7"], ["i1"]],
    )
    assert left["id"].tolist() == ["i7"]


def test_candidates_that_the_model_does_not_know_come_last(memory: Served, ranker: Any) -> None:
    users = {"user_id": ["u3"], "country": ["nl"]}
    known = set(ranker.features.vocabularies["item_id"].tokens)
    found = memory.recommend(users, candidates=[["new", "i4", "i1"]])
    assert found["id"].tolist()[-1] == "new" and found["title"].tolist()[-1] == ""
    # It is scored as a missing item is: by the zero embedding.
    missing = memory({"user_id": ["u3"], "country": ["nl"], "item_id": [None]})["predictions"]
    assert found["score"].tolist()[-1] == pytest.approx(missing[0], rel=1e-6)
    # It is never recommended where no candidates are given.
    assert set(memory.recommend(users, k=100)["id"]) == known


@pytest.mark.parametrize(
    ("candidates", "error", "message"),
    [
        ([["i1"], ["i2"]], ValueError, "a list of candidates per row, 1. Received: 2"),
        (["i1"], TypeError, "'item_id': expected a list per row. Received: "),
        ("i1", TypeError, "'item_id': expected a list per row. Received: 'i1'"),
        ([[2.5]], TypeError, "'item_id': Expected strings.*2.5"),
        ({"item": [["i1"]]}, KeyError, r"some of \['genres', 'item_id'\]. Received: \['item'\]"),
        ({}, KeyError, "Candidates must be given by some of"),
        ({"genres": [[["a"]]]}, KeyError, r"Received candidates without \['item_id'\]"),
        (
            {"item_id": [["i1", "i2"]], "genres": [[["a"]]]},
            ValueError,
            "equally long in every feature. Received: {'item_id': .2., 'genres': .1.}",
        ),
    ],
)
def test_malformed_candidates(memory: Served, candidates: Any, error: Any, message: str) -> None:
    for ask in (memory.score, lambda r, c: memory.recommend(r, candidates=c)):
        with pytest.raises(error, match=message):
            ask({"user_id": ["u3"]}, candidates)


def test_what_follows_from_the_request_is_filled_in(simulated_log: Log) -> None:
    run = tfrec_zoo.train("LogisticRegression", tasks.WatchTime(simulated_log), TRAINING)
    # The age of the items is counted to the end of the log, unless a request has a time.
    late = run.recommend({"history": [["v1", "v2"]]}, k=5)
    end = int(simulated_log.interactions["time"].max())
    same = run.recommend({"history": [["v1", "v2"]], "time": [end]}, k=5)
    np.testing.assert_allclose(late["score"], same["score"], rtol=1e-6)
    early = run.recommend({"history": [["v1", "v2"]], "time": [1]}, k=5)
    assert not np.allclose(late["score"], early["score"])
    # The last item is that of the history.
    given = {"history": [["v1", "v2"]], "last_watched": ["v2"]}
    np.testing.assert_allclose(run.recommend(given, k=5)["score"], late["score"], rtol=1e-6)
