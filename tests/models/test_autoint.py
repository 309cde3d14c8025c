"""What the registry-driven suite does not ask of AutoInt: AutoInt+, and layers of other kinds."""

import numpy as np
import pytest

from tfrec_zoo.models import AutoInt
from tfrec_zoo.registry import MODELS

# With the parameters that are not those of embeddings and bias: Q, K, V and W of two layers,
# 3 → 4 → 4; the logit over 8 fields of 4; the tower over 8 · 3 and its logit.
LAYERS, LOGIT, TOWER = 4 * 3 * 4 + 4 * 4 * 4, 8 * 4, (24 * 5 + 5) + (5 * 4 + 4) + 4
NUMBERS = {
    "plus": LAYERS + LOGIT + TOWER,
    "no residual": LAYERS * 3 // 4 + LOGIT,
    "plus, no residual": LAYERS * 3 // 4 + LOGIT + TOWER,
    "one head": LAYERS + LOGIT,
    "four heads": LAYERS + LOGIT,
    "no layer": 8 * 3,
}


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


@pytest.mark.parametrize("variant", NUMBERS)
def test_logits_are_those_of_the_paper(chosen, reference_of, variant):
    reference = reference_of(MODELS["AutoInt"])
    arguments, number = reference.VARIANTS[variant], NUMBERS[variant]
    model = with_weights(chosen, **arguments)
    how = {key: arguments[key] for key in ("num_heads", "residual") if key in arguments}
    expected = reference.forward(model, chosen.numpy(), **how)
    assert np.std(expected) > 0.2
    np.testing.assert_allclose(model(chosen.raw), expected, rtol=1e-5, atol=1e-5)
    # Vectors and the bias.
    number += 33 * 3 + 1
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == number


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
