import numpy as np
import pytest

from tfrec_zoo.features import (
    EmbeddingColumn,
    Features,
    FeatureSpec,
    IndicatorColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import YouTubeRanking

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


@pytest.fixture(scope="module")
def chosen(data):
    return data["ranking"]


def with_weights(chosen, **arguments):
    """A model whose weights are all of the size of one."""
    model = YouTubeRanking(chosen.features, seed=1, **arguments)
    model(chosen.raw)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 2)
    model.compile("sgd")
    return model


def test_predictions_are_the_odds(chosen):
    model = with_weights(chosen, hidden_units=(8, 4))
    logits = model(chosen.raw).numpy().astype(np.float64)
    np.testing.assert_allclose(model.predictions(model(chosen.raw)), np.exp(logits), rtol=1e-5)
    np.testing.assert_allclose(model.predict(chosen.raw, verbose=0), np.exp(logits), rtol=1e-5)


def test_unweighted_predictions_are_click_probabilities(chosen):
    model = with_weights(chosen, hidden_units=(8, 4), weighted=False)
    logits = model(chosen.raw).numpy().astype(np.float64)
    expected = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(model.predict(chosen.raw, verbose=0), expected, rtol=1e-5)
    # Its loss is the plain log loss, whatever the watch times.
    clicked = chosen.label > 0
    losses = -np.log(np.where(clicked, expected, 1 - expected))
    reported = model.evaluate(chosen.raw, chosen.label, verbose=0)
    np.testing.assert_allclose(reported, losses.mean(), rtol=1e-5)
    reported = model.evaluate(chosen.raw, 3 * chosen.label, verbose=0)
    np.testing.assert_allclose(reported, losses.mean(), rtol=1e-5)


def two_kinds():
    """1,000 impressions of each kind of video: how often and how long each is watched is known."""
    rng = np.random.default_rng(0)
    label, kinds = [], []
    for kind, clicks, mean in (("short", 100, 2.0), ("long", 20, 30.0)):
        times = np.zeros(1000)
        times[rng.choice(1000, clicks, replace=False)] = mean * rng.uniform(0.5, 1.5, clicks)
        label.append(times)
        kinds += [kind] * 1000
    raw = {"kind": np.array(kinds), "age": np.zeros(2000, np.float32)}
    return raw, np.concatenate(label).astype(np.float32)


@pytest.mark.parametrize("weighted", [True, False])
def test_odds_approach_the_expected_watch_time(weighted):
    raw, label = two_kinds()
    kind = IndicatorColumn(VocabularyColumn("kind"))
    spec = FeatureSpec((NumericColumn("age", "none", False),), (kind,))
    model = YouTubeRanking(Features.fit(spec, raw), hidden_units=(), weighted=weighted, seed=1)
    model.compile(tf.keras.optimizers.Adam(0.3))
    model.fit(raw, label, batch_size=2000, epochs=150, verbose=0)
    predictions = model.predict(raw, batch_size=2000, verbose=0)
    for name in ("short", "long"):
        times = label[raw["kind"] == name]
        clicks = np.count_nonzero(times)
        # Σ T / (N − k), which is near the mean watch time; or k / N.
        expected = times.sum() / (1000 - clicks) if weighted else clicks / 1000
        found = predictions[raw["kind"] == name]
        np.testing.assert_allclose(found, expected, rtol=0.01)
    # Longer videos first, though they are clicked less; by clicks it is the other way round.
    assert (predictions[-1] > predictions[0]) == weighted


def test_any_initializer_goes_with_a_seed(chosen):
    for initializer in ("zeros", "ones", tf.keras.initializers.RandomNormal(stddev=3.0)):
        model = YouTubeRanking(
            chosen.features, hidden_units=(4,), embedding_initializer=initializer, seed=1
        )
        again = YouTubeRanking.from_config(model.get_config())
        tables = [one.tables["video"].table.numpy() for one in (model, again)]
        np.testing.assert_array_equal(*tables)
        if isinstance(initializer, str):
            assert np.all(tables[0] == (initializer == "ones"))
        else:
            assert 2 < np.std(tables[0]) < 4
            # Tables differ from each other for all the seed.
            assert np.any(tables[0][:3, :3] != model.tables["country"].table.numpy())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"hidden_units": (8, 0)}, "`hidden_units` must be positive integers. Received: "),
        ({"hidden_units": (0,)}, "`units` must be a positive integer. Received: 0"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: 1.0"),
    ],
)
def test_bad_arguments(chosen, arguments, message):
    with pytest.raises(ValueError, match=message):
        YouTubeRanking(chosen.features, **arguments)


def test_both_sides_are_needed():
    column = EmbeddingColumn(VocabularyColumn("video_id"))
    features = Features.fit(FeatureSpec(candidate=(column,)), {"video_id": ["a", "b"]})
    model = YouTubeRanking(features, hidden_units=(4,))
    with pytest.raises(ValueError, match="There is no dense column to feed"):
        model({"video_id": np.array(["a"])})
