import numpy as np
import pytest

from tfrec_zoo.layers import WatchTimeQuantiles

# isort: split
import tensorflow as tf

NAN = float("nan")


def adapted():
    """Short videos (10 s), long ones (100 s), and two of unknown duration."""
    layer = WatchTimeQuantiles(num_groups=2, num_quantiles=5)
    durations = [10.0, 10, 10, 10, 10, 100, 100, 100, 100, 100, NAN, NAN]
    watched = [0.0, 1, 2, 3, 4, 10, 20, 40, 80, 90, 7, 9]
    layer.adapt(durations, watched)
    return layer


def test_groups_are_halves_by_duration_and_unknown_ones():
    layer = adapted()
    # The median duration, half-way between 10 and 100, parts the two.
    assert layer.bounds.numpy().tolist() == [55.0]
    assert layer.groups([[1.0, 54.0], [55.0, NAN], [1e9, np.inf]]).numpy().tolist() == [
        *([0, 0], [1, 2], [1, 2])
    ]


def test_watch_times_at_quantiles_by_hand():
    layer = adapted()
    quantiles = [0.0, 0.25, 0.5, 0.625, 1.0]
    assert layer((quantiles, [10.0] * 5)).numpy().tolist() == [0, 1, 2, 2.5, 4]
    assert layer((quantiles, [100.0] * 5)).numpy().tolist() == [10, 20, 40, 60, 90]
    # Between 7 and 9.
    assert layer((quantiles, [NAN] * 5)).numpy().tolist() == [7, 7.5, 8, 8.25, 9]


def test_quantiles_of_watch_times_by_hand():
    layer = adapted()
    found = layer.quantiles([2.0, 60.0, 8.5, 40.0], [12.0, 90.0, NAN, 10.0])
    # 40 seconds are more than any of a short video, and half-way among long ones.
    assert found.numpy().tolist() == [0.5, 0.625, 0.75, 1.0]
    assert layer.quantiles([-3.0, 40.0], [10.0, 100.0]).numpy().tolist() == [0.0, 0.5]


def test_equal_watch_times_share_the_mean_of_their_ranks():
    layer = WatchTimeQuantiles(num_groups=1, num_quantiles=7)
    layer.adapt([5.0] * 5, [0.0, 0.0, 0.0, 3.0, 9.0])
    # Ranks 1, 3 and 4 of 0 to 4: quantiles 0, 2/3 and 1. Ties end there: what is between grows.
    np.testing.assert_allclose(layer.quantiles([0.0, 3.0, 9.0], [5.0] * 3), [0, 2 / 3, 1], 1e-6)
    np.testing.assert_allclose(layer(([0.0, 1 / 3, 2 / 3, 1.0], [5.0] * 4)), [0, 1.5, 3, 9], 1e-6)


@pytest.mark.parametrize("shape", [[60], [12, 5]])
def test_the_one_is_the_inverse_of_the_other(shape):
    rng = np.random.default_rng(0)
    durations = rng.lognormal(3, 1, 5000)
    watched = durations * rng.beta(1, 2, 5000) * (rng.random(5000) < 0.5)
    layer = WatchTimeQuantiles(num_groups=4, num_quantiles=50)
    layer.adapt(durations, watched)
    lengths = rng.choice(durations, shape).astype(np.float32)
    quantiles = rng.uniform(0, 1, shape).astype(np.float32)
    back = layer.quantiles(layer((quantiles, lengths)), lengths)
    assert back.shape == shape and back.dtype == tf.float32
    np.testing.assert_allclose(back, quantiles, atol=1e-4)
    # And in a graph.
    np.testing.assert_array_equal(
        tf.function(layer)((quantiles, lengths)), layer((quantiles, lengths))
    )


def test_watch_times_are_as_frequent_as_their_quantiles_say():
    """A fifth of the watch times of each group is below the quantile of one fifth."""
    rng = np.random.default_rng(0)
    durations = rng.lognormal(3, 1, 20_000)
    watched = durations * rng.beta(1, 2, 20_000)
    layer = WatchTimeQuantiles(num_groups=5, num_quantiles=200)
    layer.adapt(durations, watched)
    groups = layer.groups(durations).numpy()
    assert np.bincount(groups).tolist() == [4000] * 5
    for group in range(5):
        own = groups == group
        for share in (0.2, 0.5, 0.9):
            limit = float(layer((tf.constant(share), tf.constant(durations[own][0], tf.float32))))
            assert np.mean(watched[own] <= limit) == pytest.approx(share, abs=0.01)


def test_groups_that_nobody_is_in_have_all_watch_times():
    layer = WatchTimeQuantiles(num_groups=2, num_quantiles=3)
    layer.adapt([10.0, 10.0, 10.0], [1.0, 2.0, 5.0])
    assert layer(([0.5] * 3, [1.0, 10.0, NAN])).numpy().tolist() == [2.0, 2.0, 2.0]
    layer.adapt([NAN, NAN, NAN], [1.0, 2.0, 5.0])
    assert layer(([0.5] * 3, [1.0, 10.0, NAN])).numpy().tolist() == [2.0, 2.0, 2.0]


def test_one_watch_time_is_that_of_all_quantiles():
    layer = WatchTimeQuantiles(num_groups=1, num_quantiles=3)
    layer.adapt([10.0, 20.0], [4.0, 4.0])
    assert layer(([0.0, 0.3, 1.0], [10.0] * 3)).numpy().tolist() == [4.0, 4.0, 4.0]
    assert np.isfinite(layer.quantiles([0.0, 4.0, 9.0], [10.0] * 3)).all()


def test_until_it_is_adapted_watch_times_are_their_quantiles():
    layer = WatchTimeQuantiles(num_groups=2, num_quantiles=11)
    np.testing.assert_allclose(layer(([0.0, 0.25, 1.0], [1.0, 90.0, NAN])), [0, 0.25, 1], 1e-6)
    assert float(layer.num_adapted) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_groups": 0}, "`num_groups` must be positive. Received: 0"),
        ({"num_quantiles": 1}, "`num_quantiles` must be at least 2. Received: 1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        WatchTimeQuantiles(**arguments)


def test_what_can_not_be_learned_from():
    layer = WatchTimeQuantiles(num_groups=2, num_quantiles=3)
    with pytest.raises(ValueError, match=r"at least one. Received: shapes \(2,\) and \(3,\)"):
        layer.adapt([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"at least one. Received: shapes \(0,\) and \(0,\)"):
        layer.adapt([], [])
    with pytest.raises(ValueError, match="`watch_times` must be finite. Received: .*inf"):
        layer.adapt([1.0, 2.0], [1.0, np.inf])
