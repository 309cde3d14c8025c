"""score(i) = p_u · q_i + b_i, and a softmax over the items; an unknown user is the zero vector."""

import numpy as np

from tfrec_zoo.features import FeatureSpec, VocabularyColumn
from tfrec_zoo.models import MatrixFactorization

SPEC = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("video_id", space="video"),))

# The paper tunes the number of factors and the penalty to the data set.
PAPER_DEFAULTS = {}


def build(features):
    return MatrixFactorization(features, embedding_dim=4, seed=1)


# 12 users and 10 videos of 4, and 10 biases of items.
num_parameters = 12 * 4 + 10 * 4 + 10


def forward(model, raw):
    p = model.embeddings.user.table.numpy().astype(np.float64)
    p = np.concatenate([np.zeros_like(p[:1]), p])[raw.ids("user_id")]
    return p @ model.embeddings.item.table.numpy().T + model.item_bias.table.numpy()[:, 0]


def unpenalised(model):
    """Biases of items are a table."""
    return [model.item_bias.table]
