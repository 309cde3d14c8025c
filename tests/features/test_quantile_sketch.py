import copy

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.features.quantile_sketch import QuantileSketch

FRACTIONS = np.linspace(0, 1, 1001)
SIZE = 100_000


def streams():
    rng = np.random.default_rng(0)
    return {
        "sorted": np.arange(SIZE, dtype=float),
        "reversed": np.arange(SIZE, dtype=float)[::-1],
        "alternating": np.where(np.arange(SIZE) % 2, 1.0, -1.0) * np.arange(SIZE),
        "ties": rng.integers(0, 7, SIZE),
        "zeros": np.where(rng.random(SIZE) < 0.6, 0.0, rng.normal(size=SIZE)),
        "lognormal": rng.lognormal(0, 3, SIZE),
        "constant": np.full(SIZE, -2.5),
    }


def rank_distance(stream, sketch):
    """How far `q` is from the ranks of `quantiles(q)`, less the gap numpy interpolates in."""
    ordered = np.sort(stream)
    values = sketch.quantiles(FRACTIONS)
    below = np.searchsorted(ordered, values, side="left") / ordered.size
    at_or_below = np.searchsorted(ordered, values, side="right") / ordered.size
    return max((below - FRACTIONS).max(), (FRACTIONS - at_or_below).max()) - 1 / ordered.size


def test_hand_worked_halving():
    sketch = QuantileSketch(max_error=0.999)  # capacity: ceil(10 / 0.999) = 11
    assert sketch.capacity == 11
    sketch.update(np.arange(21))
    assert sketch.rank_error == 0.0
    assert sketch.quantiles(0.5) == 10.0

    # The 22 values become 11 of weight 2: the first of each pair, 0, 2, ..., 20.
    sketch.update(21)
    assert (sketch.count, sketch.retained) == (22, 11)
    # Estimated ranks may be 1 too high, and a value of weight 2 covers half a rank either side.
    assert sketch.rank_error == pytest.approx((1 + 0.5) / 22)
    # Value 2i stands at rank 2i + 1, numpy looks up rank 21 q + 0.5: 11 for q = 0.5, value 10.
    # Beyond the middle of the last pair, rank 21, the exact maximum is interpolated in.
    np.testing.assert_allclose(sketch.quantiles([0, 0.5, 1]), [0, 10, 21])

    # The next 22 keep the second of each pair, 23, 25, ..., 43, which balances the error: halving
    # 0, 2, ..., 20, 23, ..., 43 (22 values of weight 2) then adds 2 on the side of the first.
    sketch.update(np.arange(22, 44))
    assert sketch.retained == 11
    # Over 1 + 2, under 1, largest weight 4.
    assert sketch.rank_error == pytest.approx((3 + 1.5) / 44)


@pytest.mark.parametrize("max_error", [0.001, 0.02])
@pytest.mark.parametrize("name", list(streams()))
def test_error_and_memory_stay_within_bounds(name, max_error):
    stream = streams()[name]
    sketch = QuantileSketch(max_error)
    sketch.update(stream)

    assert sketch.count == SIZE
    assert rank_distance(stream, sketch) <= sketch.rank_error
    levels = np.log2(SIZE / sketch.capacity)
    assert 0 < sketch.rank_error <= (levels + 3) / (4 * sketch.capacity) <= max_error
    assert sketch.retained <= (levels + 2) * sketch.capacity
    values = sketch.quantiles(FRACTIONS)
    assert np.all(np.diff(values) >= 0)
    assert (values[0], values[-1]) == (stream.min(), stream.max())


def test_memory_stays_bounded_while_streaming():
    sketch, largest = QuantileSketch(0.05), 0  # capacity 200
    for i in range(2000):
        sketch.update(np.arange(37) * i)
        largest = max(largest, sketch.retained)
    # 74,000 values: log2(74,000 / 200) = 8.5 levels.
    assert largest <= 10.5 * 200


