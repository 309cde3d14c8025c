"""Asking an export from Python: what it returns, and what it says when it can't."""

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo  # noqa: F401 (before TensorFlow)


@pytest.fixture(scope="module")
def served(world):
    return world.served


def test_recommend(served):
    frame = served.recommend({"history": [["v5", "v17"], []], "country": ["IN", None]})
    assert frame.columns.tolist() == ["row", "rank", "id", "title", "score"]
    assert frame["row"].tolist() == [0] * 10 + [1] * 10
    assert frame["rank"].tolist() == [*range(1, 11)] * 2
    assert all(type(i) is str for i in frame["id"])
    outputs = served({"history": [["v5", "v17"], []], "country": ["IN", None]})
    assert frame["id"].tolist() == outputs["ids"].ravel().tolist()
    assert frame["score"].tolist() == outputs["scores"].ravel().tolist()
    for _, part in frame.groupby("row"):
        assert part["score"].is_monotonic_decreasing
        assert part["id"].is_unique
    assert not {"v5", "v17"} & set(frame["id"][:10])


def test_k(served):
    full = served.recommend({"history": [["v5"]]})
    assert len(full) == 10
    for k in (1, 4, 10):
        pd.testing.assert_frame_equal(served.recommend({"history": [["v5"]]}, k), full[:k])
    pd.testing.assert_frame_equal(served.recommend({"history": [["v5"]]}, np.int64(3)), full[:3])
    for k in (0, -1, 2.5, "3", True):
        with pytest.raises(
            ValueError, match=rf"`k` must be a whole number in 1 … 10. Received: {k!r}"
        ):
            served.recommend({"history": [["v5"]]}, k)
    with pytest.raises(ValueError, match="holds lists of 10 of its 58 items.*Received: 11"):
        served.recommend({"history": [["v5"]]}, 11)


def test_short_lists(served, world):
    exclude = [world.items[2:], world.items, []]
    frame = served.recommend({"exclude": exclude})
    assert frame["row"].tolist() == [0, 0] + [2] * 10
    assert set(frame["id"][:2]) == set(world.items[:2])


def test_a_frame_is_a_request(served):
    frame = pd.DataFrame({"history": [["v5"], None], "age": [20.0, np.nan]}, index=[7, 3])
    pd.testing.assert_frame_equal(
        served.recommend(frame),
        served.recommend({"history": [["v5"], []], "age": [20.0, None]}),
    )


def test_keys_left_out_are_missing(served):
    pd.testing.assert_frame_equal(
        served.recommend({"history": [["v5"]]}),
        served.recommend(
            {
                "history": [["v5"]],
                "exclude": [[]],
                "country": [""],
                "age": [float("nan")],
                "device": [None],
                "time": [-1],
            }
        ),
    )


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        ({"histroy": [["v1"]]}, KeyError, r"expected some of \['age'.*Received: \['histroy'\]"),
        ({"example_age": [0.0]}, KeyError, r"Received: \['example_age'\]"),
        ({3: [0.0]}, KeyError, r"Received: \['3'\]"),
        ({"history": "v1"}, TypeError, "'history'.*one sequence per row. Received: 'v1'"),
        ({"history": ["v1"]}, TypeError, "'history'.*sequence of values per row. Received: 'v1'"),
        ({"history": [["v1", 2.5]]}, TypeError, "'history'.*strings.*Received: 2.5"),
        ({"history": [["v1", True]]}, TypeError, "'history'.*strings.*Received: True"),
        ({"history": [[["v1"]]]}, TypeError, "'history'"),
        ({"country": [5.5]}, TypeError, "'country'.*strings.*Received: 5.5"),
        ({"country": "IN"}, TypeError, "'country'.*one value per row. Received: 'IN'"),
        ({"country": [["IN"]]}, TypeError, r"'country'.*Received: \[\['IN'\]\]"),
        ({"country": [b"\xff"]}, TypeError, r"'country'.*UTF-8.*Received: b'\\xff'"),
        ({"age": ["young"]}, TypeError, r"'age'.*numbers. Received: .*'young'"),
        ({"time": [1.5]}, TypeError, r"'time'.*whole numbers.*Received: 1.5"),
        ({"time": [2**63]}, TypeError, "'time'.*whole numbers.*Received: 9223372036854775808"),
        (
            {"history": [["v1"], []], "country": ["IN"]},
            ValueError,
            "same number of rows. Received rows: {'history': 2, 'country': 1}",
        ),
        ({}, ValueError, "at least one feature.*Received rows: {}"),
        (None, TypeError, "features by key. Received: None"),
        ([["v1"]], TypeError, r"features by key. Received: \[\['v1'\]\]"),
        ("history", TypeError, "features by key. Received: 'history'"),
    ],
)
def test_errors_name_what_was_received(served, request_, error, message):
    for ask in (served, served.recommend):
        with pytest.raises(error, match=message):
            ask(request_)


def test_an_empty_batch(served):
    for request in ({"history": []}, {"history": np.zeros([0, 3], object), "age": []}):
        outputs = served(request)
        assert outputs["ids"].shape == outputs["scores"].shape == (0, 10)
        assert served.recommend(request).empty


def test_an_empty_batch_of_integers(integer_world):
    assert integer_world.served({"history": []})["ids"].shape == (0, 5)


def test_signatures(served):
    names = ["allow", "classify", "examples", "from_history", "nominate", "serving_default"]
    assert sorted(served.signatures) == names
    with pytest.raises(KeyError, match="one of .*'examples', .*'serving_default'.*'nothing'"):
        served({"history": [[]]}, "nothing")
    for name in ("examples", "classify"):
        with pytest.raises(ValueError, match=f"not over rows of raw features.*{name!r}"):
            served({"history": [[]]}, name)
