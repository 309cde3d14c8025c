"""Search spaces: what is searched by default, and what is refused."""

from typing import Any

import pytest

from tfrec_zoo import registry
from tfrec_zoo.searching.spaces import (
    Range,
    as_dimension,
    changed,
    checked_space,
    default_space,
    plain_value,
    widened,
)
from tfrec_zoo.training import Training

DEEPFM, EASE = (registry.get(name).load() for name in ("DeepFM", "EASE"))


def test_the_default_is_what_the_model_takes() -> None:
    found = default_space(DEEPFM, Training(grid={"clipping": (1.0, 5.0)}))
    assert set(found) == {
        *("learning_rate", "batch_size", "dropout", "hidden_units", "embedding_dim"),
        *("normalization", "batch_l2", "clipping"),
    }
    plain = {name: plain_value(one) for name, one in found.items()}
    assert plain == {
        **{"learning_rate": 1e-3, "batch_size": 2048, "dropout": 0.0, "batch_l2": 0.0},
        **{"hidden_units": (400, 400, 400), "embedding_dim": 16, "normalization": None},
        "clipping": 1.0,
    }
    assert default_space(EASE, Training(grid={"l2": (1.0, 2.0)})) == {"l2": (1.0, 2.0)}


@pytest.mark.parametrize("name", [n for n, e in registry.MODELS.items() if e.load().is_iterative])
def test_every_value_of_a_default_is_one_of_the_model(name: str) -> None:
    cls = registry.get(name).load()
    found = default_space(cls, Training())
    assert checked_space(found, cls) == found
    # A model has one penalty at most, and what solves for its weights takes no steps.
    assert len({"l2", "batch_l2"} & set(found)) <= 1
    assert ("learning_rate" in found) is not cls.takes_all_at_once


def test_ranges() -> None:
    assert plain_value(Range(1.0, 4.0)) == 2.5
    assert plain_value(Range(1e-4, 1e-2, log=True)) == pytest.approx(1e-3)
    assert (plain_value(Range(1, 9)), plain_value(Range(1, 9, plain=2))) == (5, 2)
    assert Range(1, 9).is_whole and not Range(1, 9.5).is_whole
    # A preset's value is within; what is plain stays so.
    assert widened(Range(1.0, 4.0), 8.0) == Range(1.0, 8.0, plain=2.5)
    assert widened(Range(1.0, 4.0), 3.0) == Range(1.0, 4.0)
    assert widened((1, 2), 3) == (1, 2, 3) and widened((1, 2), 2) == (1, 2)
    with pytest.raises(ValueError, match="numbers alone.*for a preset that has None"):
        widened(Range(1.0, 4.0), None)
    with pytest.raises(ValueError, match="above 0"):
        widened(Range(1e-4, 1e-2, log=True), 0.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"low": 1, "high": 1}, "`low` below its `high`"),
        ({"low": 0, "high": 1, "log": True}, "above 0"),
        ({"low": 0, "high": float("inf")}, "finite"),
        ({"low": "a", "high": "b"}, "of numbers"),
        ({"low": 1, "high": 2, "plain": 3}, "`plain` must be within"),
        ({"low": 1}, "a list of values, or a range.*Received: {'low': 1}"),
        ({"low": 1, "high": 2, "step": 3}, "a list of values, or a range"),
        ([], "a list of values"),
        ("abc", "Received: 'abc'"),
    ],
)
def test_what_is_no_dimension(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_dimension(given)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"rate": [1]}, r"fields of Training, \['averaging'.*of DeepFM, \[.*Received: \['rate'\]"),
        ({"seed": [1, 2], "grid": [1]}, r"Received: \['grid', 'seed'\]"),
        ({"features": [1]}, r"Received: \['features'\]"),
        ({"dropout": [0.1, 1.5]}, "`dropout` must be .* Received: 1.5"),
        ({"learning_rate": {"low": -1.0, "high": 1.0}}, "`learning_rate` must be positive"),
        ({"batch_size": [0]}, "`batch_size` must be a positive whole number"),
    ],
)
def test_wrong_names_and_values(space: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked_space(space, DEEPFM)


def test_parameters_are_of_the_training_or_of_the_model() -> None:
    given = {"learning_rate": 0.5, "dropout": 0.1}
    training, arguments = changed(Training(grid={"dropout": (0.1,)}), DEEPFM, given)
    assert (training, arguments) == (Training(learning_rate=0.5), {"dropout": 0.1})
