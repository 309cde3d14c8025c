"""x_{l+1} = x_0 ⊙ (W_l x_l + b_l) + x_l, logit = w · ReLU tower(x_L) + b."""

import field_reference as fields
import numpy as np

from tfrec_zoo.models import DCNV2

losses = fields.losses

# The paper tunes everything to each data set.
PAPER_DEFAULTS = {}
# Beside each other, and of low rank.
VARIANTS = {
    "low rank": {"projection_dim": 3},
    "mixture": {"projection_dim": 3, "num_experts": 2},
    "parallel": {"structure": "parallel"},
    "parallel, low rank": {"structure": "parallel", "projection_dim": 3},
    "parallel, mixture": {"structure": "parallel", "projection_dim": 3, "num_experts": 2},
}


def build(features):
    return DCNV2(features, num_cross_layers=2, hidden_units=(8, 4), seed=1)


# x_0 is 17 wide of the query and 15 of the candidate (see youtube_ranking.py).
# Embeddings 12·4 + 3·3 + 4·2 = 65; two cross layers of a W and a b; tower 32 → 8 → 4; its logit;
# and the bias.
num_parameters = 65 + 2 * (32 * 32 + 32) + (33 * 8 + 9 * 4) + 4 + 1


def forward(model, raw):
    x_0 = np.concatenate([raw.query(model.tables), raw.candidate(model.tables)], axis=1)
    x = x_0
    for cross in model.crosses:
        (kernel,) = cross.kernels
        x = x_0 * (x @ kernel.numpy() + cross.b.numpy()) + x
    return model.bias.numpy() + fields.dot(model.logit, fields.relu_tower(model.tower, x))
