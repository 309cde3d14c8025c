"""scores = x B, each column of B a ridge regression of that item on all others."""

import numpy as np

from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    FeatureSpec,
    VocabularyColumn,
)
from tfrec_zoo.models import EASE

HISTORY = BagColumn(VocabularyColumn("history", space="video"), 4)
SPEC = FeatureSpec((EmbeddingColumn(HISTORY),), (VocabularyColumn("video_id", space="video"),))

PAPER_DEFAULTS = {
    "l2": 500.0,  # §4, on MovieLens-20M
    "max_neighbors": None,  # B is dense
}


def build(features):
    return EASE(features, l2=5.0)


# Nothing is learned by gradients; but the history matters.
num_parameters = 0
looks_at_features = True


def forward(model, raw):
    return history(raw) @ ridge_regressions(model.gram.numpy().astype(np.float64), model.l2)


def history(raw):
    """[rows, items] ones where an item is in the history."""
    ids = raw.bag("history", "video")
    items = len(raw.features.vocabularies["video"].tokens)
    return np.array([[float(i + 1 in row) for i in range(items)] for row in ids])


def ridge_regressions(gram, l2):
    b = np.zeros_like(gram)
    for item in range(len(gram)):
        others = np.arange(len(gram)) != item
        left = gram[np.ix_(others, others)] + l2 * np.eye(others.sum())
        b[others, item] = np.linalg.solve(left, gram[others, item])
    return b


def losses(scores, data):
    """The share of the other items ahead of the label; level ones are half ahead."""
    own = scores[np.arange(len(scores)), data.classes][:, None]
    ahead = (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
    return np.where(data.classes >= 0, ahead / (scores.shape[1] - 1), 0)
