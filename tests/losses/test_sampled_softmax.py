import numpy as np
import pytest

from tfrec_zoo.losses import (
    Drawn,
    ItemCounts,
    Negatives,
    candidate_mask,
    draw_log_uniform,
    draw_uniform,
    is_among,
    sampled_softmax_losses,
    softmax_losses,
)

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

CLASSES, DIM = 30, 4
RNG = np.random.default_rng(0)
ITEMS = RNG.normal(size=[CLASSES, DIM])
QUERY = RNG.normal(size=[6, DIM])
POSITIVES = np.array([0, 7, 3, 0, 29, 11])
#: How often each class is chosen.
COUNTS = np.arange(CLASSES, 0, -1) ** 2


def losses_of(drawn, kind="uniform", correction="negatives", items=None, known=None, **fields):
    items = tf.constant(ITEMS, tf.float32) if items is None else items
    return sampled_softmax_losses(
        tf.constant(QUERY, tf.float32),
        lambda classes: tf.gather(items, classes),
        tf.constant(POSITIVES, tf.int32),
        drawn,
        Negatives(kind, correction=correction, **fields),
        known,
    )


def drawn(classes, expected, of_positives=1.0):
    of_positives = np.broadcast_to(of_positives, [6])
    return Drawn(
        tf.constant(classes, tf.int32),
        tf.constant(expected, tf.float32),
        tf.constant(of_positives, tf.float32),
    )


