"""score(i) = the sum of s_ji over the items j of the history that have i among their nearest."""

import numpy as np

from tfrec_zoo.features import BagColumn, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import ItemKNN

HISTORY = BagColumn(VocabularyColumn("history", space="video"), 4)
SPEC = FeatureSpec((HISTORY,), (VocabularyColumn("video_id", space="video"),))

# The papers search the neighbourhood and the shrinkage for each data set.
PAPER_DEFAULTS = {}


def build(features):
    return ItemKNN(features, max_neighbors=7, shrink=2.0)


# Nothing is learned by gradients; but the history matters.
num_parameters = 0
looks_at_features = True


def forward(model, raw):
    gram, items = model.gram.numpy().astype(np.float64), model.num_items
    nominates = []
    for j in range(items):
        s = [gram[j, i] / (np.sqrt(gram[j, j] * gram[i, i]) + model.shrink) for i in range(items)]
        s[j] = 0.0
        nearest = sorted(range(items), key=lambda i, s=s: -s[i])[: model.max_neighbors]
        nominates.append({i: s[i] for i in nearest})
    scores = np.zeros([len(raw.values["history"]), items])
    for row, ids in enumerate(raw.bag("history", "video")):
        for j in set(ids.tolist()) - {0}:
            for i, similarity in nominates[j - 1].items():
                scores[row, i] += similarity
    return scores


def losses(scores, data):
    """The share of the other items ahead of the label; level ones are half ahead."""
    own = scores[np.arange(len(scores)), data.classes][:, None]
    ahead = (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
    return np.where(data.classes >= 0, ahead / (scores.shape[1] - 1), 0)