def test_batches_do_not_matter():
    stream = streams()["lognormal"][:30_000]
    whole, batches, tiny = (QuantileSketch(0.01) for _ in range(3))
    whole.update(stream)
    for batch in np.array_split(stream, 7):
        batches.update(batch.reshape(-1, 1))
    for batch in np.array_split(stream, 15_000):
        tiny.update(batch)
    expected = whole.quantiles(FRACTIONS)
    np.testing.assert_array_equal(batches.quantiles(FRACTIONS), expected)
    np.testing.assert_array_equal(tiny.quantiles(FRACTIONS), expected)
    assert tiny.rank_error == whole.rank_error


def test_is_exact_up_to_capacity():
    stream = streams()["lognormal"][:10_000]
    sketch = QuantileSketch(0.001)
    sketch.update(stream)
    assert sketch.rank_error == 0.0
    np.testing.assert_allclose(
        sketch.quantiles(FRACTIONS), np.quantile(stream, FRACTIONS), rtol=1e-9
    )


@pytest.mark.parametrize("name", list(streams()))
def test_merge_stays_within_bounds(name):
    stream = streams()[name]
    total = QuantileSketch(0.01)
    for part in np.array_split(stream, 41):  # 2,439 values each: two summaries and a rest
        sketch = QuantileSketch(0.01)
        sketch.update(part)
        before = copy.deepcopy(vars(sketch))
        total.merge(sketch)
        np.testing.assert_equal(vars(sketch), before)
    assert total.count == SIZE
    assert rank_distance(stream, total) <= total.rank_error <= 0.01
    assert total.quantiles([0, 1]).tolist() == [stream.min(), stream.max()]
    assert total.retained <= (np.log2(SIZE / 1000) + 2) * 1000


def test_merge_adds_the_errors():
    total = QuantileSketch(max_error=0.999)  # capacity 11
    for i in range(3):
        part = QuantileSketch(max_error=0.999)
        part.update(np.arange(22) * (i + 1))  # halved once: over by 1
        total.merge(part)
    # Over 1 + 1, then two summaries of weight 2 are halved on the other side, under 2; over 1 more.
    assert (total.count, total.retained) == (66, 22)
    assert total.rank_error == pytest.approx((3 + 1.5) / 66)


def test_merge_with_itself_and_with_empty():
    sketch = QuantileSketch(0.1)
    sketch.update(np.arange(250))
    sketch.merge(QuantileSketch(0.1))
    assert sketch.count == 250
    sketch.merge(sketch)
    assert sketch.count == 500
    doubled = np.repeat(np.arange(250.0), 2)
    assert rank_distance(doubled, sketch) <= sketch.rank_error


def test_missing_and_infinite_values_are_ignored():
    sketch = QuantileSketch()
    sketch.update([np.nan, 1.0, np.inf, 3.0, -np.inf])
    sketch.update(pd.Series([None, 2], dtype="Int64").astype(float))
    sketch.update(np.full(50_000, np.nan))
    sketch.update([])
    assert sketch.count == 3
    assert sketch.quantiles([[0.0, 0.5], [0.75, 1.0]]).tolist() == [[1.0, 2.0], [2.5, 3.0]]


def test_errors():
    with pytest.raises(ValueError, match=r"`max_error` .* Received: 0$"):
        QuantileSketch(0)
    with pytest.raises(ValueError, match="at least one finite value.* Received: count=0$"):
        QuantileSketch().quantiles(0.5)
    with pytest.raises(ValueError, match=r"same `max_error`, 0.1.* Received: 0.2$"):
        QuantileSketch(0.1).merge(QuantileSketch(0.2))
    sketch = QuantileSketch()
    sketch.update([1.0])
    for q in (1.5, np.nan):
        with pytest.raises(ValueError, match=r"`q` must lie in \[0, 1\]"):
            sketch.quantiles(q)
