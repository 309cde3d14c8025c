import numpy as np
import pytest

from tfrec_zoo.features import EmbeddingColumn, Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.losses import SampledClasses, sampled_softmax
from tfrec_zoo.models import MatrixFactorization, saving

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

SPEC = FeatureSpec((VocabularyColumn("user"),), (VocabularyColumn("item"),))
USERS, ITEMS = 8, 6
LOSSES = ("softmax", "logistic", "squared", "bpr", "warp")
PAIRWISE = ("bpr", "warp")
POINTWISE = ("logistic", "squared")


def make_features(users=USERS, items=ITEMS):
    pairs = [(f"u{i}", f"i{j}") for i in range(users) for j in range(items)]
    user, item = np.array(pairs).T
    return Features.fit(SPEC, {"user": user, "item": item})


FEATURES = make_features()
RNG = np.random.default_rng(0)
#: Pairs and lists [rows, 4]; u8 and i6 are unknown.
PAIRS = {
    "user": np.array([f"u{i}" for i in RNG.integers(0, USERS + 1, 30)]),
    "item": np.array([f"i{i}" for i in RNG.integers(0, ITEMS + 1, 30)]),
}
LISTS = {
    "user": PAIRS["user"],
    "item": np.array([f"i{i}" for i in RNG.integers(0, ITEMS + 1, 120)]).reshape(30, 4),
}
RATING = RNG.integers(1, 6, 30).astype(np.float32)
CLICKED = (RNG.random([30, 4]) < 0.4).astype(np.float32)
WEIGHT = RNG.integers(0, 4, 30).astype(np.float32)


def make(loss="softmax", **kwargs):
    """A model whose weights are all of the size of one, biases too."""
    model = MatrixFactorization(FEATURES, **{"embedding_dim": 3, "loss": loss, "seed": 1, **kwargs})
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    model.compile(tf.keras.optimizers.SGD(0.0))
    return model


def numbers(key, values):
    """The places of users or items in their table, one past its end for the unknown."""
    tokens = FEATURES.vocabularies[key].tokens
    places = {token: i for i, token in enumerate(tokens)}
    return np.vectorize(lambda value: places.get(value, len(tokens)))(values)


def weights_of(model):
    """p, q, b_u, b_i and b in float64, with zeros at the end of each for the unknown."""

    def padded(table):
        table = table.table.numpy().astype(np.float64)
        return np.concatenate([table, np.zeros_like(table[:1])])

    p, q = padded(model.embeddings.user), padded(model.embeddings.item)
    item_bias = padded(model.item_bias)[:, 0]
    if model.loss_name not in POINTWISE:
        return p, q, np.zeros(USERS + 1), item_bias, 0.0
    return p, q, padded(model.user_bias)[:, 0], item_bias, model.bias.numpy().astype(np.float64)[0]


def all_scores(model):
    """[users + 1, items + 1] p_u · q_i + b_u + b_i + b."""
    p, q, user_bias, item_bias, bias = weights_of(model)
    return p @ q.T + user_bias[:, None] + item_bias + bias


def scores_of(model, features):
    user, item = numbers("user", features["user"]), numbers("item", features["item"])
    return all_scores(model)[user if item.ndim == 1 else user[:, None], item]


def cross_entropy(logits, label):
    p = 1 / (1 + np.exp(-logits))
    return -np.log(np.where(label > 0, p, 1 - p))


def bpr(scores):
    return np.mean(np.log1p(np.exp(scores[:, 1:] - scores[:, :1])), axis=1)


def warp(scores, margin=1.0):
    losses = []
    for positive, *negatives in scores:
        hinges = [margin - positive + negative for negative in negatives]
        t = next((t for t, hinge in enumerate(hinges, start=1) if hinge > 0), None)
        rank = 0 if t is None else (ITEMS - 1) // t
        losses.append(sum(1 / r for r in range(1, rank + 1)) * (hinges[t - 1] if t else 0))
    return np.array(losses)


# The losses.


def pair_batch(loss):
    """Features, label, and the losses in NumPy of the scores."""
    return {
        "squared": (PAIRS, RATING, lambda s: (s - RATING) ** 2),
        "logistic": (LISTS, CLICKED, lambda s: cross_entropy(s, CLICKED)),
        "bpr": (LISTS, CLICKED, bpr),
        "warp": (LISTS, CLICKED, warp),
    }[loss]


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
    np.testing.assert_allclose(reported, (WEIGHT * expected).mean(), rtol=1e-5)


def test_sampled_softmax_is_numpy_s(monkeypatch):
    negatives, chance = np.array([4, 1, 3]), np.array([0.5, 0.9, 0.3])
    of_class = np.array([0.95, 0.9, 0.7, 0.3, 0.5, 0.2])

    def draw(positives, num_sampled, num_classes, seed):
        assert (num_sampled, num_classes) == (3, ITEMS)
        own = tf.gather(tf.constant(of_class, tf.float32), positives)
        return SampledClasses(
            tf.constant(negatives, tf.int64), tf.constant(chance, tf.float32), own
        )

    monkeypatch.setattr(sampled_softmax, "sample_classes", draw)
    model = make(num_sampled=3)
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
    def draw(positives, num_sampled, num_classes, seed):
        every = tf.range(num_classes, dtype=tf.int64)
        return SampledClasses(every, tf.ones([ITEMS]), tf.ones(tf.shape(positives)))

    monkeypatch.setattr(sampled_softmax, "sample_classes", draw)
    model = make(num_sampled=ITEMS)
    losses, _ = model.example_losses(
        model.encode({"user": PAIRS["user"]}), PAIRS["item"], training=True
    )
    np.testing.assert_allclose(losses, softmax_losses(model), rtol=1e-4, atol=1e-5)


def test_sampling_comes_again_by_its_seed():
    def trained(seed):
        tf.random.set_seed(0)
        model = make(num_sampled=ITEMS // 2, seed=seed)
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
    plain, model = make(loss), make(loss, l2=0.5, batch_l2=4.0)
    # Unknown ones, of which there are some, count among the look-ups but weigh nothing.
    user, item = (np.append(squares(t), 0) for t in (model.embeddings.user, model.embeddings.item))
    of_users = user[numbers("user", PAIRS["user"])].mean()
    if loss == "softmax":
        batch, of_items = ({"user": PAIRS["user"]}, PAIRS["item"]), item[:-1].mean()
    else:
        features, label, _ = pair_batch(loss)
        batch, of_items = (features, label), item[numbers("item", features["item"])].mean()
    assert min(of_users, of_items) > 0.5
    expected = 0.5 * (user.sum() + item.sum()) + 4.0 * (of_users + of_items)
    for training in (False, True):
        found = model.compute_loss(batch, training) - plain.compute_loss(batch, training)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    # Nor is it lost, or counted twice, in the graph that `fit` makes.
    results = [one.fit(*batch, batch_size=30, verbose=0).history["loss"] for one in (model, plain)]
    np.testing.assert_allclose(results[0][0] - results[1][0], expected, rtol=1e-4)


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
        ({"num_sampled": 0}, r"must be in 1 … 6 .* Received: 0"),
        ({"num_sampled": 7}, r"must be in 1 … 6 .* Received: 7"),
        *(
            (
                {"loss": loss, "num_sampled": 2},
                rf'is for the loss "softmax". Received: num_sampled=2, loss={loss!r}',
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
    model = make(loss, margin=0.5, stddev=0.2, l2=0.1, batch_l2=0.2)
    saving.save(model, tmp_path)
    restored = saving.restore(tmp_path)
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
        kwargs = {"loss": "softmax", "num_sampled": 3}
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