def test_softmax_and_its_gradient_are_numpy_s():
    scores, own = 30 * RNG.normal(size=[5, 7]), np.array([0, 6, 3, 3, 2])
    upstream = np.array([1.0, 0.5, 0.0, -2.0, 3.0])
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    given = tf.constant(scores, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(given)
        losses = softmax_losses(given, tf.constant(own))
        total = tf.reduce_sum(losses * upstream)
    np.testing.assert_allclose(losses, -np.log(shares[np.arange(5), own]), rtol=1e-4, atol=1e-5)
    expected = (shares - np.eye(7)[own]) * upstream[:, None]
    np.testing.assert_allclose(tape.gradient(total, given), expected, atol=1e-6)


def test_which_candidates_count_by_hand():
    own, others = tf.constant([2, 8, 2, -1]), tf.constant([5, 2, -1])
    # Each its own positive; all others but its own class, unknown ones and nothing.
    assert candidate_mask(own, others).numpy().astype(int).tolist() == [
        [1, 1, 0, 0, 1, 0, 0],
        [1, 1, 1, 0, 1, 1, 0],
        [0, 1, 1, 0, 1, 0, 0],
        [1, 1, 1, 1, 1, 1, 0],
    ]


def test_which_candidates_are_known():
    candidates, known = [7, 3, 7, -1, 0], [[3, -1, 9], [7, 0, 7], [-1, -1, -1]]
    expected = [[c >= 0 and c in row for c in candidates] for row in known]
    np.testing.assert_array_equal(is_among(tf.constant(candidates), tf.constant(known)), expected)


@pytest.mark.parametrize("number", [1, 5, 20, CLASSES])
def test_is_tensorflow_s_sampled_softmax(number):
    tf.random.set_seed(number)
    found = draw_log_uniform(tf.constant(POSITIVES), number, CLASSES)
    if number == CLASSES:  # Then every example's own class is drawn as well.
        assert set(found.classes.numpy()) == set(range(CLASSES))
    expected = tf.nn.sampled_softmax_loss(
        weights=tf.constant(ITEMS, tf.float32),
        biases=tf.zeros([CLASSES]),
        labels=POSITIVES.astype(np.int64)[:, None],
        inputs=tf.constant(QUERY, tf.float32),
        num_sampled=number,
        num_classes=CLASSES,
        sampled_values=(
            tf.cast(found.classes, tf.int64),
            found.of_positives[:, None],
            found.expected,
        ),
        remove_accidental_hits=True,
    )
    losses = losses_of(found, "log-uniform", "all")
    assert losses.shape == (6,)
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("correction", ["negatives", "all", "none"])
@pytest.mark.parametrize("kind", ["uniform", "in-batch"])
def test_is_numpy_s_sampled_softmax(kind, correction):
    classes, expected = np.array([4, 4, 12, 3]), np.array([2.5, 2.5, 1e-7, 0.3])
    of_positives = np.array([0.9, 3.0, 1e-8, 0.9, 0.5, 0.25])
    found = losses_of(drawn(classes, expected, of_positives), kind, correction)
    scores = QUERY @ ITEMS.T
    for row, own in enumerate(POSITIVES):
        total = scores[row, own] - (np.log(of_positives[row]) if correction == "all" else 0)
        others = [(c, e) for c, e in zip(classes, expected, strict=True) if c != own]
        if kind == "in-batch":
            others += [(c, e) for c, e in zip(POSITIVES, of_positives, strict=True) if c != own]
        shifts = [0 if correction == "none" else np.log(e) for _, e in others]
        parts = [scores[row, c] - s for (c, _), s in zip(others, shifts, strict=True)]
        loss = np.log(np.exp([total, *parts]).sum()) - total
        np.testing.assert_allclose(found[row], loss, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mask_known", [True, False])
def test_masked_candidates_weigh_exactly_nothing(mask_known):
    # The first and the fourth example share class 0, which is drawn too; the second knows 12.
    known = [[-1, -1], [12, 7], [-1, 5], [-1, -1], [-1, -1], [-1, -1]]
    items = tf.Variable(ITEMS, dtype=tf.float32)
    found = drawn([4, 0, 12], [0.3, 0.9, 0.1], 0.2)
    with tf.GradientTape(persistent=True) as tape:
        losses = tf.unstack(
            losses_of(found, items=items, known=tf.constant(known), mask_known=mask_known)
        )
    for row, own in enumerate(POSITIVES):
        gradient = tf.convert_to_tensor(tape.gradient(losses[row], items)).numpy()
        banned = known[row] if mask_known else []
        expected = {int(own)} | {c for c in (4, 0, 12) if c not in banned}
        assert set(np.flatnonzero(np.any(gradient != 0, axis=1)).tolist()) == expected


def full_softmax():
    """NumPy: d loss / d score = p - 1{own}; the items' gradient is its product with the query."""
    scores = QUERY @ ITEMS.T
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    losses = -np.log(p[np.arange(6), POSITIVES])
    return losses, (p - np.eye(CLASSES)[POSITIVES]).T @ QUERY


def test_all_classes_are_the_full_softmax():
    items = tf.Variable(ITEMS, dtype=tf.float32)
    with tf.GradientTape() as tape:  # Drawn for certain: nothing is left to correct.
        found = losses_of(drawn(np.arange(CLASSES), np.ones(CLASSES)), items=items)
    losses, gradient = full_softmax()
    np.testing.assert_allclose(found, losses, rtol=1e-5)
    np.testing.assert_allclose(
        tf.convert_to_tensor(tape.gradient(found, items)), gradient, atol=1e-5
    )


def draws_of(kind, number, counts):
    """A function that draws as retrieval models do."""
    positives = tf.constant(POSITIVES, tf.int32)
    if kind == "log-uniform":
        return lambda: draw_log_uniform(positives, number, CLASSES)
    if kind == "uniform":
        return lambda: draw_uniform(positives, number, CLASSES)

    def popular():
        classes = counts.draw(number)
        return Drawn(classes, *(counts.expected_draws(c, number) for c in (classes, positives)))

    return popular


@pytest.mark.parametrize("kind", ["log-uniform", "uniform", "popularity"])
def test_expected_gradient_nears_the_full_softmax(kind):
    tf.random.set_seed(0)
    items = tf.Variable(ITEMS, dtype=tf.float32)
    counts = ItemCounts(CLASSES, 0.5)
    counts.adapt(np.repeat(np.arange(CLASSES), COUNTS))

    def error(number, correction):
        draw = draws_of(kind, number, counts)

        @tf.function
        def mean_gradient():
            total = tf.zeros([CLASSES, DIM])
            for _ in tf.range(1000):
                with tf.GradientTape() as tape:
                    loss = losses_of(draw(), kind, correction, items)
                total += tf.convert_to_tensor(tape.gradient(loss, items))
            return total / 1000

        _, expected = full_softmax()
        return np.linalg.norm(mean_gradient() - expected) / np.linalg.norm(expected)

    few, many = error(4, "negatives"), error(24, "negatives")
    assert 3 * many < few and many < 0.12
    assert many < error(24, "all")  # Its own odds make the positive weigh too little or too much.
    assert many < error(24, "none")


def test_odds_of_a_draw():
    found = draw_log_uniform(tf.constant(POSITIVES), 1, CLASSES, seed=0)
    # P(k) = log((k + 2) / (k + 1)) / log(classes + 1)
    ranks = np.arange(CLASSES)
    chance = np.log((ranks + 2) / (ranks + 1)) / np.log(CLASSES + 1)
    np.testing.assert_allclose(chance.sum(), 1)
    np.testing.assert_allclose(found.of_positives, chance[POSITIVES], rtol=1e-4)
    np.testing.assert_allclose(found.expected, chance[found.classes.numpy()], rtol=1e-4)
    uniform = draw_uniform(tf.constant(POSITIVES), 1, CLASSES, seed=0)
    np.testing.assert_allclose(uniform.expected, [1 / 30], rtol=1e-5)
    np.testing.assert_allclose(uniform.of_positives, np.full(6, 1 / 30), rtol=1e-5)
    every = draw_uniform(tf.constant(POSITIVES), 99, CLASSES)
    assert sorted(every.classes.numpy().tolist()) == list(range(CLASSES))
    np.testing.assert_allclose(every.expected, np.ones(CLASSES))


def chi_squared(counts, chance):
    expected = counts.sum() * chance
    return np.sum((counts - expected) ** 2 / expected)


def test_draws_follow_their_odds():
    tf.random.set_seed(0)

    @tf.function
    def draw():
        return tf.map_fn(
            lambda i: draw_log_uniform(tf.constant(POSITIVES), 1, CLASSES).classes[0],
            tf.range(4_000),
        )

    ranks = np.arange(CLASSES)
    chance = np.log((ranks + 2) / (ranks + 1)) / np.log(CLASSES + 1)
    # χ² with 29 degrees of freedom: above 58.3 once in a thousand.
    assert chi_squared(np.bincount(draw(), minlength=CLASSES), chance) < 58.3


def test_log_uniform_draws_are_distinct():
    found = draw_log_uniform(tf.constant(POSITIVES), 25, CLASSES, seed=0)
    assert len(set(found.classes.numpy())) == 25
    assert np.all((found.classes >= 0) & (found.classes < CLASSES))
    assert np.all((found.expected > 0) & (found.expected <= 1))
