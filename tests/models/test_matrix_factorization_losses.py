"""Losses of matrix factorization are those of NumPy, as are their gradients and penalties."""

import numpy as np
import pytest
from matrix_reference import (
    CLICKED,
    ITEMS,
    LISTS,
    LOSSES,
    PAIRS,
    POINTWISE,
    RATING,
    USERS,
    WEIGHT,
    all_scores,
    cross_entropy,
    make,
    numbers,
    pair_batch,
    scores_of,
    warp,
    weights_of,
)
from sklearn.metrics import roc_auc_score

from tfrec_zoo.losses import Drawn, Negatives
from tfrec_zoo.models import retrieval

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.mark.parametrize("loss", LOSSES[1:])
def test_loss_of_pairs_and_lists(loss):
    features, label, losses_of = pair_batch(loss)
    model = make(loss)
    expected = losses_of(scores_of(model, features))
    assert np.std(expected) > 0.3
    losses, scores = model.example_losses(model.encode(features), label, training=False)
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores, scores_of(model, features), rtol=1e-5, atol=1e-5)
    # Lists of three batches; and the weight of a list is that of each of its candidates.
    reported = model.evaluate(features, label, batch_size=11, verbose=0)
    np.testing.assert_allclose(reported, expected.mean(), rtol=1e-5)
    weight = WEIGHT if expected.ndim == 1 else WEIGHT[:, None]
    expected = (weight * expected).mean()
    reported = model.evaluate(features, label, sample_weight=WEIGHT, batch_size=11, verbose=0)
    np.testing.assert_allclose(reported, expected, rtol=1e-5)
    loss = model.compute_loss((model.encode(features), label, WEIGHT), training=True)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_squared_of_lists_and_logistic_of_pairs():
    model = make("squared")
    rating = np.repeat(RATING[:, None], 4, axis=1)
    expected = np.mean((scores_of(model, LISTS) - rating) ** 2)
    np.testing.assert_allclose(model.compute_loss((LISTS, rating)), expected, rtol=1e-5)
    model = make("logistic")
    expected = cross_entropy(scores_of(model, PAIRS), CLICKED[:, 0]).mean()
    np.testing.assert_allclose(model.compute_loss((PAIRS, CLICKED[:, 0])), expected, rtol=1e-5)


def test_warp_has_its_margin():
    model = make("warp", margin=2.5)
    expected = warp(scores_of(model, LISTS), 2.5).mean()
    assert abs(expected - warp(scores_of(model, LISTS)).mean()) > 0.5
    np.testing.assert_allclose(model.compute_loss((LISTS, CLICKED)), expected, rtol=1e-5)


def softmax_losses(model):
    """Of `PAIRS`; an unknown item has none."""
    user, item = numbers("user", PAIRS["user"]), numbers("item", PAIRS["item"])
    assert np.any(item == ITEMS) and np.any(user == USERS)
    scores = all_scores(model)[user, :ITEMS]
    own = np.take_along_axis(scores, np.minimum(item, ITEMS - 1)[:, None], axis=1)[:, 0]
    return np.where(item < ITEMS, np.log(np.exp(scores).sum(1)) - own, 0)


def test_full_softmax():
    model = make()
    users = {"user": PAIRS["user"]}
    expected = softmax_losses(model)
    assert np.std(expected) > 0.3
    losses, _ = model.example_losses(model.encode(users), PAIRS["item"], training=True)
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-6)
    # That the item is among the features as well changes nothing.
    reported = model.evaluate(PAIRS, PAIRS["item"], sample_weight=WEIGHT, verbose=0)
    is_known = numbers("item", PAIRS["item"]) < ITEMS
    np.testing.assert_allclose(reported, (WEIGHT * expected)[is_known].mean(), rtol=1e-5)


def test_sampled_softmax_is_numpy_s(monkeypatch):
    negatives, chance = np.array([4, 1, 3]), np.array([0.5, 0.9, 0.3])
    of_class = np.array([0.95, 0.9, 0.7, 0.3, 0.5, 0.2])

    def draw(positives, number, num_classes, seed):
        assert (number, num_classes) == (3, ITEMS)
        own = tf.gather(tf.constant(of_class, tf.float32), positives)
        return Drawn(tf.constant(negatives, tf.int32), tf.constant(chance, tf.float32), own)

    monkeypatch.setattr(retrieval, "draw_log_uniform", draw)
    model = make(negatives=Negatives("log-uniform", 3, correction="all"))
    user, item = numbers("user", PAIRS["user"]), numbers("item", PAIRS["item"])
    scores, expected = all_scores(model), np.zeros(30)
    for row in np.flatnonzero(item < ITEMS):
        own = scores[user[row], item[row]] - np.log(of_class[item[row]])
        others = scores[user[row], negatives] - np.log(chance)
        total = np.exp(own) + np.exp(others[negatives != item[row]]).sum()
        expected[row] = np.log(total) - own
    batch = model.encode({"user": PAIRS["user"]}), PAIRS["item"]
    losses, predictions = model.example_losses(*batch, training=True)
    assert predictions is None
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-5)
    # Evaluated on all items.
    losses, _ = model.example_losses(*batch, training=False)
    np.testing.assert_allclose(losses, softmax_losses(model), rtol=1e-5, atol=1e-6)


