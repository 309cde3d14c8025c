import numpy as np
import pytest

from tfrec_zoo.layers import dot_interaction

# isort: split
import tensorflow as tf

FIELDS = np.random.default_rng(0).normal(size=[3, 5, 4]).astype(np.float32)


def test_by_hand():
    fields = tf.constant([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [-1.0, 1.0]]])
    # 3 + 8, 5 + 12, -1 + 2; 15 + 24, -3 + 4; -5 + 6
    np.testing.assert_allclose(dot_interaction(fields), [[11, 17, 1, 39, 1, 1]])


def test_agrees_with_numpy():
    found = dot_interaction(FIELDS)
    assert found.shape == (3, 10)
    for row in range(3):
        expected = [
            sum(FIELDS[row, i, d] * FIELDS[row, j, d] for d in range(4))
            for i in range(5)
            for j in range(5)
            if i < j
        ]
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-6)


def test_a_list_is_its_rows():
    lists = np.random.default_rng(1).normal(size=[2, 3, 5, 4]).astype(np.float32)
    listed = dot_interaction(lists)
    assert listed.shape == (2, 3, 10)
    flat = dot_interaction(lists.reshape(6, 5, 4))
    np.testing.assert_allclose(tf.reshape(listed, [6, 10]), flat, rtol=1e-6, atol=1e-6)
    signature = [tf.TensorSpec([None, None, 5, 4])]
    compiled = tf.function(dot_interaction, input_signature=signature)
    assert compiled.get_concrete_function().structured_outputs.shape.as_list() == [None, None, 10]
    np.testing.assert_allclose(compiled(lists), listed, rtol=1e-6, atol=1e-6)


def test_gradient():
    fields = tf.constant(FIELDS)
    with tf.GradientTape() as tape:
        tape.watch(fields)
        loss = tf.reduce_sum(dot_interaction(fields))
    # Each vector meets every other one once.
    others = FIELDS.sum(1, keepdims=True) - FIELDS
    np.testing.assert_allclose(tape.gradient(loss, fields), others, rtol=1e-5, atol=1e-5)


def test_one_field():
    with pytest.raises(ValueError, match=r"two fields at least. Received: shape=\(3, 1, 4\)"):
        dot_interaction(FIELDS[:, :1])
