"""logit = hᵀ [p_u^G ⊙ q_i^G; tower([p_u^M; q_i^M])] + b; unknown ids are zero vectors."""

import numpy as np

from tfrec_zoo.features import FeatureSpec, VocabularyColumn
from tfrec_zoo.models import NeuMF

SPEC = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("video_id", space="video"),))

PAPER_DEFAULTS = {
    "embedding_dim": 8,  # §4.1: predictive factors
    "hidden_units": (32, 16, 8),  # §4.1: three layers, of 8 predictive factors
    "mlp_embedding_dim": None,  # §4.1: half of the first layer
}
VARIANTS = {"no layer": {"hidden_units": ()}, "one layer": {"hidden_units": (8,)}}


def build(features):
    return NeuMF(features, embedding_dim=3, hidden_units=(8, 4), mlp_embedding_dim=5, seed=1)


# 12 users and 10 videos, of 3 for the product and of 5 for the tower; tower (5 + 5 + 1)·8 +
# (8 + 1)·4; h 3 + 4 and b 1.
num_parameters = 22 * 3 + 22 * 5 + 88 + 36 + 7 + 1


def forward(model, raw):
    user, item = raw.ids("user_id"), raw.ids("video_id", "video")
    product = rows(model.embeddings.user)[user] * rows(model.embeddings.item)[item]
    tower = model.tower
    both = [rows(tower.embeddings.user)[user], rows(tower.embeddings.item)[item]]
    w1 = np.concatenate([tower.first.query_kernel, tower.first.candidate_kernel])
    phi = np.maximum(np.concatenate(both, axis=1) @ w1 + tower.first.bias.numpy(), 0)
    (second,) = tower.rest.layers
    phi = np.maximum(phi @ second.kernel.numpy() + second.bias.numpy(), 0)
    fused = np.concatenate([product, phi], axis=1)
    return fused @ model.logit.kernel.numpy()[:, 0] + model.logit.bias.numpy()


def rows(table):
    """The vectors of a table, and before them that of the unknown."""
    table = table.table.numpy().astype(np.float64)
    return np.concatenate([np.zeros_like(table[:1]), table])


def losses(logits, data):
    """Cross-entropy; whoever watched at all is a positive."""
    p = 1 / (1 + np.exp(-logits))
    return -np.log(np.where(data.label > 0, p, 1 - p))
