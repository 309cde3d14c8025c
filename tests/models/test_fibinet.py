"""What the registry-driven suite does not ask of FiBiNET: its kinds, and the shallow model."""

import field_reference as fields
import numpy as np
import pytest

from tfrec_zoo.features import EmbeddingColumn, Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import FiBiNET
from tfrec_zoo.registry import MODELS

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

# Kernels of a bilinear layer over 8 fields: one, of all but the last, of all pairs.
KERNELS = {"all": 1, "each": 7, "interaction": 28}
KINDS = pytest.mark.parametrize("kind", KERNELS)
SHALLOW = pytest.mark.parametrize("hidden_units", [(), (5, 4)])


@pytest.fixture
def chosen(data_of):
    return data_of(MODELS["FiBiNET"])


@pytest.fixture
def reference(reference_of):
    return reference_of(MODELS["FiBiNET"])


def with_weights(chosen, **arguments):
    """A model whose weights are all of the size of one."""
    model = FiBiNET(chosen.features, embedding_dim=3, dropout=0.0, seed=1, **arguments)
    model(chosen.raw)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 2)
    return model


@KINDS
@SHALLOW
def test_logits_are_those_of_the_paper(chosen, reference, kind, hidden_units):
    model = with_weights(chosen, bilinear=kind, hidden_units=hidden_units)
    raw = chosen.numpy()
    if hidden_units:
        expected = reference.forward(model, raw, kind)
    else:
        shallow = reference.products(model, raw, kind).sum(1)
        expected = model.bias.numpy() + fields.linear(model, raw) + shallow
    assert np.std(expected) > 0.5
    np.testing.assert_allclose(model(chosen.raw), expected, rtol=1e-4, atol=1e-5)
    # Vectors, weights and bias; SENET 8 → 2 → 8; two bilinear layers of 3 by 3 kernels.
    number = 33 * 3 + 57 + 1 + 2 * 8 * 2 + 2 * KERNELS[kind] * 9
    # 2 · 28 · 3 components into 5 units, 5 into 4, 4 into the logit.
    number += (168 * 5 + 5) + (5 * 4 + 4) + 4 if hidden_units else 0
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == number


def test_the_shallow_logit_is_in_float32(chosen):
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        logits = with_weights(chosen, hidden_units=())(chosen.raw)
        assert logits.dtype == tf.float32
        # bfloat16 would leave them 8 bits.
        assert np.any(tf.cast(tf.cast(logits, tf.bfloat16), tf.float32) != logits)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bilinear": "none"}, r"`kind` must be one of .* Received: 'none'"),
        ({"reduction_ratio": 0}, "`reduction_ratio` must be a positive integer. Received: 0"),
        ({"hidden_units": (0,)}, "`hidden_units` must be positive integers"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\)"),
        ({"embedding_dim": 4}, "All fields must have the width 4"),
    ],
)
def test_wrong_arguments(chosen, arguments, message):
    with pytest.raises(ValueError, match=message):
        FiBiNET(chosen.features, **{"embedding_dim": 3, **arguments})


def test_one_field_has_no_pair():
    spec = FeatureSpec((VocabularyColumn("user"),), (EmbeddingColumn(VocabularyColumn("item")),))
    x = {"user": np.array(["u", "v"]), "item": np.array(["a", "b"])}
    with pytest.raises(ValueError, match="A pair needs two fields. Received: "):
        FiBiNET(Features.fit(spec, x))(x)
