"""What the registry-driven suite does not ask of xDeepFM: its variants."""

import json

import numpy as np
import pytest

from tfrec_zoo.models import xDeepFM
from tfrec_zoo.registry import MODELS

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

# With the parameters that are not those of embeddings, linear weights and bias: kernels of the CIN
# over 8 fields and its logit; the tower over 8 · 3 and its logit.
TOWER = (24 * 5 + 5) + (5 * 4 + 4) + 4
VARIANTS = {
    "one layer": ({"cin_units": (4,)}, 64 * 4 + 4 + TOWER),
    "relu": ({"cin_activation": "relu"}, 64 * 4 + 32 * 3 + 7 + TOWER),
    "split": ({"split_half": True}, 64 * 4 + 16 * 3 + 5 + TOWER),
    "split relu": (
        {"split_half": True, "cin_activation": "relu"},
        64 * 4 + 16 * 3 + 5 + TOWER,
    ),
    "no network": ({"hidden_units": ()}, 64 * 4 + 32 * 3 + 7),
}
EACH = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture
def chosen(data_of):
    return data_of(MODELS["xDeepFM"])


def small(chosen, **arguments):
    defaults = {"cin_units": (4, 3), "embedding_dim": 3, "hidden_units": (5, 4), "seed": 1}
    return xDeepFM(chosen.features, **{**defaults, **arguments})


def with_weights(chosen, **arguments):
    """A model whose weights are all of the size of one."""
    model = small(chosen, **arguments)
    model(chosen.raw)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 2)
    return model


@EACH
def test_logits_are_those_of_the_paper(chosen, reference_of, variant):
    arguments, number = VARIANTS[variant]
    model = with_weights(chosen, **arguments)
    how = {"split_half": True} if "split" in variant else {}
    if "relu" in variant:
        how["activation"] = lambda maps: np.maximum(maps, 0)
    expected = reference_of(MODELS["xDeepFM"]).forward(model, chosen.numpy(), **how)
    assert np.std(expected) > 0.5
    np.testing.assert_allclose(model(chosen.raw), expected, rtol=1e-4, atol=1e-4)
    # Vectors, weights and the bias.
    number += 33 * 3 + 57 + 1
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == number
    config = json.loads(json.dumps(model.get_config()))
    again = xDeepFM.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    again(chosen.raw)
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(chosen.raw), model(chosen.raw))


@EACH
def test_gradient_reaches_every_variable(chosen, variant):
    model = with_weights(chosen, **VARIANTS[variant][0])
    with tf.GradientTape() as tape:
        loss = model.compute_loss((chosen.raw, chosen.label), training=True)
    variables = model.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        assert np.any(tf.convert_to_tensor(gradient) != 0), variable.name


@EACH
def test_a_list_of_candidates_is_scored_as_its_rows(chosen, variant):
    model = with_weights(chosen, **VARIANTS[variant][0])
    candidates = set(chosen.features.spec.raw_candidate)
    at = np.random.default_rng(0).integers(0, 60, [7, 5])
    lists = {k: v[at] if k in candidates else v[:7] for k, v in chosen.raw.items()}
    rows = {
        k: v[at.ravel()] if k in candidates else np.repeat(v[:7], 5, axis=0)
        for k, v in chosen.raw.items()
    }
    logits = model(lists)
    assert logits.shape == (7, 5)
    assert np.std(logits, axis=1).min() > 0.01
    np.testing.assert_allclose(tf.reshape(logits, [-1]), model(rows), rtol=1e-4, atol=1e-4)


def test_dropout_is_for_training_and_in_the_network(chosen):
    for hidden_units, differs in (((), False), ((8,), False), ((8, 4), True)):
        model = with_weights(chosen, hidden_units=hidden_units, dropout=0.5)
        inputs = model.encode(chosen.raw)
        np.testing.assert_array_equal(model(inputs), model(inputs, training=False))
        assert np.any(model(inputs, training=True) != model(inputs)) == differs


def test_l2_is_a_penalty_on_tables_and_kernels(chosen):
    model = with_weights(chosen, l2=0.5)
    # Whatever is not a bias of some layer.
    kernels = [v for v in model.trainable_variables if len(v.shape) > 1]
    expected = 0.5 * sum(np.sum(kernel.numpy() ** 2) for kernel in kernels)
    np.testing.assert_allclose(tf.add_n(model.losses), expected, rtol=1e-5)


def test_no_two_parts_start_alike_and_all_come_again(chosen):
    arguments = {"cin_units": (50, 50), "hidden_units": (50, 50)}
    one, same, other = (small(chosen, **arguments, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one(chosen.raw), same(chosen.raw))
    assert np.any(one(chosen.raw) != other(chosen.raw))
    layers = [*one.tower.layers, one.cin_logit.dense, one.deep_logit.dense]
    kernels = [*one.cin.kernels, *(layer.kernel for layer in layers)]
    # Their first 50 numbers, on one scale.
    starts = [kernel.numpy().ravel()[:50] / np.abs(kernel).max() for kernel in kernels]
    for i, start in enumerate(starts):
        for before in starts[:i]:
            assert abs(np.corrcoef(start, before)[0, 1]) < 0.6


def test_defaults_are_the_papers():
    defaults = xDeepFM.__init__.__kwdefaults__
    expected = {
        "cin_units": (200, 200, 200),
        "cin_activation": "linear",
        "split_half": False,
        "embedding_dim": 10,
        "hidden_units": (400, 400),
        "dropout": 0.0,
    }
    assert {key: defaults[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cin_units": ()}, r"`layer_sizes` must be one or more .* Received: \(\)"),
        ({"cin_units": (3, 2), "split_half": True}, r"must be even. Received: \(3, 2\)"),
        ({"hidden_units": (0,)}, "`hidden_units` must be positive integers"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\)"),
        ({"embedding_dim": 4}, "All fields must have the width 4"),
    ],
)
def test_wrong_arguments(chosen, arguments, message):
    with pytest.raises(ValueError, match=message):
        small(chosen, **arguments)
