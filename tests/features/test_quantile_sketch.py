import copy

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.features.quantile_sketch import QuantileSketch

FRACTIONS = np.linspace(0, 1, 1001)
SIZE = 100_000
#: How many times its capacity a sketch sorts at once.
BLOCK = 128


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


def test_hand_worked_summaries():
    sketch = QuantileSketch(max_error=0.999)  # capacity: ceil(10 / 0.999) = 11
    assert sketch.capacity == 11
    size = 11 * 128  # 1408
    sketch.update(np.arange(size - 1))
    assert (sketch.retained, sketch.rank_error) == (size - 1, 0.0)
    assert sketch.quantiles(0.5) == 703.0

    # The 1408 values become 11 of weight 128: the 65th of each 128, 64, 192, ..., 1344.
    sketch.update(size - 1)
    assert (sketch.count, sketch.retained) == (size, 11)
    # Below 64 estimated ranks are up to 64 too low, from 64 on up to 63 too high, and a value of
    # weight 128 covers 63.5 ranks on either side.
    assert sketch.rank_error == pytest.approx((64 + 63.5) / size)
    # Value 64 + 128 i stands at rank 64 + 128 i, numpy looks up rank 1407 q + 0.5: 704 for q = 0.5.
    # Beyond the middle of the last 128, rank 1344, the exact maximum is interpolated in.
    np.testing.assert_allclose(sketch.quantiles([0, 0.5, 1]), [0, 704, 1407])

    # With one more value, -1, all ranks are one higher: 704.5 is looked up, where 703.5 would be.
    sketch.update(-1)
    assert (sketch.count, sketch.retained) == (size + 1, 12)
    np.testing.assert_allclose(sketch.quantiles([0, 0.5, 1]), [-1, 703.5, 1407])

    # The next block makes 1471, ..., 2751 of 1407 values and the -1: -1, 1408, ..., 2814, the 65th
    # of which is 1471. Both summaries, 64, ..., 1344 and 1471, ..., 2751, become one by halving;
    # under is 64 + 64, over 63 + 63, so the first of each pair is kept: 64, 320, ..., 2624.
    sketch.update(np.arange(size, 2 * size - 1))
    assert (sketch.count, sketch.retained) == (2 * size, 11)
    # Over 126 + 128, under 128, largest weight 256.
    assert sketch.rank_error == pytest.approx((126 + 128 + 127.5) / (2 * size))
    # The sixth, 1344, covers ranks 5 * 256 to 6 * 256, and rank (2815 q) + 0.5 is their middle.
    assert sketch.quantiles((5.5 * 256 - 0.5) / (2 * size - 1)) == pytest.approx(1344)


@pytest.mark.parametrize("max_error", [0.04, 0.5])
@pytest.mark.parametrize("name", list(streams()))
def test_error_and_memory_stay_within_bounds(name, max_error):
    stream = streams()[name]
    sketch = QuantileSketch(max_error)
    sketch.update(stream)

    assert sketch.count == SIZE
    assert rank_distance(stream, sketch) <= sketch.rank_error
    levels = np.log2(SIZE / (BLOCK * sketch.capacity))
    assert 0 < sketch.rank_error <= (levels + 5) / (4 * sketch.capacity) <= max_error
    assert sketch.retained <= (levels + 2 + BLOCK) * sketch.capacity
    values = sketch.quantiles(FRACTIONS)
    assert np.all(np.diff(values) >= 0)
    assert (values[0], values[-1]) == (stream.min(), stream.max())


def test_memory_stays_bounded_while_streaming():
    sketch, largest = QuantileSketch(0.5), 0  # capacity 20, a block of 2,560
    for i in range(2000):
        sketch.update(np.arange(37) * i)
        largest = max(largest, sketch.retained)
    # 74,000 values: log2(74,000 / 2,560) = 4.9 levels.
    assert 2_560 <= largest <= 2_560 + 6 * 20


def test_batches_do_not_matter():
    stream = streams()["lognormal"][:30_000]
    whole, batches, tiny = (QuantileSketch(0.1) for _ in range(3))  # blocks of 12,800
    whole.update(stream)
    for batch in np.array_split(stream, 7):
        batches.update(batch.reshape(-1, 1))
    for batch in np.array_split(stream, 15_000):
        tiny.update(batch)
    expected = whole.quantiles(FRACTIONS)
    np.testing.assert_array_equal(batches.quantiles(FRACTIONS), expected)
    np.testing.assert_array_equal(tiny.quantiles(FRACTIONS), expected)
    assert tiny.rank_error == whole.rank_error > 0


def test_asking_in_between_does_not_matter():
    stream = streams()["lognormal"][:30_000]
    asked, whole = QuantileSketch(0.1), QuantileSketch(0.1)
    for batch in np.array_split(stream, 50):
        asked.update(batch)
        asked.quantiles(0.5)
    whole.update(stream)
    np.testing.assert_array_equal(asked.quantiles(FRACTIONS), whole.quantiles(FRACTIONS))


@pytest.mark.parametrize("name", list(streams()))
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_is_exact_within_the_first_block(name, dtype):
    stream = streams()[name].astype(dtype)
    sketch = QuantileSketch(0.01)  # 128,000 values
    sketch.update(stream)
    assert sketch.rank_error == 0.0
    np.testing.assert_allclose(
        sketch.quantiles(FRACTIONS), np.quantile(stream.astype(float), FRACTIONS), rtol=1e-9
    )
    ranks = [[0.3, 0.1], [1.0, 0.3]]
    np.testing.assert_allclose(
        sketch.quantiles(ranks), np.quantile(stream.astype(float), ranks), rtol=1e-9
    )


@pytest.mark.parametrize("name", list(streams()))
def test_merge_stays_within_bounds(name):
    stream = streams()[name]
    total = QuantileSketch(0.5)  # capacity 20
    for part in np.array_split(stream, 13):  # 7,692 values each: three blocks and a rest
        sketch = QuantileSketch(0.5)
        sketch.update(part)
        before = copy.deepcopy(vars(sketch))
        total.merge(sketch)
        np.testing.assert_equal(vars(sketch), before)
    assert total.count == SIZE
    assert rank_distance(stream, total) <= total.rank_error <= 0.5
    assert total.quantiles([0, 1]).tolist() == [stream.min(), stream.max()]
    assert total.retained <= (np.log2(SIZE / 2_560) + 2 + BLOCK) * 20


def test_merge_adds_the_errors():
    total = QuantileSketch(max_error=0.999)  # capacity 11
    size = 11 * BLOCK
    for i in range(3):
        part = QuantileSketch(max_error=0.999)
        part.update(np.arange(size) * (i + 1))  # one summary: under by 64, over by 63
        total.merge(part)
    # Under 3 * 64; over 3 * 63 + 128, for the first two are halved; largest weight 256.
    assert (total.count, total.retained) == (3 * size, 22)
    assert total.rank_error == pytest.approx((3 * 63 + 128 + 127.5) / (3 * size))


def test_merge_with_itself_and_with_empty():
    sketch = QuantileSketch(0.5)
    sketch.update(np.arange(6_000))  # two blocks of 2,560 and a rest
    sketch.merge(QuantileSketch(0.5))
    assert sketch.count == 6_000
    sketch.merge(sketch)
    assert sketch.count == 12_000
    doubled = np.repeat(np.arange(6_000.0), 2)
    assert 0 < rank_distance(doubled, sketch) <= sketch.rank_error


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
