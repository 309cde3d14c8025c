"""logit = hᵀ (p_u ⊙ q_i) + b; unknown users and items are zero vectors."""

import numpy as np

from tfrec_zoo.features import FeatureSpec, VocabularyColumn
from tfrec_zoo.models import GMF

SPEC = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("video_id", space="video"),))

PAPER_DEFAULTS = {"embedding_dim": 8}  # §4.1: the smallest number of predictive factors


def build(features):
    return GMF(features, embedding_dim=3, seed=1)


# 12 users and 10 videos of 3; h 3 and b 1.
num_parameters = 12 * 3 + 10 * 3 + 3 + 1


def forward(model, raw):
    p = rows(model.embeddings.user)[raw.ids("user_id")]
    q = rows(model.embeddings.item)[raw.ids("video_id", "video")]
    return (p * q) @ model.logit.kernel.numpy()[:, 0] + model.logit.bias.numpy()


def rows(table):
    """The vectors of a table, and before them that of the unknown."""
    table = table.table.numpy().astype(np.float64)
    return np.concatenate([np.zeros_like(table[:1]), table])


def losses(logits, data):
    """Cross-entropy; whoever watched at all is a positive."""
    p = 1 / (1 + np.exp(-logits))
    return -np.log(np.where(data.label > 0, p, 1 - p))
