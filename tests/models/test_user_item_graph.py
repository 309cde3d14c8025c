import collections

import numpy as np
import pytest

from tfrec_zoo.models.user_item_graph import UserItemGraph

# isort: split
import tensorflow as tf

#: Users 0 and 1 share item 1, item 3 and user 2 have nobody. One choice was made twice.
CHOICES = np.array([[0, 0, 1, 1, 0, 1], [0, 1, 1, 2, 1, 2]])
GRAPH = UserItemGraph.of(*CHOICES, 3, 4)


def test_choices_made_twice_are_one_edge():
    assert GRAPH.by_user.numpy().tolist() == [[0, 0, 1, 1], [0, 1, 1, 2]]
    assert GRAPH.by_item.numpy().tolist() == [[0, 1, 1, 2], [0, 0, 1, 1]]


def test_what_is_unknown_is_no_edge():
    users, items = np.array([-1, 0, 0, 1]), np.array([0, -1, 1, 0])
    found = UserItemGraph.of(users, items, 2, 2)
    assert found.by_user.numpy().tolist() == [[0, 1], [1, 0]]


def test_a_step_by_hand():
    users = tf.constant([[4.0], [8.0], [5.0]])
    items = tf.constant([[2.0], [6.0], [10.0], [7.0]])
    root = np.sqrt(2)
    # Degrees: 2, 2 and 0 of users; 1, 2, 1 and 0 of items.
    to_users = [2 / root + 6 / 2, 6 / 2 + 10 / root, 0]
    to_items = [4 / root, 4 / 2 + 8 / 2, 8 / root, 0]
    found = GRAPH.smoothed(users, items, 1)
    np.testing.assert_allclose(found[0][:, 0], np.add([4, 8, 5], to_users) / 2, rtol=1e-6)
    np.testing.assert_allclose(found[1][:, 0], np.add([2, 6, 10, 7], to_items) / 2, rtol=1e-6)
    # No step, no change.
    for one, other in zip(GRAPH.smoothed(users, items, 0), (users, items), strict=True):
        np.testing.assert_array_equal(one, other)


def random_graph(rng, num_users=7, num_items=9):
    is_edge = rng.random([num_users, num_items]) < 0.3
    return is_edge, UserItemGraph.of(*np.nonzero(is_edge), num_users, num_items)


@pytest.mark.parametrize("num_layers", [1, 2, 3, 4])
def test_steps_are_powers_of_the_normalized_matrix(num_layers):
    rng = np.random.default_rng(num_layers)
    is_edge, graph = random_graph(rng)
    adjacency = np.block([[np.zeros([7, 7]), is_edge], [is_edge.T, np.zeros([9, 9])]])
    degree = np.maximum(adjacency.sum(1), 1)
    matrix = adjacency / np.sqrt(np.outer(degree, degree))
    mean = sum(np.linalg.matrix_power(matrix, k) for k in range(num_layers + 1)) / (num_layers + 1)
    start = tf.constant(rng.normal(size=[16, 3]), tf.float32)
    weight = tf.constant(rng.normal(size=[16, 3]), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(start)
        found = tf.concat(graph.smoothed(start[:7], start[7:], num_layers), axis=0)
        loss = tf.reduce_sum(found * weight)
    np.testing.assert_allclose(found, mean @ start, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tape.gradient(loss, start), mean.T @ weight, rtol=1e-4, atol=1e-5)


def test_draws_are_uniform_among_what_a_user_did_not_choose():
    users = np.repeat([0, 1, 2, -1], 4000).astype(np.int32)
    found = GRAPH.drawn(tf.constant(users), seed=1).numpy()
    free = {0: {2, 3}, 1: {0, 3}, 2: {0, 1, 2, 3}, -1: {0, 1, 2, 3}}
    for user, items in free.items():
        counts = collections.Counter(found[users == user].tolist())
        assert set(counts) == items
        np.testing.assert_allclose([counts[i] * len(items) / 4000 for i in items], 1, atol=0.1)


def test_draws_of_many_users_are_none_of_their_own():
    rng = np.random.default_rng(0)
    is_edge, graph = random_graph(rng, 200, 30)
    users = rng.integers(0, 200, 20_000).astype(np.int32)
    found = graph.drawn(tf.constant(users), seed=2).numpy()
    assert not is_edge[users, found].any()
    assert found.min() == 0 and found.max() == 29


def test_a_user_of_all_items_has_no_other():
    graph = UserItemGraph.of(np.array([0, 0, 1]), np.array([0, 1, 1]), 2, 2)
    assert graph.drawn(tf.constant([0, 1, 0, 1])).numpy().tolist() == [-1, 0, -1, 0]


def test_a_graph_without_edges():
    graph = UserItemGraph.of(np.empty(0, np.int32), np.empty(0, np.int32), 2, 3)
    users, items = graph.smoothed(tf.ones([2, 1]), tf.ones([3, 1]), 1)
    assert users.numpy().tolist() == [[0.5]] * 2 and items.numpy().tolist() == [[0.5]] * 3
    assert set(graph.drawn(tf.zeros([99], tf.int32), seed=1).numpy().tolist()) == {0, 1, 2}
