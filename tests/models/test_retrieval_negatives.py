"""Retrieval models trained on negatives of every kind."""

import json

import numpy as np
import pytest

import tfrec_zoo as zoo
from tfrec_zoo import checkpoints
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    VocabularyColumn,
)
from tfrec_zoo.models import MatrixFactorization, TwoTower, YouTubeRetrieval
from tfrec_zoo.serving.weights import ServedWeights

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

ITEMS = np.array([f"v{i:02}" for i in range(12)])
CONTEXTS = np.array(["at home", "at work", "abroad"])
#: Of each context, how the items are chosen: mostly the same few, and each context's own.
CHANCE = 1.0 / (1 + np.arange(12)) + 0.5 * np.eye(12)[[5, 8, 11]]
CHANCE /= CHANCE.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def choices():
    """3,000 choices, with the shares of each context, [contexts, items]."""
    rng = np.random.default_rng(0)
    context = rng.integers(0, 3, 3_000)
    item = np.array([rng.choice(12, p=CHANCE[c]) for c in context])
    shares = np.array([np.bincount(item[context == c], minlength=12) for c in range(3)])
    shares = shares / shares.sum(axis=1, keepdims=True)
    spec = FeatureSpec(
        (EmbeddingColumn(VocabularyColumn("context"), 12),),
        (EmbeddingColumn(VocabularyColumn("item"), 12),),
    )
    raw = {"context": CONTEXTS[context], "item": ITEMS[item]}
    features = Features.fit(spec, raw, items={"item": ITEMS})
    return features, {"context": raw["context"]}, raw["item"], shares


def learned(choices, negatives, epochs=12, counted=True):
    """The shares that a model has learned, [contexts, items]."""
    features, raw, label, _ = choices
    tf.keras.utils.set_random_seed(0)
    model = YouTubeRetrieval(
        features, hidden_units=(), embedding_dim=12, negatives=negatives, seed=1
    )
    if counted:
        model.count_items(label)
    rate = tf.keras.optimizers.schedules.CosineDecay(0.05, 60 * epochs)
    model.compile(tf.keras.optimizers.Adam(rate))
    model.fit(raw, label, batch_size=50, epochs=epochs, verbose=0)
    order = [features.vocabularies["item"].tokens.index(item) for item in ITEMS]
    return tf.nn.softmax(model.scores({"context": CONTEXTS})).numpy()[:, order]


FULL = 0.02


@pytest.mark.parametrize(
    "negatives",
    [
        None,
        zoo.Negatives("log-uniform", 8),
        zoo.Negatives("uniform", 8),
        zoo.Negatives("popularity", 12),
        zoo.Negatives("in-batch"),
        zoo.Negatives("mixed", 4),
        zoo.Negatives("log-uniform", 8, correction="all"),
    ],
    ids=lambda negatives: "full" if negatives is None else negatives.kind,
)
def test_converges_to_the_full_softmax(choices, negatives):
    shares = choices[-1]
    assert np.abs(learned(choices, negatives) - shares).max() < (3 if negatives else 1) * FULL


def test_does_not_without_correction(choices):
    shares = choices[-1]
    plain = learned(choices, zoo.Negatives("in-batch", correction="none"))
    assert np.abs(plain - shares).max() > 6 * FULL


def test_estimates_the_odds_where_nothing_was_counted(choices):
    shares = choices[-1]
    found = learned(choices, zoo.Negatives("in-batch"), counted=False)
    assert np.abs(found - shares).max() < 5 * FULL


def test_popularity_must_be_counted(choices):
    with pytest.raises(tf.errors.InvalidArgumentError, match="`count_items` first"):
        learned(choices, "popularity", epochs=1, counted=False)


def test_two_towers_and_factors_take_them_too(choices):
    features, raw, label, _ = choices
    tower = TwoTower(features, hidden_units=(8,), negatives=zoo.Negatives("mixed", 4), seed=1)
    ids = FeatureSpec((VocabularyColumn("context"),), (VocabularyColumn("item"),))
    factors = MatrixFactorization(
        Features(ids, features.vocabularies, {}), embedding_dim=4, negatives="in-batch", seed=1
    )
    for model in (tower, factors):
        model.compile(tf.keras.optimizers.Adam(0.02))
        validation = (raw, label)
        history = model.fit(
            raw, label, batch_size=50, epochs=3, validation_data=validation, verbose=0
        ).history
        assert history["val_loss"][-1] < 0.97 * np.log(12)  # Validated on the full softmax.


