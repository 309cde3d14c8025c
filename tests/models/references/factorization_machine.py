"""logit = w₀ + w · x + Σ_{i<j} ⟨v_i, v_j⟩, pair by pair."""

import itertools

import field_reference as fields

from tfrec_zoo.models import FactorizationMachine

SPEC, losses = fields.SPEC, fields.losses

# The paper has no experiment with a number of factors.
PAPER_DEFAULTS = {}


def build(features):
    return FactorizationMachine(features, embedding_dim=fields.DIM, seed=1)


# Factors, weights, and the bias.
num_parameters = 33 * 3 + 57 + 1


def forward(model, raw):
    v = fields.vectors(model, raw)
    pairs = sum((one * other).sum(1) for one, other in itertools.combinations(v, 2))
    return model.bias.numpy() + fields.linear(model, raw) + pairs
