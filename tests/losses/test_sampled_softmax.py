import numpy as np
import pytest

from tfrec_zoo.losses import SampledClasses, sample_classes, sampled_candidates

# isort: split
import tensorflow as tf
import tensorflow_recommenders as tfrs

CLASSES, DIM = 30, 4
RNG = np.random.default_rng(0)
ITEMS = tf.constant(RNG.normal(size=[CLASSES, DIM]), tf.float32)
QUERY = tf.constant(RNG.normal(size=[6, DIM]), tf.float32)
POSITIVES = tf.constant([0, 7, 3, 0, 29, 11])


@pytest.fixture
def task():
    return tfrs.tasks.Retrieval(
        loss=tf.keras.losses.CategoricalCrossentropy(
            from_logits=True, reduction=tf.keras.losses.Reduction.NONE
        )
    )


def losses_of(task, query, items, positives, sampled):
    """As `YouTubeRetrieval.softmax_losses` has them."""
    classes, probability, mask = sampled_candidates(positives, sampled)
    return task(
        query,
        tf.gather(items, classes),
        candidate_sampling_probability=probability,
        score_mask=mask,
        compute_metrics=False,
        compute_batch_metrics=False,
    )


def test_layout_by_hand():
    sampled = SampledClasses(
        negatives=tf.constant([5, 2, 9], tf.int64),
        negative_probability=tf.constant([0.5, 0.75, 0.25]),
        positive_probability=tf.constant([0.75, 0.125]),
    )
    classes, probability, mask = sampled_candidates(tf.constant([2, 8]), sampled)
    assert classes.numpy().tolist() == [2, 8, 5, 2, 9]
    np.testing.assert_array_equal(probability, [0.75, 0.125, 0.5, 0.75, 0.25])
    # Each its own positive and all draws but, for the first, the draw of its own class 2.
    expected = [[True, False, True, False, True], [False, True, True, True, True]]
    assert mask.numpy().tolist() == expected


@pytest.mark.parametrize("num_sampled", [1, 5, 20, CLASSES])
def test_is_tensorflow_s_sampled_softmax(task, num_sampled):
    tf.random.set_seed(num_sampled)
    sampled = sample_classes(POSITIVES, num_sampled, CLASSES)
    if num_sampled == CLASSES:  # Then every example's own class is drawn as well.
        assert set(sampled.negatives.numpy()) == set(range(CLASSES))
    expected = tf.nn.sampled_softmax_loss(
        weights=ITEMS,
        biases=tf.zeros([CLASSES]),
        labels=tf.cast(POSITIVES, tf.int64)[:, None],
        inputs=QUERY,
        num_sampled=num_sampled,
        num_classes=CLASSES,
        sampled_values=(
            sampled.negatives,
            sampled.positive_probability[:, None],
            sampled.negative_probability,
        ),
        remove_accidental_hits=True,
    )
    found = losses_of(task, QUERY, ITEMS, POSITIVES, sampled)
    assert found.shape == (6,)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_is_numpy_s_sampled_softmax(task):
    sampled = sample_classes(POSITIVES, 12, CLASSES, seed=1)
    found = losses_of(task, QUERY, ITEMS, POSITIVES, sampled)
    negatives = sampled.negatives.numpy()
    scores = (QUERY.numpy() @ ITEMS.numpy().T).astype(np.float64)
    for row, own in enumerate(POSITIVES.numpy()):
        positive = scores[row, own] - np.log(sampled.positive_probability[row])
        kept = negatives != own
        others = scores[row, negatives] - np.log(sampled.negative_probability)
        total = np.exp(positive) + np.exp(others[kept]).sum()
        np.testing.assert_allclose(found[row], np.log(total) - positive, rtol=1e-5)


def test_masked_candidates_weigh_exactly_nothing(task):
    # The first and the fourth example share class 0, which is drawn too.
    sampled = SampledClasses(
        tf.constant([4, 0, 12], tf.int64), tf.constant([0.3, 0.9, 0.1]), tf.fill([6], 0.2)
    )
    classes, probability, mask = sampled_candidates(POSITIVES, sampled)
    vectors = tf.Variable(1e3 * tf.gather(ITEMS, classes))
    for row in range(6):
        with tf.GradientTape() as tape:
            loss = task(
                1e-3 * QUERY,
                vectors,
                candidate_sampling_probability=probability,
                score_mask=mask,
                compute_metrics=False,
                compute_batch_metrics=False,
            )[row]
        gradient = tape.gradient(loss, vectors).numpy()
        moved = np.any(gradient != 0, axis=1)
        is_hit = [0] if row in (0, 3) else []
        assert sorted(classes.numpy()[np.flatnonzero(moved)].tolist()) == sorted(
            [int(POSITIVES[row])] + [c for c in (4, 0, 12) if c not in is_hit]
        )
        assert np.flatnonzero(moved[:6]).tolist() == [row]


