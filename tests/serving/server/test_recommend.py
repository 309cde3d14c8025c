"""/recommend answers as `Served.recommend`, for whatever an export holds."""

import concurrent.futures
import json
import math

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("uvicorn", reason='the server needs pip install "tfrec_zoo[serve]"')

from running_server import running

from tfrec_zoo import pretrained
from tfrec_zoo.serving import load
from tfrec_zoo.serving.server import ServerOptions


@pytest.fixture(scope="module")
def client(films):
    with running(films, ServerOptions(max_rows=8, workers=2)) as client:
        yield client


def recommend(client, **body):
    answer = client.ask("/recommend", body)
    assert answer.status == 200, answer.content
    return answer.content["recommendations"]


def test_by_hand(client):
    """Who watched film 0 gets film 1; all others score 0, and stay in their order."""
    answer = client.ask("/recommend", {"request": {"history": ["f0"]}, "k": 2})
    assert (answer.status, answer.content) == (
        200,
        {
            "model_version": "1",
            "recommendations": [
                {"id": "f1", "title": "Film 1", "score": 0.5},
                {"id": "f2", "title": "Film 2", "score": 0.0},
            ],
        },
    )
    found = recommend(
        client, requests=[{"history": ["f3"]}, {}, {"allow": ["f5"], "exclude": []}], k=1
    )
    assert [[one["id"] for one in row] for row in found] == [["f2"], ["f0"], ["f5"]]
    # By default at most ten, and never longer than the export's lists.
    assert len(recommend(client, request={})) == 4
    again = recommend(client, request={"history": ["f0"]}, k=1, include_history=True)
    assert again == [{"id": "f1", "title": "Film 1", "score": 0.5}]


REFUSED = [
    ({}, "Expected 'request'"),
    ({"request": {}, "requests": [{}]}, "Expected 'request'"),
    ({"request": {}, "K": 1}, "Received: ['K', 'request']"),
    ({"request": []}, "must be a JSON object"),
    ({"request": {"histori": ["f0"]}}, "Unknown features"),
    ({"request": {"history": "f0"}}, "history"),
    ({"request": {"history": [["f0"]]}}, "history"),
    ({"request": {"history": [{"id": "f0"}]}}, "history"),
    ({"request": {"history": [True]}}, "history"),
    ({"requests": []}, "a list that is not empty"),
    ({"requests": {}}, "a list that is not empty"),
    ({"requests": [{}, {"history": 5}]}, "Request 1 (the first is 0): "),
    ({"requests": [{}] * 9}, "may be 8 'requests' at once. Received: 9"),
    ({"request": {}, "k": 0}, "`k` must be a whole number in 1 … 8"),
    ({"request": {}, "k": True}, "`k` must be a whole number"),
    ({"request": {}, "k": 9}, "`k` must be a whole number"),
    ({"request": {}, "k": 5}, "The export holds lists of 4"),
    ({"request": {}, "include_history": 1}, "'include_history' must be true or false"),
    ({"request": {}, "candidates": ["f0"]}, "restrict them by `allow`"),
    ({"request": {}, "candidates": "f0"}, "must be a list of ids"),
    ({"requests": [{}, {}], "candidates": [["f0"]]}, "a list for each"),
]


@pytest.mark.parametrize(("body", "message"), REFUSED)
def test_refused(client, body, message):
    answer = client.ask("/recommend", body)
    assert answer.status == 400, answer.content
    assert list(answer.content) == ["error"] and message in answer.content["error"]


ANYTHING = [
    None, True, 0, -1, 2**63, 10**400, 1.5, math.nan, math.inf, "", "f0", "\ud800", "\0", "12",
    [], [[]], [[[]]], ["f0"], ["f0", 1], [None], [math.nan], [1.5], [2**64], {}, {"b64": "AA=="},
    {"f0": 1}, [{}], [["f0"], []], [10**400], ["f0"] * 5000,
]  # fmt: skip


@pytest.mark.parametrize("key", ["history", "exclude", "allow", "country", "k", "candidates"])
def test_whatever_is_given_is_answered_or_refused(client, key):
    for value in ANYTHING:
        body = {"request": {key: value}}
        if key in ("k", "candidates"):
            body = {"request": {}, key: value}
        answer = client.ask("/recommend", json.dumps(body))
        assert answer.status in (200, 400), (value, answer)
        wanted = "recommendations" if answer.status == 200 else "error"
        assert wanted in answer.content


def test_items_and_what_the_page_has_to_know(client):
    about = client.ask("/about").content
    assert (about["model"], about["has_titles"], about["longest"]) == ("EASE", True, 4)
    assert {"key": "history", "type": "string", "is_bag": True} in about["features"]
    assert client.ask("/items?query=FILM+3").content == {"items": [{"id": "f3", "title": "Film 3"}]}
    found = client.ask("/items?query=m").content["items"]
    assert sorted(item["id"] for item in found) == [f"f{n}" for n in range(6)]
    assert client.ask("/items?query=f5").content == {"items": [{"id": "f5", "title": "Film 5"}]}


