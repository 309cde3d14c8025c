"""GMF, NCFMLP and NeuMF."""

import numpy as np
import pytest

from tfrec_zoo import checkpoints
from tfrec_zoo.features import (
    EmbeddingColumn,
    Features,
    FeatureSpec,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import GMF, NCFMLP, NeuMF

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

USER, ITEM = VocabularyColumn("user"), VocabularyColumn("item")
SPEC = FeatureSpec((USER,), (ITEM,))
EACH = pytest.mark.parametrize("cls", [GMF, NCFMLP, NeuMF])


def make_features(users=9, items=7):
    log = {
        "user": np.array([f"u{i}" for i in range(users)]),
        "item": np.array([f"i{i}" for i in np.arange(users) % items]),
    }
    return Features.fit(SPEC, log)


FEATURES = make_features()
#: All pairs of a user and an item, and some that are unknown.
PAIRS = {
    "user": np.array([f"u{i // 8}" for i in range(80)]),
    "item": np.array([f"i{i % 8}" for i in range(80)]),
}
LABEL = (np.arange(80) % 3 == 0).astype(np.float32)


def randomise(model, seed):
    """Weights of the size of one, so that each of them matters."""
    model.build_weights()
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return model


def num_parameters(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def trained_pair(**kwargs):
    gmf = randomise(GMF(FEATURES, embedding_dim=3), 1)
    mlp = randomise(NCFMLP(FEATURES, hidden_units=(8, 4), embedding_dim=5, **kwargs), 2)
    return gmf, mlp


# From a trained pair.


@pytest.mark.parametrize("alpha", [0.5, 0.3, 0.0, 1.0])
def test_the_logit_of_a_pair_is_their_weighted_mean(alpha):
    gmf, mlp = trained_pair()
    logits = gmf(PAIRS).numpy(), mlp(PAIRS).numpy()
    assert min(np.std(logit) for logit in logits) > 0.5
    model = NeuMF.from_pretrained(gmf, mlp, **({} if alpha == 0.5 else {"alpha": alpha}))
    expected = alpha * logits[0] + (1 - alpha) * logits[1]
    np.testing.assert_allclose(model(PAIRS), expected, rtol=1e-6, atol=1e-6)
    bias = alpha * gmf.logit.bias.numpy() + (1 - alpha) * mlp.logit.bias.numpy()
    assert abs(bias) > 0.05
    np.testing.assert_allclose(model.logit.bias, bias, rtol=1e-6)
    # α h of the 3 factors, then (1 - α) h of the 4 units.
    h = model.logit.kernel.numpy()
    np.testing.assert_allclose(h[:3], alpha * gmf.logit.kernel.numpy(), rtol=1e-6)
    np.testing.assert_allclose(h[3:], (1 - alpha) * mlp.logit.kernel.numpy(), rtol=1e-6)


def test_embeddings_and_tower_are_taken_over_bit_by_bit():
    gmf, mlp = trained_pair()
    before = [weight for one in (gmf, mlp) for weight in one.get_weights()]
    model = NeuMF.from_pretrained(gmf, mlp)
    # Two tables each; two kernels and a bias of the first layer, a kernel and a bias of the second.
    for part, source, number in (
        (model.embeddings, gmf.embeddings, 2),
        (model.tower, mlp.tower, 7),
    ):
        pairs = list(zip(part.get_weights(), source.get_weights(), strict=True))
        assert len(pairs) == number
        for found, expected in pairs:
            np.testing.assert_array_equal(found, expected)
    # They are copies: training the fused model leaves the pair as it was.
    model.compile(tf.keras.optimizers.legacy.SGD(0.5))
    model.fit(PAIRS, LABEL, verbose=0)
    after = [weight for one in (gmf, mlp) for weight in one.get_weights()]
    for found, expected in zip(after, before, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert np.any(model.tower.get_weights()[0] != mlp.tower.get_weights()[0])


def test_arguments_of_the_pair_are_taken_over_and_others_given():
    gmf, mlp = trained_pair(activation="tanh")
    model = NeuMF.from_pretrained(gmf, mlp, dropout=0.25, l2=0.5, seed=3, name="fused")
    config = model.get_config()
    expected = {
        "embedding_dim": 3,
        "hidden_units": (8, 4),
        "mlp_embedding_dim": 5,
        "activation": "tanh",
        "dropout": 0.25,
        "l2": 0.5,
        "seed": 3,
        "name": "fused",
    }
    assert {key: config[key] for key in expected} == expected
    np.testing.assert_allclose(model(PAIRS), (gmf(PAIRS) + mlp(PAIRS)) / 2, rtol=1e-6, atol=1e-6)


def test_a_pair_without_a_tower():
    gmf = randomise(GMF(FEATURES, embedding_dim=3), 1)
    mlp = randomise(NCFMLP(FEATURES, hidden_units=(), embedding_dim=2), 2)
    model = NeuMF.from_pretrained(gmf, mlp)
    np.testing.assert_allclose(model(PAIRS), (gmf(PAIRS) + mlp(PAIRS)) / 2, rtol=1e-6, atol=1e-6)


def test_a_pair_must_have_the_same_features():
    gmf, _ = trained_pair()
    other = NCFMLP(make_features(items=6))
    with pytest.raises(ValueError, match="must have the same features. Received different ones"):
        NeuMF.from_pretrained(gmf, other)
    # Equal ones will do, they need not be the same object.
    NeuMF.from_pretrained(gmf, NCFMLP(make_features()))


def test_restored_it_trains_on(tmp_path):
    model = NeuMF.from_pretrained(*trained_pair())
    checkpoints.save(model, tmp_path / "model")
    restored = checkpoints.restore(tmp_path / "model")
    np.testing.assert_array_equal(restored(PAIRS), model(PAIRS))
    losses = []
    for one in (model, restored):
        one.compile(tf.keras.optimizers.legacy.SGD(0.05))
        history = one.fit(PAIRS, LABEL, batch_size=16, epochs=4, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    np.testing.assert_allclose(restored(PAIRS), model(PAIRS), rtol=1e-4, atol=1e-4)


def test_a_step_of_sgd_moves_the_rows_of_the_batch_alone():
    model = NeuMF.from_pretrained(*trained_pair())
    # No unit may be dead and no logit large: then nothing would move.
    model.tower.first.bias.assign(np.full(8, 20.0))
    model.logit.kernel.assign(0.01 * model.logit.kernel)
    tables = [model.embeddings.user, model.embeddings.item]
    tables += [model.tower.embeddings.user, model.tower.embeddings.item]
    before = [table.table.numpy() for table in tables]
    model.compile(tf.keras.optimizers.legacy.SGD(0.1))
    batch = {"user": np.array(["u2", "u2", "never"]), "item": np.array(["i1", "i4", "i1"])}
    model.fit(batch, np.array([1.0, 0.0, 0.0]), verbose=0)
    users, items = (FEATURES.vocabularies[key].tokens for key in ("user", "item"))
    for table, old, tokens, moved in zip(
        tables, before, (users, items) * 2, ({"u2"}, {"i1", "i4"}) * 2, strict=True
    ):
        differs = np.any(table.table.numpy() != old, axis=1)
        assert {tokens[i] for i in np.flatnonzero(differs)} == moved


# The tower.


def test_mlp_0_is_linear_in_the_vectors():
    model = randomise(NCFMLP(FEATURES, hidden_units=()), 1)
    users, items = (FEATURES.vocabularies[key].tokens for key in ("user", "item"))
    p = np.concatenate([np.zeros([1, 8]), model.tower.embeddings.user.table.numpy()])
    q = np.concatenate([np.zeros([1, 8]), model.tower.embeddings.item.table.numpy()])
    p = p[[users.index(user) + 1 if user in users else 0 for user in PAIRS["user"]]]
    q = q[[items.index(item) + 1 if item in items else 0 for item in PAIRS["item"]]]
    h = model.logit.kernel.numpy()[:, 0]
    expected = p @ h[:8] + q @ h[8:] + model.logit.bias.numpy()
    np.testing.assert_allclose(model(PAIRS), expected, rtol=1e-5, atol=1e-5)
    # 9 users and 7 items of 8; 16 and 1.
    assert num_parameters(model) == 9 * 8 + 7 * 8 + 17


@pytest.mark.parametrize(
    ("hidden_units", "width"), [((32, 16, 8), 16), ((10,), 5), ((7, 3), 3), ((1,), 1), ((), 8)]
)
def test_default_width_is_half_of_the_first_layer(hidden_units, width):
    for model in (
        NCFMLP(FEATURES, hidden_units=hidden_units),
        NeuMF(FEATURES, hidden_units=hidden_units, embedding_dim=4),
    ):
        assert model.tower.embeddings.user.table.shape == (9, width)
        assert model.tower.embeddings.item.table.shape == (7, width)
        model.build_weights()
        last = hidden_units[-1] if hidden_units else 2 * width
        paths = last + 4 * isinstance(model, NeuMF)
        assert model.logit.kernel.shape == (paths, 1)


# What the three share.


@EACH
@pytest.mark.parametrize(
    ("query", "candidate", "named"),
    [
        ((EmbeddingColumn(USER, 3),), (ITEM,), r"query=\(EmbeddingColumn"),
        ((USER,), (EmbeddingColumn(ITEM, 3),), r"candidate=\(EmbeddingColumn"),
        ((USER, VocabularyColumn("country")), (ITEM,), r"query=\(.*'country'"),
        ((USER,), (ITEM, VocabularyColumn("genre")), r"candidate=\(.*'genre'"),
        ((USER,), (ITEM, NumericColumn("price")), r"candidate=\(.*'price'"),
    ],
)
def test_other_specs(cls, query, candidate, named):
    log = {key: np.array(["a", "b"]) for key in ("user", "item", "country", "genre")}
    log["price"] = np.array([1.0, 2.0])
    spec = FeatureSpec(query, candidate)
    features = Features.fit(spec, {key: log[key] for key in spec.raw})
    with pytest.raises(ValueError, match=f"reads ids alone: .* one VocabularyColumn.*{named}"):
        cls(features)


@EACH
def test_initial_weights(cls):
    features = make_features(users=2000, items=1500)
    model = cls(features, seed=1)
    model.build_weights()
    parts = [model.embeddings] if cls is GMF else [model.tower.embeddings]
    parts += [model.embeddings] if cls is NeuMF else []
    tables = [table.table.numpy().ravel() for part in parts for table in (part.user, part.item)]
    for table in tables:
        # Of 12,000 and more draws from a normal distribution of standard deviation .01.
        assert abs(table.std() / 0.01 - 1) < 0.05
        assert abs(table.mean()) < 5e-4
        assert np.abs(table).max() > 0.03
    # No two tables start alike.
    starts = {tuple(table[:4].tolist()) for table in tables}
    assert len(starts) == len(tables)
    # LeCun's uniform: up to √(3 / inputs).
    h = model.logit.kernel.numpy()
    limit = (3 / len(h)) ** 0.5
    assert 0.4 * limit < np.abs(h).max() <= limit
    assert not np.any(model.logit.bias)
