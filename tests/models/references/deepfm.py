"""logit = w₀ + w · x + Σ_{i<j} ⟨v_i, v_j⟩ + w_h · ReLU tower([v_1; …; v_m]), pair by pair."""

import itertools

import field_reference as fields
import numpy as np

from tfrec_zoo.models import DeepFM

SPEC, losses = fields.SPEC, fields.losses

PAPER_DEFAULTS = {
    "embedding_dim": 10,  # §3.1, latent dimension of FM
    "hidden_units": (400, 400, 400),  # §3.1, 400-400-400
    "dropout": 0.5,  # §3.1
}
VARIANTS = {"no layer": {"hidden_units": ()}}


def build(features):
    return DeepFM(features, embedding_dim=fields.DIM, hidden_units=(5, 4), dropout=0.0, seed=1)


# Vectors, weights and the bias; 8 fields of 3 into 5 units, 5 into 4, and 4 into the logit.
num_parameters = 33 * 3 + 57 + 1 + (24 * 5 + 5) + (5 * 4 + 4) + 4


def forward(model, raw):
    v = fields.vectors(model, raw)
    pairs = sum((one * other).sum(1) for one, other in itertools.combinations(v, 2))
    deep = fields.relu_tower(model.tower, np.concatenate(v, axis=1))
    machine = fields.linear(model, raw) + pairs
    return model.bias.numpy() + machine + fields.dot(model.deep_logit, deep)
