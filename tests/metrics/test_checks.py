"""In a graph, too, what is wrong is refused before anything is counted."""

import pytest

from tfrec_zoo import metrics

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

SCORES, RELEVANT = [[0.1, 0.2]], [1]


@pytest.mark.parametrize(
    ("metric", "right", "wrong", "message"),
    [
        (metrics.HitRate(1), (RELEVANT, SCORES, [1.0]), (RELEVANT, SCORES, [-1.0]), "finite"),
        (metrics.HitRate(1), (RELEVANT, SCORES, [1.0]), ([2], SCORES, [1.0]), "smaller than"),
        (metrics.CatalogueCoverage(3), ([[0, 1]],), ([[0, 3]],), "below 3"),
    ],
)
def test_a_refused_batch_leaves_no_trace(metric, right, wrong, message):
    @tf.function
    def update(*batch):
        metric.update_state(*batch)

    update(*map(tf.constant, right))
    before = [weight.numpy().tolist() for weight in metric.weights]
    for _ in range(100):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            update(*map(tf.constant, wrong))
    assert [weight.numpy().tolist() for weight in metric.weights] == before
