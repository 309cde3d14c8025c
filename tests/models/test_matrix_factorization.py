"""Matrix factorization: scores of all items, biases, metrics, errors, saving and learning."""

import numpy as np
import pytest
from matrix_reference import (
    CLICKED,
    FEATURES,
    ITEMS,
    LISTS,
    LOSSES,
    PAIRS,
    PAIRWISE,
    POINTWISE,
    RATING,
    USERS,
    all_scores,
    make,
    make_features,
    pair_batch,
    scores_of,
    weights_of,
)

from tfrec_zoo import checkpoints
from tfrec_zoo.features import EmbeddingColumn, Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import MatrixFactorization

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


# Scores of all items.


@pytest.mark.parametrize("loss", LOSSES)
def test_scores_are_those_of_pairs(loss):
    model = make(loss)
    expected = all_scores(model)
    known = {"user": np.array(FEATURES.vocabularies["user"].tokens)}
    scores = model.scores(known)
    assert scores.dtype == tf.float32
    np.testing.assert_allclose(scores, expected[:-1, :-1], rtol=1e-5, atol=1e-5)
    # A user that is unknown or missing: the items' biases, and the global one.
    *_, item_bias, bias = weights_of(model)
    assert (bias != 0) == (loss in POINTWISE)
    found = model.scores({"user": np.array(["never seen", ""])})
    np.testing.assert_allclose(found, [item_bias[:-1] + bias] * 2, rtol=1e-6, atol=1e-6)
    if loss == "softmax":
        return
    # The pairs' own scores, laid out as a list of all items.
    items = np.tile(FEATURES.vocabularies["item"].tokens, [USERS, 1])
    label = np.zeros([USERS, ITEMS], np.float32)
    encoded = model.encode({**known, "item": items})
    _, of_pairs = model.example_losses(encoded, label, training=False)
    np.testing.assert_allclose(scores, of_pairs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_biases_of_users_are_there_where_they_matter(loss):
    model = make(loss)
    # 8 users and 6 items of 3, the items' biases; then the users' and the global one.
    expected = (8 + 6) * 3 + 6 + (8 + 1 if loss in POINTWISE else 0)
    shapes = [variable.shape for variable in model.trainable_variables]
    assert sum(int(np.prod(shape)) for shape in shapes) == expected
    assert hasattr(model, "user_bias") == hasattr(model, "bias") == (loss in POINTWISE)
    assert model(PAIRS).shape == (30, 5 if loss in POINTWISE else 4)


@pytest.mark.usefixtures("eagerly")
def test_initial_weights():
    features = make_features(users=400, items=300)
    for kwargs, stddev in (({}, 0.1), ({"stddev": 0.02}, 0.02)):
        model = MatrixFactorization(features, loss="squared", seed=1, **kwargs)
        for table in (model.embeddings.user.table.numpy(), model.embeddings.item.table.numpy()):
            assert table.shape[1] == 64
            assert abs(table.std() / stddev - 1) < 0.03
        for bias in (model.user_bias.table, model.item_bias.table, model.bias):
            assert not np.any(bias)
        assert np.any(model.embeddings.user.table[0] != model.embeddings.item.table[0])


# What metrics see.


def test_metrics_see_ratings_probabilities_or_classes():
    squared = make("squared")
    squared.compile("sgd", metrics=[tf.keras.metrics.RootMeanSquaredError(name="rmse")])
    found = squared.evaluate(PAIRS, RATING, return_dict=True, verbose=0)["rmse"]
    expected = np.sqrt(np.mean((scores_of(squared, PAIRS) - RATING) ** 2))
    np.testing.assert_allclose(found, expected, rtol=1e-5)

    logistic = make("logistic")
    logistic.compile("sgd", metrics=[tf.keras.metrics.MeanAbsoluteError(name="mae")])
    found = logistic.evaluate(LISTS, CLICKED, return_dict=True, verbose=0)["mae"]
    p = 1 / (1 + np.exp(-scores_of(logistic, LISTS)))
    np.testing.assert_allclose(found, np.abs(p - CLICKED).mean(), rtol=1e-5)


# Errors.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "hinge"}, r"`loss` must be one of \['softmax', .*'warp'\]. Received: 'hinge'"),
        (
            {"negatives": {"kind": "uniform", "number": 0}},
            r"`number` must be positive.* Received: 0",
        ),
        *(
            (
                {"loss": loss, "negatives": "uniform"},
                rf"are for the loss \"softmax\".* Received: negatives='uniform', loss={loss!r}",
            )
            for loss in LOSSES[1:]
        ),
        ({"loss": "warp", "margin": 0.0}, r"`margin` positive. Received: num_items=6, margin=0.0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MatrixFactorization(FEATURES, **arguments)


@pytest.mark.parametrize("loss", LOSSES[1:])
def test_pairs_need_the_item_and_a_label(loss):
    model = make(loss)
    message = rf"The loss '{loss}' needs batches .* whose features have 'item'"
    with pytest.raises(ValueError, match=rf"{message}.*features=\['user'\]"):
        model.compute_loss(({"user": PAIRS["user"]}, RATING))
    with pytest.raises(ValueError, match=rf"{message}. Received: label=None"):
        model.compute_loss((PAIRS,))


@pytest.mark.parametrize("loss", PAIRWISE)
def test_pairwise_losses_need_lists(loss):
    with pytest.raises(ValueError, match=r"A pairwise loss needs lists \[batch, 1 \+ negatives\]"):
        make(loss).compute_loss((PAIRS, CLICKED[:, 0]))


def test_softmax_needs_labels():
    with pytest.raises(ValueError, match=r"needs batches \(features, item\)"):
        make().compute_loss((PAIRS,))


def test_only_ids_are_read():
    spec = FeatureSpec((EmbeddingColumn(VocabularyColumn("user"), 2),), (VocabularyColumn("item"),))
    features = Features.fit(spec, {"user": np.array(["a"]), "item": np.array(["b"])})
    with pytest.raises(ValueError, match=r"reads ids alone.*Received: query=\(EmbeddingColumn"):
        MatrixFactorization(features)


# On disk, for the losses that the shared suite doesn't save.


@pytest.mark.parametrize("loss", LOSSES[1:])
def test_saved_and_restored(loss, tmp_path):
    model = make(loss, margin=0.5, stddev=0.2, l2=0.1, batch_l2=0.2, bias_l2=0.3)
    checkpoints.save(model, tmp_path)
    restored = checkpoints.restore(tmp_path)
    assert restored.get_config() == model.get_config()
    np.testing.assert_array_equal(restored.scores(PAIRS), model.scores(PAIRS))
    features, label, _ = pair_batch(loss)
    np.testing.assert_allclose(
        restored.compute_loss((features, label)), model.compute_loss((features, label)), rtol=1e-6
    )


# It learns.


def test_learns_a_matrix_of_rank_two():
    rng = np.random.default_rng(0)
    users, items = 30, 20
    features = make_features(users, items)
    u, i = (axis.ravel() for axis in np.indices([users, items]))
    truth = 3 + rng.normal(0, 0.7, [users, 2]) @ rng.normal(0, 0.7, [2, items])
    assert np.std(truth) > 0.5
    raw = {"user": np.char.add("u", u.astype("U")), "item": np.char.add("i", i.astype("U"))}
    model = MatrixFactorization(features, embedding_dim=2, loss="squared", seed=1)
    model.compile(tf.keras.optimizers.Adam(0.03))
    encoded = model.encode(raw)
    rating = truth.ravel().astype(np.float32)
    batches = tf.data.Dataset.from_tensor_slices((encoded, rating)).shuffle(600, seed=1).batch(60)
    model.fit(batches, epochs=40, verbose=0)
    every = {"user": np.array([f"u{n}" for n in range(users)])}
    order = [int(token[1:]) for token in features.vocabularies["item"].tokens]
    assert np.sqrt(np.mean((model.scores(every).numpy() - truth[:, order]) ** 2)) < 0.1


@pytest.mark.parametrize("loss", ["softmax", "sampled", "logistic", "bpr", "warp"])
def test_learns_whom_likes_what(loss):
    # User n likes item n + 2 (of 6) and is shown some others.
    rng = np.random.default_rng(0)
    user = np.tile(np.arange(USERS), 30)
    likes = (user + 2) % ITEMS
    others = (likes[:, None] + rng.integers(1, ITEMS, [len(user), 3])) % ITEMS
    items = np.concatenate([likes[:, None], others], axis=1)
    raw = {"user": np.char.add("u", user.astype("U"))}
    label = np.char.add("i", likes.astype("U"))
    kwargs = {"loss": loss}
    if loss == "sampled":
        kwargs = {"loss": "softmax", "negatives": {"kind": "log-uniform", "number": 3}}
    elif loss != "softmax":
        raw["item"] = np.char.add("i", items.astype("U"))
        label = np.tile([1.0, 0.0, 0.0, 0.0], [len(user), 1])
    model = MatrixFactorization(FEATURES, embedding_dim=8, seed=1, **kwargs)
    model.compile(tf.keras.optimizers.Adam(0.05))
    model.fit(raw, label, batch_size=40, epochs=12, verbose=0)
    scores = model.scores({"user": np.array([f"u{n}" for n in range(USERS)])}).numpy()
    tokens = FEATURES.vocabularies["item"].tokens
    best = [tokens[n] for n in scores.argmax(axis=1)]
    assert best == [f"i{(n + 2) % ITEMS}" for n in range(USERS)]
    # Not by chance: well ahead of the next.
    first, second = -np.sort(-scores, axis=1)[:, :2].T
    assert np.all(first - second > 0.5)
