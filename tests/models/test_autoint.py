"""What the registry-driven suite does not ask of AutoInt: AutoInt+, and layers of other kinds."""

import json

import numpy as np
import pytest

from tfrec_zoo.models import AutoInt
from tfrec_zoo.registry import MODELS

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

# With the parameters that are not those of embeddings and bias: Q, K, V and W of two layers,
# 3 → 4 → 4; the logit over 8 fields of 4; the tower over 8 · 3 and its logit.
LAYERS, LOGIT, TOWER = 4 * 3 * 4 + 4 * 4 * 4, 8 * 4, (24 * 5 + 5) + (5 * 4 + 4) + 4
VARIANTS = {
    "plus": ({"hidden_units": (5, 4)}, LAYERS + LOGIT + TOWER),
    "no residual": ({"residual": False}, LAYERS * 3 // 4 + LOGIT),
    "plus, no residual": (
        {"hidden_units": (5, 4), "residual": False},
        LAYERS * 3 // 4 + LOGIT + TOWER,
    ),
    "one head": ({"num_heads": 1}, LAYERS + LOGIT),
    "four heads": ({"num_heads": 4}, LAYERS + LOGIT),
    "no layer": ({"num_attention_layers": 0}, 8 * 3),
}
EACH = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture
def chosen(data_of):
    return data_of(MODELS["AutoInt"])


def small(chosen, **arguments):
    defaults = {"num_attention_layers": 2, "attention_dim": 4, "embedding_dim": 3, "seed": 1}
    return AutoInt(chosen.features, **{**defaults, **arguments})


def with_weights(chosen, **arguments):
    """A model whose weights are all of the size of one."""
    model = small(chosen, **arguments)
    model(chosen.raw)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return model


@EACH
def test_logits_are_those_of_the_paper(chosen, reference_of, variant):
    arguments, number = VARIANTS[variant]
    model = with_weights(chosen, **arguments)
    how = {key: arguments[key] for key in ("num_heads", "residual") if key in arguments}
    expected = reference_of(MODELS["AutoInt"]).forward(model, chosen.numpy(), **how)
    assert np.std(expected) > 0.2
    np.testing.assert_allclose(model(chosen.raw), expected, rtol=1e-5, atol=1e-5)
    # Vectors and the bias.
    number += 33 * 3 + 1
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == number
    config = json.loads(json.dumps(model.get_config()))
    again = AutoInt.from_config(config)
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
    assert np.std(logits, axis=1).max() > 0.01
    np.testing.assert_allclose(tf.reshape(logits, [-1]), model(rows), rtol=1e-5, atol=1e-5)


def test_dropout_is_for_training_and_in_the_network(chosen):
    for hidden_units, differs in (((), False), ((8,), False), ((8, 4), True)):
        model = with_weights(chosen, hidden_units=hidden_units, dropout=0.5)
        inputs = model.encode(chosen.raw)
        np.testing.assert_array_equal(model(inputs), model(inputs, training=False))
        assert np.any(model(inputs, training=True) != model(inputs)) == differs


def test_l2_is_a_penalty_on_tables_and_kernels(chosen):
    model = with_weights(chosen, l2=0.5, hidden_units=(5,))
    # Whatever is not a bias of some layer.
    kernels = [v for v in model.trainable_variables if len(v.shape) > 1]
    expected = 0.5 * sum(np.sum(kernel.numpy() ** 2) for kernel in kernels)
    np.testing.assert_allclose(tf.add_n(model.losses), expected, rtol=1e-5)


def test_no_two_parts_start_alike_and_all_come_again(chosen):
    arguments = {"attention_dim": 50, "hidden_units": (50, 50)}
    one, same, other = (small(chosen, **arguments, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one(chosen.raw), same(chosen.raw))
    assert np.any(one(chosen.raw) != other(chosen.raw))
    layers = [*one.tower.layers, one.logit.dense, one.deep_logit.dense]
    for attention in one.attentions:
        layers += [attention.query, attention.key, attention.value, attention.shortcut]
    # Their first 50 numbers, on one scale.
    starts = [layer.kernel.numpy().ravel()[:50] / np.abs(layer.kernel).max() for layer in layers]
    for i, start in enumerate(starts):
        for before in starts[:i]:
            assert abs(np.corrcoef(start, before)[0, 1]) < 0.6


def test_defaults_are_the_papers():
    defaults = AutoInt.__init__.__kwdefaults__
    expected = {
        "num_attention_layers": 3,
        "num_heads": 2,
        "attention_dim": 64,
        "residual": True,
        "embedding_dim": 16,
        "hidden_units": (),
        "dropout": 0.0,
    }
    assert {key: defaults[key] for key in expected} == expected


def test_as_large_as_the_papers(chosen):
    model = AutoInt(chosen.features, embedding_dim=3)
    model(chosen.raw)
    # Q, K, V and W of 3 → 64 → 64 → 64, two heads of 32; the logit over 8 fields of 64.
    number = 4 * 3 * 64 + 2 * 4 * 64 * 64 + 8 * 64
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == number + 33 * 3 + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_attention_layers": -1}, "`num_attention_layers` must be 0 or more. Received: -1"),
        ({"num_heads": 3}, "multiple of `num_heads`. Received: attention_dim=4, num_heads=3"),
        ({"num_heads": 0}, "multiple of `num_heads`. Received: attention_dim=4, num_heads=0"),
        ({"attention_dim": 0}, "`head_dim` must be a positive integer. Received: 0"),
        ({"hidden_units": (0,)}, "`hidden_units` must be positive integers"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\)"),
        ({"embedding_dim": 4}, "All fields must have the width 4"),
    ],
)
def test_wrong_arguments(chosen, arguments, message):
    with pytest.raises(ValueError, match=message):
        small(chosen, **arguments)
