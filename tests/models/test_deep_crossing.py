"""What the registry-driven suite does not ask of Deep Crossing."""

import numpy as np
import pytest

from tfrec_zoo.features.features import default_dimension
from tfrec_zoo.models import DeepCrossing
from tfrec_zoo.registry import MODELS

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

UNITS = pytest.mark.parametrize("hidden_units", [(), (5,), (5, 4, 3)])


@pytest.fixture
def chosen(data_of):
    return data_of(MODELS["DeepCrossing"])


def with_weights(chosen, **arguments):
    """A model whose weights are all of the size of one."""
    model = DeepCrossing(chosen.features, **{"embedding_dim": 3, "seed": 1, **arguments})
    model(chosen.raw)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 2)
    return model


@UNITS
def test_logits_are_those_of_the_paper(chosen, reference_of, hidden_units):
    model = with_weights(chosen, hidden_units=hidden_units)
    expected = reference_of(MODELS["DeepCrossing"]).forward(model, chosen.numpy())
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(model(chosen.raw), expected, rtol=1e-5, atol=1e-5)
    # Tables of 19 rows and 4 biases, all of 3; units over 26 stacked features; logit and bias.
    number = (19 + 4) * 3 + sum((26 * h + h) + (h * 26 + 26) for h in hidden_units) + 26 + 1
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == number


@UNITS
def test_gradient_reaches_every_variable(chosen, hidden_units):
    model = with_weights(chosen, hidden_units=hidden_units)
    with tf.GradientTape() as tape:
        loss = model.compute_loss((chosen.raw, chosen.label), training=True)
    variables = model.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        assert np.any(tf.convert_to_tensor(gradient) != 0), variable.name


@UNITS
def test_a_list_of_candidates_is_scored_as_its_rows(chosen, hidden_units):
    model = with_weights(chosen, hidden_units=hidden_units)
    candidates = set(chosen.features.spec.raw_candidate)
    at = np.random.default_rng(0).integers(0, 60, [7, 5])
    lists = {k: v[at] if k in candidates else v[:7] for k, v in chosen.raw.items()}
    rows = {
        k: v[at.ravel()] if k in candidates else np.repeat(v[:7], 5, axis=0)
        for k, v in chosen.raw.items()
    }
    logits = model(lists)
    assert logits.shape == (7, 5)
    assert np.std(logits, axis=1).max() > 0.01
    np.testing.assert_allclose(tf.reshape(logits, [-1]), model(rows), rtol=1e-5, atol=1e-5)


def test_l2_is_on_tables_and_kernels(chosen):
    model = with_weights(chosen, hidden_units=(5,), l2=0.5)
    unit = model.residual_units[0]
    penalised = [table.table for table in model.tables.values()]
    penalised += [unit.inner.kernel, unit.outer.kernel, model.logit.dense.kernel]
    expected = 0.5 * sum(np.sum(weight.numpy() ** 2) for weight in penalised)
    np.testing.assert_allclose(sum(model.losses), expected, rtol=1e-5)


def test_units_of_equal_width_do_not_start_alike(chosen):
    model = DeepCrossing(chosen.features, embedding_dim=3, hidden_units=(26, 26), seed=1)
    model(chosen.raw)
    one, two = model.residual_units
    kernels = [layer.kernel.numpy() for unit in (one, two) for layer in (unit.inner, unit.outer)]
    for i, kernel in enumerate(kernels):
        for other in kernels[:i]:
            assert not np.any(kernel == other)


def test_defaults_are_the_papers():
    defaults = DeepCrossing.__init__.__kwdefaults__
    assert defaults["embedding_dim"] == 256
    assert defaults["hidden_units"] == (512, 512, 256, 128, 64)


def test_width_of_embeddings_may_follow_the_ids(chosen):
    model = DeepCrossing(chosen.features, embedding_dim=None)
    # 12 videos and 3 countries; the channel declares 3.
    expected = {"video": default_dimension(12), "country": default_dimension(3), "channel": 3}
    assert {name: table.dimension for name, table in model.tables.items()} == expected


@pytest.mark.parametrize("units", [(5, 0), (2.0,)])
def test_wrong_units(chosen, units):
    with pytest.raises(ValueError, match="`units` must be a positive integer. Received: "):
        DeepCrossing(chosen.features, hidden_units=units)