def full_softmax_gradient():
    """NumPy: d loss / d score = p - 1{own}; the items' gradient is its product with the query."""
    scores = (QUERY.numpy() @ ITEMS.numpy().T).astype(np.float64)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    losses = -np.log(p[np.arange(6), POSITIVES.numpy()])
    return losses, (p - np.eye(CLASSES)[POSITIVES.numpy()]).T @ QUERY.numpy()


def test_all_classes_are_the_full_softmax(task):
    # Drawn for certain: nothing is left to correct.
    ones = tf.ones([CLASSES])
    sampled = SampledClasses(tf.range(CLASSES, dtype=tf.int64), ones, tf.ones([6]))
    items = tf.Variable(ITEMS)
    with tf.GradientTape() as tape:
        found = losses_of(task, QUERY, items, POSITIVES, sampled)
    losses, gradient = full_softmax_gradient()
    np.testing.assert_allclose(found, losses, rtol=1e-5)
    np.testing.assert_allclose(
        tf.convert_to_tensor(tape.gradient(found, items)), gradient, atol=1e-5
    )


def test_expected_gradient_nears_the_full_softmax(task):
    tf.random.set_seed(0)
    items = tf.Variable(ITEMS)

    @tf.function
    def mean_gradient(num_sampled, draws):
        total = tf.zeros([CLASSES, DIM])
        for _ in tf.range(draws):
            with tf.GradientTape() as tape:
                sampled = sample_classes(POSITIVES, num_sampled, CLASSES)
                loss = losses_of(task, QUERY, items, POSITIVES, sampled)
            total += tf.convert_to_tensor(tape.gradient(loss, items))
        return total / tf.cast(draws, tf.float32)

    _, expected = full_softmax_gradient()
    errors = [
        np.linalg.norm(mean_gradient(n, tf.constant(800)) - expected) / np.linalg.norm(expected)
        for n in (2, 8, 24)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05  # 0.07 without the correction


def test_probabilities_of_one_draw():
    sampled = sample_classes(POSITIVES, 1, CLASSES, seed=0)
    # P(k) = log((k + 2) / (k + 1)) / log(classes + 1)
    ranks = np.arange(CLASSES)
    chance = np.log((ranks + 2) / (ranks + 1)) / np.log(CLASSES + 1)
    np.testing.assert_allclose(chance.sum(), 1)
    np.testing.assert_allclose(sampled.positive_probability, chance[POSITIVES.numpy()], rtol=1e-4)
    np.testing.assert_allclose(
        sampled.negative_probability, chance[sampled.negatives.numpy()], rtol=1e-4
    )


def test_draws_follow_their_probabilities():
    tf.random.set_seed(0)

    @tf.function
    def draw():
        return tf.map_fn(
            lambda i: sample_classes(POSITIVES, 1, CLASSES).negatives[0],
            tf.range(4_000),
            fn_output_signature=tf.int64,
        )

    counts = np.bincount(draw(), minlength=CLASSES)
    ranks = np.arange(CLASSES)
    expected = 4_000 * np.log((ranks + 2) / (ranks + 1)) / np.log(CLASSES + 1)
    # χ² with 29 degrees of freedom: above 58.3 once in a thousand.
    assert np.sum((counts - expected) ** 2 / expected) < 58.3


def test_draws_are_distinct():
    sampled = sample_classes(POSITIVES, 25, CLASSES, seed=0)
    assert len(set(sampled.negatives.numpy())) == 25
    assert np.all((sampled.negatives >= 0) & (sampled.negatives < CLASSES))
    assert sampled.negative_probability.shape == (25,)
    assert sampled.positive_probability.shape == (6,)
    assert np.all((sampled.negative_probability > 0) & (sampled.negative_probability <= 1))
