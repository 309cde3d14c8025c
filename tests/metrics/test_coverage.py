import numpy as np
import pytest

from tfrec_zoo.metrics import CatalogueCoverage

# isort: split
import tensorflow as tf


def test_by_hand():
    metric = CatalogueCoverage(num_items=5)
    assert float(metric.result()) == 0
    metric.update_state([[0, 1], [1, 0]])  # items 0 and 1: 2 / 5
    assert float(metric.result()) == pytest.approx(0.4)
    metric.update_state([[4, -1], [-1, -1]])  # and item 4, fillers ignored: 3 / 5
    assert float(metric.result()) == pytest.approx(0.6)
    metric.reset_state()
    assert float(metric.result()) == 0


@pytest.mark.parametrize("size", [7, 64])
def test_agrees_with_a_set_in_a_graph(size):
    lists = np.random.default_rng(0).integers(-1, 900, (150, 5))
    metric = CatalogueCoverage(1000)

    @tf.function(input_signature=[tf.TensorSpec([None, 5], tf.int64)])
    def update(batch):
        metric.update_state(batch)

    for i in range(0, len(lists), size):
        update(lists[i : i + size])
    expected = len(set(lists[lists >= 0])) / 1000
    assert 0.3 < expected < 0.7
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_merge_state_is_the_union():
    first, second = CatalogueCoverage(4), CatalogueCoverage(4)
    first.update_state([[0, 1]])
    second.update_state([[1, 2]])
    first.merge_state([second])
    assert float(first.result()) == 0.75


def test_config_round_trip():
    metric = CatalogueCoverage(7, name="reach")
    restored = tf.keras.metrics.deserialize(tf.keras.metrics.serialize(metric))
    assert restored.get_config() == metric.get_config()
    assert restored.num_items == 7


@pytest.mark.parametrize("num_items", [0, -2, 1.5, "9", True])
def test_num_items_must_be_a_positive_integer(num_items):
    with pytest.raises(ValueError, match="`num_items` must be.*Received: num_items="):
        CatalogueCoverage(num_items)


def test_errors():
    with pytest.raises(ValueError, match=r"`lists` must hold items below 3. Received: \[3\]"):
        CatalogueCoverage(3).update_state([[0, 3]])
    with pytest.raises(ValueError, match="`lists` must be integers.*Received: dtype float32"):
        CatalogueCoverage(3).update_state([[0.0, 1.0]])
