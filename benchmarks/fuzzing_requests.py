"""What `fuzzing.py` asks: requests, and bodies over HTTP, that are mostly right, or not at all."""

import json
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from tfrec_zoo.serving import Served

#: Values that stand where one was asked for, or in a bag.
odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=8),
    st.binary(max_size=8),
    st.sampled_from(["", " ", "\x00", "NaN", "inf", "-1", "1e3", "012", "\ud800", "é" * 300]),
    st.sampled_from([np.float32("nan"), np.int8(-1), np.bool_(True), pd.NA, pd.NaT, object()]),
    st.datetimes(),
    st.sampled_from([np.datetime64("2024-01-01"), pd.Timestamp(0), b"\xff\xfe", {}, set(), ()]),
)


@st.composite
def mostly(draw: Any, often: Any, seldom: Any) -> Any:
    """One in thirty from the second strategy, all others from the first."""
    return draw(often if draw(st.integers(0, 29)) else seldom)


def bags(values: Any) -> Any:
    """Bags of values, a few of them long or not lists."""
    short = st.lists(values, max_size=6)
    long = st.builds(lambda bag: bag * 300, short)
    others = st.one_of(short.map(tuple), short.map(lambda bag: np.array(bag, object)), values)
    return mostly(short, st.one_of(long, others))


def columns_of(served: Served) -> dict[str, Any]:
    """What a row of a request may hold, by key: mostly what the model reads."""
    items = served.items
    assert items is not None
    known = st.sampled_from(items.catalogue.ids[:50].tolist())
    columns = {}
    for key, feature in served.accepts.items():
        if feature.dtype == "string":
            good: Any = st.one_of(known, st.sampled_from(["a", "", "topic_1", None]))
        elif feature.dtype == "int64":
            good = st.integers(-1, 10**7)
        else:
            good = st.floats(-10, 10, width=32)
        value = mostly(good, odd_values)
        columns[key] = bags(value) if feature.is_bag else value
    return columns


def requests(served: Served) -> Any:
    """Requests that are mostly right, with keys, types, lengths or values that are not."""
    columns = columns_of(served)

    @st.composite
    def drawn(draw: Any) -> Any:
        rows = draw(st.integers(0, 3))
        keys = draw(st.lists(st.sampled_from(sorted(columns)), unique=True, max_size=6))
        request: dict[Any, Any] = {}
        for key in keys:
            number = draw(mostly(st.just(rows), st.integers(0, 5)))
            request[key] = draw(st.lists(columns[key], min_size=number, max_size=number))
        damage = draw(st.integers(0, 29))
        if damage == 0:
            request[draw(st.one_of(st.text(max_size=5), st.integers(), st.none()))] = [1] * rows
        elif damage == 1 and request:
            request[keys[0]] = draw(odd_values)
        elif damage == 2:
            return draw(odd_values)
        k = draw(mostly(st.one_of(st.none(), st.integers(1, 20)), odd_values))
        return request, k

    return drawn()


def documents(served: Served) -> Any:
    """What is sent to /recommend: rows that are mostly right, as JSON has them."""
    columns = columns_of(served)
    keys = st.lists(st.sampled_from(sorted(columns)), unique=True, max_size=4)
    row = keys.flatmap(lambda own: st.fixed_dictionaries({key: columns[key] for key in own}))
    rows = st.lists(mostly(row, odd_values), min_size=1, max_size=3)
    k = mostly(st.integers(1, 20), odd_values)
    document = st.fixed_dictionaries({"requests": mostly(rows, odd_values)}, optional={"k": k})
    return document.map(lambda drawn: json.loads(json.dumps(drawn, default=str)))


def bodies(good: list[bytes]) -> Any:
    """Bodies of requests: any bytes, or a good one that is damaged."""

    @st.composite
    def damaged(draw: Any) -> bytes:
        body = bytearray(draw(st.sampled_from(good)))
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, len(body)))
            how = draw(st.integers(0, 4))
            if how == 0:
                body[at : at + 1] = draw(st.binary(min_size=1, max_size=2))
            elif how == 1:
                del body[at : at + draw(st.integers(1, 20))]
            elif how == 2:
                body[at:at] = draw(
                    st.sampled_from(
                        [b"null", b"NaN", b"-Infinity", b"1e400", b"[", b"{", b'"', b"\\u0000",
                         b"\\ud800", b"\xff", b"[" * 3000, b"9" * 400, b",", b"true", b"{}"]
                    )
                )  # fmt: skip
            elif how == 3:
                body = body[:at]
            else:
                body[at:at] = body[: draw(st.integers(0, 40))]
        return bytes(body)

    anything = st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(
                st.one_of(
                    st.sampled_from(["instances", "inputs", "signature_name", "request", "k"]),
                    st.sampled_from(["history", "exclude", "allow", "time"]),
                    st.text(max_size=4),
                ),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
    return st.one_of(damaged(), damaged(), anything, st.binary(max_size=60))
