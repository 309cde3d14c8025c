"""score(i) = e_u · e_i, the means of K powers of the normalized adjacency matrix, times vectors."""

import numpy as np

from tfrec_zoo.features import FeatureSpec, VocabularyColumn
from tfrec_zoo.models import LightGCN

SPEC = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("video_id", space="video"),))

PAPER_DEFAULTS = {
    "embedding_dim": 64,  # §4.1.2
    "num_layers": 3,  # §4.1.2: good from 3 on
    "loss": "bpr",  # §3.3
}

VARIANTS = {"bpr": {"loss": "bpr"}, "one layer": {"num_layers": 1}}


def build(features):
    return LightGCN(features, embedding_dim=4, num_layers=2, loss="softmax", seed=1)


# 12 users and 10 videos of 4.
num_parameters = 12 * 4 + 10 * 4


def forward(model, raw):
    users, items = vectors(model)
    return np.concatenate([np.zeros_like(users[:1]), users])[raw.ids("user_id")] @ items.T


def vectors(model):
    """The means over layers, by dense matrices."""
    tables = (model.embeddings.user.table, model.embeddings.item.table)
    users, items = (table.numpy().astype(np.float64) for table in tables)
    adjacency = np.zeros([len(users) + len(items)] * 2)
    for user, item in model.graph.by_user.numpy().T:
        adjacency[user, len(users) + item] = adjacency[len(users) + item, user] = 1
    degree = adjacency.sum(1)
    scale = np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1)), 0)
    layers = [np.concatenate([users, items])]
    for _ in range(model.num_layers):
        layers.append(scale[:, None] * adjacency * scale @ layers[-1])
    return np.split(np.mean(layers, axis=0), [len(users)])


def look_up(model, raw, label):
    """Has a batch look up its rows, for the penalty on them."""
    model.example_losses(model.encode(raw), label, training=False)
