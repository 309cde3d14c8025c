"""What the registry-driven suite does not ask of xDeepFM: its variants."""

import numpy as np
import pytest

from tfrec_zoo.models import xDeepFM
from tfrec_zoo.registry import MODELS

# With the parameters that are not those of embeddings, linear weights and bias: kernels of the CIN
# over 8 fields and its logit; the tower over 8 · 3 and its logit.
TOWER = (24 * 5 + 5) + (5 * 4 + 4) + 4
NUMBERS = {
    "one layer": 64 * 4 + 4 + TOWER,
    "relu": 64 * 4 + 32 * 3 + 7 + TOWER,
    "split": 64 * 4 + 16 * 3 + 5 + TOWER,
    "split, relu": 64 * 4 + 16 * 3 + 5 + TOWER,
    "no network": 64 * 4 + 32 * 3 + 7,
}


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


@pytest.mark.parametrize("variant", NUMBERS)
def test_logits_are_those_of_the_paper(chosen, reference_of, variant):
    reference = reference_of(MODELS["xDeepFM"])
    arguments, number = reference.VARIANTS[variant], NUMBERS[variant]
    model = with_weights(chosen, **arguments)
    how = {"split_half": True} if "split" in variant else {}
    if "relu" in variant:
        how["activation"] = lambda maps: np.maximum(maps, 0)
    expected = reference.forward(model, chosen.numpy(), **how)
    assert np.std(expected) > 0.5
    np.testing.assert_allclose(model(chosen.raw), expected, rtol=1e-4, atol=1e-4)
    # Vectors, weights and the bias.
    number += 33 * 3 + 57 + 1
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == number


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
