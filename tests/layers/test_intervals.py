import numpy as np

from tfrec_zoo.layers import NUM_INTERVALS, interval_ids

# isort: split
import tensorflow as tf


def test_two_ids_for_each_doubling():
    # 1 + interval is 1, 2, 4, 8, …, and half-way between them on the scale of logarithms.
    octave = np.arange(31)
    whole = interval_ids(tf.constant(2.0**octave - 1, tf.float64))
    assert whole.numpy().tolist() == (1 + 2 * octave).tolist()
    half = interval_ids(tf.constant(2.0 ** (octave + 0.51) - 1))
    assert half.numpy().tolist() == (2 + 2 * octave).tolist()
    assert interval_ids(tf.constant(0.4)) == 1 and interval_ids(tf.constant(0.42)) == 2


def test_what_is_out_of_range_or_unknown():
    given = [-5.0, 2.0**31, 1e300, np.inf, -np.inf, np.nan]
    found = interval_ids(tf.constant(given, tf.float64)).numpy().tolist()
    assert found == [1, NUM_INTERVALS - 1, NUM_INTERVALS, 0, 0, 0]
    assert interval_ids(tf.zeros([2, 0])).shape == (2, 0)