def test_requests_of_many_do_not_mix(client, films):
    """What is answered together is what is answered apart, faults included."""
    rng = np.random.default_rng(0)
    served, bodies, expected = load(films), [], []
    for n in range(200):
        request = {"history": rng.choice(6, rng.integers(4)).tolist()}
        request["history"] = [f"f{film}" for film in request["history"]]
        if n % 3 == 0:
            request["exclude"] = ["f1"]
        if n % 7 == 0:
            request = {"history": n}
            expected.append(None)
        else:
            frame = served.recommend({key: [value] for key, value in request.items()}, 3)
            expected.append(frame[["id", "title", "score"]].to_dict("records"))
        bodies.append({"request": request, "k": 3})
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda body: client.ask("/recommend", body), bodies))
    for answer, wanted in zip(answers, expected, strict=True):
        assert answer.status == (400 if wanted is None else 200), answer.content
        if wanted is not None:
            assert answer.content["recommendations"] == wanted


def test_predict_of_many_does_not_mix(client, films):
    """Bags of several requests are padded to one length, and rows go back to who asked."""
    rng = np.random.default_rng(1)
    served, bodies, expected = load(films), [], []
    for _ in range(200):
        rows = [rng.choice(6, rng.integers(4)).tolist() for _ in range(rng.integers(1, 4))]
        longest = max(map(len, rows))
        bags = [[f"f{film}" for film in row] + [""] * (longest - len(row)) for row in rows]
        request = {"history": bags, "exclude": [[] for _ in rows]}
        outputs = served(request)
        expected.append([
            {"ids": ids, "scores": scores}
            for ids, scores in zip(outputs["ids"].tolist(), outputs["scores"].tolist(), strict=True)
        ])  # fmt: skip
        bodies.append({"instances": [dict(zip(request, row, strict=True))
                                     for row in zip(*request.values(), strict=True)]})  # fmt: skip
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda b: client.ask("/v1/models/model:predict", b), bodies))
    assert [answer.content for answer in answers] == [{"predictions": rows} for rows in expected]


def check(client, served, requests, k, candidates=None, **kwargs):
    """Asks for rows one by one and all at once, which is what the frame has."""
    body = {"requests": requests, "k": k, **kwargs}
    if candidates is not None:
        body["candidates"] = candidates
    found = recommend(client, **json.loads(json.dumps(body)))
    for number, request in enumerate(requests):
        one = None if candidates is None else [candidates[number]]
        if isinstance(candidates, list) and isinstance(candidates[number], dict):
            one = {key: [values] for key, values in candidates[number].items()}
        rows = {key: [value] for key, value in request.items()} or {"exclude": [[]]}
        frame = served.recommend(rows, k, candidates=one, **kwargs)
        columns = [column for column in ("id", "title") if column in frame]
        got = pd.DataFrame(found[number], columns=[*columns, "score"])
        assert got[columns].values.tolist() == frame[columns].values.tolist()
        np.testing.assert_allclose(got["score"], frame["score"], rtol=2e-5)
        assert len(frame)


def test_a_ranking_model():
    name = "neumf/movielens-100k"
    served = pretrained.load(name)
    with running(pretrained.find(name) / "model", load=pretrained.load) as client:
        users = [{"user_id": user} for user in ("1", "7", "9")]
        check(client, served, users, 5)
        check(client, served, users, 2, [["50", "172", "1"], ["1", "2"], ["50", "no such"]])
        check(client, served, users[:1], 2, [{"movie_id": ["50", "172", "1"]}])
        answer = client.ask("/v1/models/model:predict", {"inputs": {
            "user_id": ["1", "7"], "movie_id": ["50", "172"]}})  # fmt: skip
        expected = served({"user_id": ["1", "7"], "movie_id": ["50", "172"]})["predictions"]
        np.testing.assert_allclose(answer.content["outputs"], expected, rtol=1e-5)


def test_a_funnel(world):
    """What is left out of a request is filled in, for each row by itself."""
    rng = np.random.default_rng(2)
    requests = [
        {},
        {"history": rng.choice(world.items, 5).tolist(), "country": "IN"},
        {"history": rng.choice(world.items, 3).tolist(), "history_age": [9.0, 8.0, 7.0]},
        {"history": rng.choice(world.items, 40).tolist(), "age": 39.0, "time": 300_000},
        {"history": rng.choice(world.items, 2).tolist(), "country": None},
    ]
    with running(world.directory) as client:
        check(client, world.served, requests, 5)
        answer = client.ask("/recommend", {"request": {}, "include_history": True})
        assert answer.status == 400 and "never recommends" in answer.content["error"]
