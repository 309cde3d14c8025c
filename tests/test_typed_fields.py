"""Typed fields: what fits the type of a field, as what, and what is said of what doesn't."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Optional

import numpy as np
import pytest

from tfrec_zoo.typed_fields import check, checked


class Thing:
    pass


@dataclasses.dataclass(frozen=True)
class Options:
    number: int = 1
    share: float = 0.5
    flag: bool = True
    word: str | None = None
    way: Literal["by", "through"] | Thing = "by"
    sizes: tuple[int, ...] = (1,)
    limit: Optional[float] = None  # noqa: UP045 (both ways to write it)
    given: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    again: "Options | None" = None

    def __post_init__(self) -> None:
        check(self, leave_out=("flag",))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("number", np.int32(3), 3),
        ("share", 1, 1.0),
        ("share", np.float32(0.25), 0.25),
        ("limit", None, None),
        ("limit", 5, 5.0),
        ("word", "a", "a"),
        ("sizes", [1, 2], (1, 2)),
        ("sizes", (), ()),
        ("way", "through", "through"),
        ("given", {"x": (1,)}, {"x": (1,)}),
        ("again", Options(), Options()),
    ],
)
def test_what_fits(name: str, value: Any, expected: Any) -> None:
    found = getattr(Options(**{name: value}), name)
    assert found == expected
    assert type(found) is type(expected)
    assert checked(Options, {name: value}) == {name: expected}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("number", "many", "`number` must be a whole number. Received: 'many'"),
        ("number", 1.0, "`number` must be a whole number. Received: 1.0"),
        ("number", True, "`number` must be a whole number. Received: True"),
        ("number", None, "`number` must be a whole number. Received: None"),
        ("share", "half", "`share` must be a number. Received: 'half'"),
        ("share", False, "`share` must be a number. Received: False"),
        ("limit", "x", "`limit` must be a number or None. Received: 'x'"),
        ("word", 3, "`word` must be a string or None. Received: 3"),
        ("way", "past", '`way` must be "by", "through" or a Thing. Received: \'past\''),
        ("way", Thing, '`way` must be "by", "through" or a Thing. Received: <class'),
        ("sizes", 3, "`sizes` must be a tuple of whole numbers, such as (1, 10). Received: 3"),
        ("sizes", "12", "`sizes` must be a tuple of whole numbers"),
        ("sizes", (1, "2"), "Received: (1, '2')"),
        ("given", 3, "`given` must be a mapping by name. Received: 3"),
        ("again", {}, "`again` must be an Options or None. Received: {}"),
    ],
)
def test_what_does_not_fit(name: str, value: Any, message: str) -> None:
    for make in (lambda: Options(**{name: value}), lambda: checked(Options, {name: value})):
        with pytest.raises(ValueError) as error:
            make()
        assert message in str(error.value)


def test_fields_that_are_left_out() -> None:
    assert Options(flag="yes").flag == "yes"  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`flag` must be True or False. Received: 'yes'"):
        checked(Options, {"flag": "yes"})
