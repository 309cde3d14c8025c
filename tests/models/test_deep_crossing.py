"""What the registry-driven suite does not ask of Deep Crossing."""

import numpy as np
import pytest

from tfrec_zoo.features.features import default_dimension
from tfrec_zoo.models import DeepCrossing
from tfrec_zoo.registry import MODELS

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


def test_width_of_embeddings_may_follow_the_ids(chosen):
    model = DeepCrossing(chosen.features, embedding_dim=None)
    # 12 videos and 3 countries; the channel declares 3.
    expected = {"video": default_dimension(12), "country": default_dimension(3), "channel": 3}
    assert {name: table.dimension for name, table in model.tables.items()} == expected


def test_wrong_units(chosen):
    with pytest.raises(ValueError, match="`units` must be a positive integer. Received: 0"):
        DeepCrossing(chosen.features, hidden_units=(5, 0))
