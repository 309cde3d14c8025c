import numpy as np
import pytest

from tfrec_zoo.layers import packed

# isort: split
import tensorflow as tf

IDS = tf.constant([[0, 4, 0, 7, 9], [0, 0, 0, 0, 0], [3, 0, 0, 0, 0]])
AGES = tf.reshape(tf.range(15, dtype=tf.float64), [3, 5])


@pytest.mark.parametrize(
    ("max_length", "expected", "ages"),
    [
        (9, [[4, 7, 9], [0, 0, 0], [0, 0, 3]], [1, 3, 4, 10]),
        (3, [[4, 7, 9], [0, 0, 0], [0, 0, 3]], [1, 3, 4, 10]),
        (2, [[7, 9], [0, 0], [0, 3]], [3, 4, 10]),
        (1, [[9], [0], [3]], [4, 10]),
    ],
)
def test_the_last_known_ids_and_their_ages(max_length, expected, ages):
    found, of_found = packed(IDS, max_length, AGES)
    assert found.numpy().tolist() == expected
    assert of_found.shape == found.shape
    assert of_found.numpy()[found.numpy() > 0].tolist() == ages
    found, none = packed(IDS, max_length)
    assert found.numpy().tolist() == expected and none is None


@pytest.mark.parametrize("width", [0, 3])
def test_nothing_known_is_one_column(width):
    ids, ages = packed(tf.zeros([2, width], tf.int32), 5, tf.zeros([2, width]))
    assert ids.numpy().tolist() == [[0], [0]] and ages.shape == (2, 1)


def test_any_width_in_a_graph():
    compiled = tf.function(packed, input_signature=[tf.TensorSpec([None, None], tf.int32),
                                                    tf.TensorSpec([], tf.int32)])  # fmt: skip
    assert compiled(IDS, 2)[0].numpy().tolist() == [[7, 9], [0, 0], [0, 3]]
    assert np.array_equal(compiled(IDS[:, :0], 2)[0], [[0]] * 3)