def test_all_items_drawn_for_certain_are_the_full_softmax(monkeypatch):
    def draw(positives, number, num_classes, seed):
        return Drawn(tf.range(num_classes), tf.ones([ITEMS]), tf.ones(tf.shape(positives)))

    monkeypatch.setattr(retrieval, "draw_log_uniform", draw)
    model = make(negatives="log-uniform")
    losses, _ = model.example_losses(
        model.encode({"user": PAIRS["user"]}), PAIRS["item"], training=True
    )
    np.testing.assert_allclose(losses, softmax_losses(model), rtol=1e-4, atol=1e-5)


def test_sampling_comes_again_by_its_seed():
    def trained(seed):
        tf.random.set_seed(0)
        model = make(negatives={"kind": "log-uniform", "number": ITEMS // 2}, seed=seed)
        model.compile(tf.keras.optimizers.SGD(0.5))
        model.fit(PAIRS, PAIRS["item"], batch_size=10, epochs=2, shuffle=False, verbose=0)
        return model.get_weights()

    one, same, other = trained(1), trained(1), trained(2)
    assert all(np.all(np.isfinite(weight)) for weight in one)
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(np.any(a != b) for a, b in zip(one, other, strict=True))


# Gradients and penalties.


def test_a_step_of_sgd_by_hand():
    model = make("squared")
    p, q, user_bias, item_bias, bias = weights_of(model)
    user, item = numbers("user", PAIRS["user"]), numbers("item", PAIRS["item"])
    slope = 2 * (scores_of(model, PAIRS) - RATING) / 30  # of the mean, by each score
    steps = [np.zeros_like(weight) for weight in (p, q, user_bias, item_bias)]
    np.add.at(steps[0], user, slope[:, None] * q[item])
    np.add.at(steps[1], item, slope[:, None] * p[user])
    np.add.at(steps[2], user, slope)
    np.add.at(steps[3], item, slope)
    model.compile(tf.keras.optimizers.SGD(0.1))
    model.fit(PAIRS, RATING, batch_size=30, verbose=0)
    found = weights_of(model)
    for weight, step, after in zip((p, q, user_bias, item_bias), steps, found[:4], strict=True):
        # The last row is the unknown's, which stays zero.
        np.testing.assert_allclose(after[:-1], (weight - 0.1 * step)[:-1], rtol=1e-4, atol=1e-5)
        assert np.abs(step[:-1]).max() > 0.1
    np.testing.assert_allclose(found[4], bias - 0.1 * slope.sum(), rtol=1e-4)


def squares(table):
    return np.square(table.table.numpy().astype(np.float64)).sum(axis=1)


@pytest.mark.parametrize("loss", LOSSES)
def test_penalties_by_hand(loss):
    plain, model = make(loss), make(loss, l2=0.5, batch_l2=4.0, bias_l2=3.0)
    users, items = [model.embeddings.user], [model.embeddings.item, model.item_bias]
    of_bias = 0.0
    if loss in POINTWISE:
        users.append(model.user_bias)
        of_bias = 3.0 * float(model.bias[0]) ** 2
        assert of_bias > 0
    # Unknown ones, of which there are some, count among the look-ups but weigh nothing.
    user, item = ([np.append(squares(table), 0) for table in tables] for tables in (users, items))
    of_users = [square[numbers("user", PAIRS["user"])].mean() for square in user]
    if loss == "softmax":
        batch, of_items = ({"user": PAIRS["user"]}, PAIRS["item"]), [s[:-1].mean() for s in item]
    else:
        features, label, _ = pair_batch(loss)
        batch = features, label
        of_items = [square[numbers("item", features["item"])].mean() for square in item]
    assert min(*of_users, *of_items) > 0.05
    looked_up = 4.0 * (of_users[0] + of_items[0]) + 3.0 * sum(of_users[1:] + of_items[1:]) + of_bias
    expected = 0.5 * (user[0].sum() + item[0].sum()) + looked_up
    for training in (False, True):
        found = model.compute_loss(batch, training) - plain.compute_loss(batch, training)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    # Nor is it lost, or counted twice, in the graph that `fit` makes.
    results = [one.fit(*batch, batch_size=30, verbose=0).history["loss"] for one in (model, plain)]
    np.testing.assert_allclose(results[0][0] - results[1][0], expected, rtol=1e-4)


@pytest.mark.parametrize("loss", ["logistic", "bpr", "squared"])
def test_metrics_of_pairs(loss):
    """An impression a row, whether the model ranks lists or not."""
    model = make(loss)
    auc = tf.keras.metrics.AUC(name="auc")
    metrics = ["mse", "mae"] if loss == "squared" else ["accuracy", auc]
    model.compile(metrics=metrics, weighted_metrics=[tf.keras.metrics.MeanSquaredError("weighted")])
    weight = np.arange(1.0, 1 + len(CLICKED))
    found = model.evaluate(LISTS, CLICKED, sample_weight=weight, verbose=0, return_dict=True)
    scores, label = scores_of(model, LISTS).ravel(), np.asarray(CLICKED).ravel()
    repeated = np.repeat(weight, len(label) // len(weight))
    predicted = scores if loss == "squared" else 1 / (1 + np.exp(-scores))
    expected = {"weighted": np.average((predicted - label) ** 2, weights=repeated)}
    if loss == "squared":
        expected["mae"] = np.abs(predicted - label).mean()
    else:
        expected["accuracy"] = np.mean((predicted > 0.5) == (label > 0))
        np.testing.assert_allclose(found["auc"], roc_auc_score(label > 0, scores), atol=0.03)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)
    unsuited = "AUC" if loss == "squared" else "categorical_accuracy"
    with pytest.raises(ValueError, match="use a metric such as .* Received: metric"):
        model.compile(metrics=[unsuited])
