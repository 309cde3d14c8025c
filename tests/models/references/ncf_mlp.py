"""φ = ReLU(W₂ᵀ ReLU(W₁ᵀ [p_u; q_i] + b₁) + b₂), logit = hᵀ φ + b; unknown ids are zero vectors."""

import numpy as np

from tfrec_zoo.features import FeatureSpec, VocabularyColumn
from tfrec_zoo.models import NCFMLP

SPEC = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("video_id", space="video"),))

PAPER_DEFAULTS = {
    "hidden_units": (32, 16, 8),  # §4.1: three layers, of 8 predictive factors
    "embedding_dim": None,  # §4.1: half of the first layer
}
VARIANTS = {"no layer": {"hidden_units": ()}, "one layer": {"hidden_units": (8,)}}


def build(features):
    return NCFMLP(features, hidden_units=(8, 4), embedding_dim=5, seed=1)


# 12 users and 10 videos of 5; tower (5 + 5 + 1)·8 + (8 + 1)·4; h 4 and b 1.
num_parameters = 12 * 5 + 10 * 5 + 88 + 36 + 4 + 1


def forward(model, raw):
    tower = model.tower
    p = rows(tower.embeddings.user)[raw.ids("user_id")]
    q = rows(tower.embeddings.item)[raw.ids("video_id", "video")]
    w1 = np.concatenate([tower.first.query_kernel, tower.first.candidate_kernel])
    phi = np.maximum(np.concatenate([p, q], axis=1) @ w1 + tower.first.bias.numpy(), 0)
    (second,) = tower.rest.layers
    phi = np.maximum(phi @ second.kernel.numpy() + second.bias.numpy(), 0)
    return phi @ model.logit.kernel.numpy()[:, 0] + model.logit.bias.numpy()


def rows(table):
    """The vectors of a table, and before them that of the unknown."""
    table = table.table.numpy().astype(np.float64)
    return np.concatenate([np.zeros_like(table[:1]), table])


def losses(logits, data):
    """Cross-entropy; whoever watched at all is a positive."""
    p = 1 / (1 + np.exp(-logits))
    return -np.log(np.where(data.label > 0, p, 1 - p))
