"""Each variant of DCN-V2 against its equations in NumPy."""

import itertools

import field_reference as fields
import numpy as np
import pytest

from tfrec_zoo.models import DCNV2

CROSSES = {
    "matrix": {},
    "low rank": {"projection_dim": 3},
    "mixture": {"projection_dim": 3, "num_experts": 2},
}
# Weights of a cross layer over x_0 of 32: W and b; V, U and b; two of V, U and C, gates and b.
WEIGHTS = {
    "matrix": 32 * 32 + 32,
    "low rank": 2 * 32 * 3 + 32,
    "mixture": 2 * (2 * 32 * 3 + 3 * 3) + 32 * 2 + 32,
}
VARIANTS = pytest.mark.parametrize(
    ("structure", "cross"), list(itertools.product(("stacked", "parallel"), CROSSES))
)


@pytest.fixture(name="log")
def ranking_data(data):
    return data["ranking"]


def randomised(log, structure, cross, **kwargs):
    model = DCNV2(
        log.features,
        structure=structure,
        num_cross_layers=2,
        hidden_units=(8, 4),
        seed=1,
        **CROSSES[cross],
        **kwargs,
    )
    model(log.raw)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 2)
    return model


def matrix(layer, x_0, x):
    (kernel,) = (kernel.numpy() for kernel in layer.kernels)
    return x_0 * (kernel.T @ x + layer.b.numpy()) + x


def low_rank(layer, x_0, x):
    v, u = (kernel.numpy() for kernel in layer.kernels)
    return x_0 * (u.T @ (v.T @ x) + layer.b.numpy()) + x


def mixture(layer, x_0, x):
    odds = np.exp(x @ layer.gate.numpy())
    total = x.copy()
    for i in range(2):
        v, c, u = (kernel.numpy()[i] for kernel in (layer.v, layer.c, layer.u))
        expert = x_0 * (u @ np.tanh(c @ np.tanh(v.T @ x)) + layer.b.numpy())
        total += odds[i] / odds.sum() * expert
    return total


def forward(model, structure, cross, raw):
    """Row by row."""
    formula = {"matrix": matrix, "low rank": low_rank, "mixture": mixture}[cross]
    inputs = np.concatenate([raw.query(model.tables), raw.candidate(model.tables)], axis=1)
    logits = []
    for x_0 in inputs:
        x = x_0
        for layer in model.crosses:
            x = formula(layer, x_0, x)
        if structure == "stacked":
            last = fields.relu_tower(model.tower, x)
        else:
            last = np.concatenate([x, fields.relu_tower(model.tower, x_0)])
        logits.append(last @ model.logit.dense.kernel.numpy()[:, 0] + model.bias.numpy())
    return np.array(logits)


@VARIANTS
def test_logits_are_those_of_the_paper(log, structure, cross):
    model = randomised(log, structure, cross)
    expected = forward(model, structure, cross, log.numpy())
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(model(log.raw), expected, rtol=1e-4, atol=1e-4)


@VARIANTS
def test_number_of_parameters(log, structure, cross):
    # Embeddings 65 (see references/dcn.py), tower 32 → 8 → 4, the logit over 4 or 32 + 4, the bias.
    logit = {"stacked": 4, "parallel": 36}[structure]
    expected = 65 + 2 * WEIGHTS[cross] + (33 * 8 + 9 * 4) + logit + 1
    model = randomised(log, structure, cross)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == expected


def test_without_a_tower_a_stack_is_the_cross_network_alone(log):
    model = DCNV2(log.features, num_cross_layers=1, hidden_units=())
    raw = log.numpy()
    model(log.raw)
    x_0 = np.concatenate([raw.query(model.tables), raw.candidate(model.tables)], axis=1)
    (cross,) = model.crosses
    x = x_0 * (x_0 @ cross.kernels[0].numpy()) + x_0
    np.testing.assert_allclose(model(log.raw), fields.dot(model.logit, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"structure": "beside"}, "`structure` is 'stacked' or 'parallel'. Received: 'beside'"),
        ({"num_experts": 0}, "must be positive. Received: num_cross_layers=2, num_experts=0"),
        ({"num_experts": 4}, "need a `projection_dim`. Received: num_experts=4, .*=None"),
        ({"projection_dim": 0}, "`projection_dim` must be positive. Received: 0"),
    ],
)
def test_wrong_arguments(log, arguments, message):
    with pytest.raises(ValueError, match=message):
        DCNV2(log.features, **arguments)
