"""logit = w₀ + w · x + w_h · ReLU tower([p; q]), pair by pair, with a W per pair."""

import itertools

import field_reference as fields
import numpy as np

from tfrec_zoo.models import FiBiNET

SPEC, losses = fields.SPEC, fields.losses

PAPER_DEFAULTS = {
    "reduction_ratio": 3,  # §4
    "embedding_dim": 10,  # §4, on Criteo
    "hidden_units": (400, 400, 400),  # §4, on Criteo
    "dropout": 0.5,  # §4
}
# Kernels that pairs share, and the paper's shallow model.
VARIANTS = {
    "all": {"bilinear": "all"},
    "each": {"bilinear": "each"},
    "shallow": {"hidden_units": ()},
    "shallow, all": {"hidden_units": (), "bilinear": "all"},
    "shallow, each": {"hidden_units": (), "bilinear": "each"},
}


def build(features):
    return FiBiNET(features, embedding_dim=fields.DIM, hidden_units=(5, 4), dropout=0.0, seed=1)


# Vectors, weights and the bias; 8 fields into 8 // 3 = 2 units and back; twice 28 pairs with a 3 by
# 3 kernel; their 2 · 28 · 3 components into 5 units, 5 into 4, and 4 into the logit.
num_parameters = 33 * 3 + 57 + 1 + 2 * 8 * 2 + 2 * 28 * 9 + (168 * 5 + 5) + (5 * 4 + 4) + 4


def senet(layer, v):
    """The fields' [rows, 3] vectors, each weighed by its importance."""
    z = np.stack([one.mean(1) for one in v], axis=1)
    squeezed = np.maximum(z @ layer.squeeze.kernel.numpy(), 0)
    a = np.maximum(squeezed @ layer.excite.kernel.numpy(), 0)
    return [one * a[:, i : i + 1] for i, one in enumerate(v)]


def bilinear(layer, v, kind):
    """The [rows, 3] products of all pairs."""
    kernel, found = layer.kernel.numpy(), []
    for n, (i, j) in enumerate(itertools.combinations(range(len(v)), 2)):
        w = kernel if kind == "all" else kernel[i] if kind == "each" else kernel[n]
        found.append((v[i] @ w) * v[j])
    return found


def products(model, raw, kind="interaction"):
    """[rows, components] [p; q]."""
    v = fields.vectors(model, raw)
    p = bilinear(model.products, v, kind)
    q = bilinear(model.senet_products, senet(model.senet, v), kind)
    return np.concatenate(p + q, axis=1)


def forward(model, raw, kind="interaction"):
    deep = fields.dot(model.deep_logit, fields.relu_tower(model.tower, products(model, raw, kind)))
    return model.bias.numpy() + fields.linear(model, raw) + deep
