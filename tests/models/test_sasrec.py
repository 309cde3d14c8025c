"""What the tests of every model and of sequences can't know of SASRec."""

import numpy as np
import pytest
from sequences import bags, features_of, loss, made, scores

from tfrec_zoo.models import SASRec

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


def test_the_binary_loss_is_of_the_item_and_of_one_that_is_not_in_the_sequence():
    # Of a, b, c and d, the sequence has all but b; then all; the second has no negative.
    model = made(SASRec, loss="binary")
    x, y = bags("acd", "abc"), np.array(["a", "d"])
    states = model.states(*model.sequences(model.encode(x))).numpy().astype(np.float64)
    found = states @ model.item_table.table.numpy().T  # [2, 3, 4]

    def softplus(score):
        return np.log1p(np.exp(score))

    expected = [softplus(-found[0, at, i]) + softplus(found[0, at, 1]) for at, i in [
        (0, 2), (1, 3), (2, 0)]]  # fmt: skip
    expected += [softplus(-found[1, at, i]) for at, i in [(0, 1), (1, 2), (2, 3)]]
    assert loss(model, x, y, training=True) == pytest.approx(np.mean(expected), rel=1e-5)
    at_end = [expected[2], expected[5]]
    assert loss(model, x, y, training=False) == pytest.approx(np.mean(at_end), rel=1e-5)


def test_drawn_negatives_cost_on_average_what_is_evaluated():
    model = made(SASRec, loss="binary")
    x, y = bags(*["b"] * 4000), np.array(["d"] * 4000)
    found, expected = loss(model, x, y, training=True), loss(model, x, y, training=False)
    assert found == pytest.approx(expected, rel=0.02)


def test_the_binary_loss_learns_an_order():
    """Each item follows from the one before: a, b, c, d, a, …"""
    model = SASRec(features_of(), embedding_dim=8, dropout=0.1, loss="binary", seed=1)
    model.compile(tf.keras.optimizers.Adam(0.02))
    rows, y = ["a.", "b.", "c.", "d.", "ab", "bc", "cd", "da"], np.array(list("bcdacdab"))
    # Sixty times the eight rows, in an epoch: each has a data set of its own to make.
    model.fit(bags(*rows * 60), np.tile(y, 60), batch_size=8, shuffle=False, verbose=0)
    # An item is never a negative of its own sequence, so that it may come first.
    others = np.where([[c in row for c in "abcd"] for row in rows], -np.inf, scores(model, *rows))
    assert np.array(list("abcd"))[others.argmax(1)].tolist() == y.tolist()


def test_losses_and_negatives_that_do_not_go_together():
    with pytest.raises(ValueError, match="`negatives` are of the softmax.* Received: .*'uniform'"):
        made(SASRec, loss="binary", negatives="uniform")
    with pytest.raises(ValueError, match="must be one of .*'softmax', 'binary'.* Received: 'bpr'"):
        made(SASRec, loss="bpr")