# Negatives of a column.


@pytest.fixture(scope="module")
def shown():
    """Each example holds what was shown beside the item that was chosen."""
    spec = FeatureSpec(
        (
            EmbeddingColumn(BagColumn(VocabularyColumn("history", space="item"), 3), 8),
            BagColumn(VocabularyColumn("skipped", space="item"), 2),
        ),
        (VocabularyColumn("item"),),
    )
    return Features.fit(spec, {"item": ITEMS})


def test_negatives_of_a_column(shown):
    negatives = zoo.Negatives("column", key="skipped", correction="none")
    model = YouTubeRetrieval(shown, hidden_units=(8,), negatives=negatives, seed=1)
    assert model.raw_keys == {"history"}  # Requests don't have them.
    assert model.keys_to_learn_from == {"history", "skipped"}
    raw = {
        "history": np.array([["v00", ""], ["v03", "v04"]]),
        "skipped": np.array([["v05", ""], ["v09", "never seen"]]),
    }
    with tf.GradientTape() as tape:
        loss = model.compute_loss((raw, np.array(["v01", "v02"])), training=True)
    gradient = tf.convert_to_tensor(tape.gradient(loss, model.output_table.table)).numpy()
    tokens = shown.vocabularies["item"].tokens
    moved = {tokens[i] for i in np.flatnonzero(np.any(gradient != 0, axis=1))}
    assert moved == {"v01", "v02", "v05", "v09"}
    with pytest.raises(KeyError, match="skipped"):
        model.fit({"history": raw["history"]}, np.array(["v01", "v02"]), verbose=0)


def test_negatives_of_a_column_that_is_none(shown):
    with pytest.raises(ValueError, match="`key`. Received: 'negatives', and bags"):
        YouTubeRetrieval(shown, negatives="column")


def test_what_the_history_holds_weighs_nothing(shown):
    for mask_known, expected in ((True, {"v01", "v05"}), (False, {"v01", "v05", "v00"})):
        negatives = zoo.Negatives("column", key="skipped", mask_known=mask_known)
        model = YouTubeRetrieval(shown, hidden_units=(8,), negatives=negatives, seed=1)
        raw = {"history": np.array([["v00", "v02"]]), "skipped": np.array([["v05", "v00"]])}
        with tf.GradientTape() as tape:
            loss = model.compute_loss((raw, np.array(["v01"])), training=True)
        gradient = tf.convert_to_tensor(tape.gradient(loss, model.output_table.table)).numpy()
        tokens = shown.vocabularies["item"].tokens
        moved = {tokens[i] for i in np.flatnonzero(np.any(gradient != 0, axis=1))}
        assert moved == expected


# Hard negatives.


def test_hard_negatives_are_what_the_model_puts_first(choices):
    features, raw, label, _ = choices
    negatives = zoo.Negatives("hard", 4, share=0.5, temperature=0.0)
    model = YouTubeRetrieval(features, hidden_units=(), embedding_dim=12, negatives=negatives)
    model.build_weights()
    query, own = model(raw)[:2], model.classes(label[:2])
    assert np.all(model.hard_negatives(query, own, 2) == -1)  # Nothing was mined yet.
    model.mine(tf.range(12))
    scores = model.scores(raw).numpy()[:2]
    scores[[0, 1], own] = -np.inf
    np.testing.assert_array_equal(model.hard_negatives(query, own, 2), scores.argmax(axis=1))
    found = np.sort(model.hard_negatives(query, own, 4).numpy().reshape(2, 2))
    np.testing.assert_array_equal(found, np.sort(np.argsort(-scores, axis=1)[:, :2]))


def test_temperature_spreads_hard_negatives(choices):
    features, raw, label, _ = choices
    tf.random.set_seed(0)
    negatives = zoo.Negatives("hard", temperature=0.5)
    model = YouTubeRetrieval(features, hidden_units=(), embedding_dim=12, negatives=negatives)
    model.output_table.table.assign(np.random.default_rng(0).normal(size=[12, 12]))
    model.build_weights()
    model.mine(tf.range(12))
    query = tf.repeat(model(raw)[:1], 4_000, axis=0)
    own = tf.repeat(model.classes(label[:1]), 4_000)
    counts = np.bincount(model.hard_negatives(query, own, 4_000), minlength=12)
    scores = model.scores(raw).numpy()[0]
    chance = np.exp(scores / 0.5)
    chance[own[0]] = 0
    expected = 4_000 * chance / chance.sum()
    others = np.arange(12) != own[0]
    assert counts[own[0]] == 0
    # χ² with ten degrees of freedom: above 29.6 once in a thousand.
    assert np.sum((counts - expected)[others] ** 2 / expected[others]) < 29.6


