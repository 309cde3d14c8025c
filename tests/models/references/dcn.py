"""x_{l+1} = x_0 (x_l · w_l) + b_l + x_l, logit = w · [x_L; ReLU tower(x_0)] + b."""

import field_reference as fields
import numpy as np

from tfrec_zoo.models import DCN

losses = fields.losses

PAPER_DEFAULTS = {
    "num_cross_layers": 6,  # §4, the best on Criteo
    "embedding_dim": None,  # §4.2: 6 n^(1/4) for n ids
    "hidden_units": (1024, 1024),  # §4, the best on Criteo
    "dropout": 0.0,  # §4: found to be of no help
}


def build(features):
    return DCN(features, num_cross_layers=2, hidden_units=(8, 4), seed=1)


# x_0 is 17 wide of the query and 15 of the candidate (see youtube_ranking.py).
# Embeddings 12·4 + 3·3 + 4·2 = 65; two cross layers of a w and a b; tower 32 → 8 → 4; the logit
# over both; and the bias.
num_parameters = 65 + 2 * (32 + 32) + (33 * 8 + 9 * 4) + (32 + 4) + 1


def forward(model, raw):
    x_0 = np.concatenate([raw.query(model.tables), raw.candidate(model.tables)], axis=1)
    x = x_0
    for cross in model.crosses:
        w, b = cross.w.numpy()[:, 0], cross.b.numpy()
        x = x_0 * (x * w).sum(1)[:, None] + b + x
    h = fields.relu_tower(model.tower, x_0)
    return model.bias.numpy() + fields.dot(model.logit, np.concatenate([x, h], axis=1))