def test_mined_every_so_many_steps(choices):
    features, raw, label, _ = choices
    model = YouTubeRetrieval(
        features, hidden_units=(), embedding_dim=12, negatives={"kind": "hard", "pool": 5}, seed=1
    )
    model.compile(tf.keras.optimizers.Adam(0.01))
    mine = zoo.MineNegatives(every=20)
    model.fit(raw, label, batch_size=50, callbacks=[mine], verbose=0)  # 60 steps
    assert mine.times == 4 and mine.seconds > 0
    pool = model.hard_negatives.classes.numpy()
    assert len(set(pool)) == 5
    np.testing.assert_allclose(
        model.hard_negatives.vectors, model.candidates().numpy()[pool], rtol=1e-6
    )
    before = model.hard_negatives.vectors.numpy()
    model.fit(raw, label, batch_size=50, verbose=0)  # Without one given it mines as well.
    assert np.any(model.hard_negatives.vectors.numpy() != before)


def test_mining_is_for_hard_negatives(choices):
    features, raw, label, _ = choices
    model = YouTubeRetrieval(features, hidden_units=(), embedding_dim=12)
    model.compile("adam")
    with pytest.raises(ValueError, match='models with `negatives="hard"`'):
        model.fit(raw, label, callbacks=[zoo.MineNegatives()], verbose=0)
    with pytest.raises(ValueError, match="`every` must be positive. Received: 0"):
        zoo.MineNegatives(every=0)


# What is kept of a model.


@pytest.mark.parametrize("kind", ["mixed", "hard"])
def test_checkpoints_hold_the_state_and_exports_do_not(choices, kind, tmp_path):
    features, raw, label, _ = choices
    model = YouTubeRetrieval(features, hidden_units=(), embedding_dim=12, negatives=kind, seed=1)
    model.count_items(label)
    model.compile("adam")
    model.fit(raw, label, batch_size=500, verbose=0)
    checkpoints.save(model, tmp_path / "saved")
    again = checkpoints.restore(tmp_path / "saved")
    assert len(model.training_state) == {"mixed": 5, "hard": 2}[kind]
    for one, other in zip(model.training_state, again.training_state, strict=True):
        assert np.any(one.numpy() != 0)
        np.testing.assert_array_equal(one, other)
    served = {id(variable) for variable in ServedWeights(model).weights}
    assert not served & {id(variable) for variable in model.training_state}


def test_configurations_of_version_0_1_0(choices):
    features = choices[0]
    model = YouTubeRetrieval(features, hidden_units=(4,), negatives="in-batch")
    config = json.loads(json.dumps(model.get_config()))
    assert config.pop("negatives") == {"kind": "in-batch"}
    for number, expected in ((None, None), (7, zoo.Negatives("log-uniform", 7, correction="all"))):
        again = YouTubeRetrieval.from_config({**config, "num_sampled": number})
        assert again.negatives == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "nearby"}, r'`kind` must be "in-batch", .* Received: \'nearby\''),
        ({"kind": "uniform", "number": 0}, "`number` must be positive. Received: 0"),
        ({"kind": "uniform", "number": 2.5}, "`number` must be a whole number. Received: 2.5"),
        ({"kind": "popularity", "exponent": -1.0}, "`exponent` must be at least 0. Received: -1"),
        ({"kind": "popularity", "exponent": np.nan}, "`exponent` must be .* Received: nan"),
        ({"kind": "hard", "share": 0.0}, r"`share` must be in \(0, 1\]. Received: 0.0"),
        ({"kind": "hard", "temperature": -0.5}, "`temperature` must be .* Received: -0.5"),
        ({"kind": "hard", "pool": 0}, "`pool` must be positive. Received: 0"),
        ({"kind": "mixed", "correction": "some"}, "`correction` must be .* Received: 'some'"),
    ],
)
def test_wrong_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        zoo.Negatives(**fields)
