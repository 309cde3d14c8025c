"""score(u, i) = w_u · v_i, w_u the ridge regression of a row of ones and zeros on the items."""

import numpy as np

from tfrec_zoo.features import BagColumn, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import iALS

HISTORY = BagColumn(VocabularyColumn("history", space="video"), 4)
SPEC = FeatureSpec((HISTORY,), (VocabularyColumn("video_id", space="video"),))

PAPER_DEFAULTS = {
    "unobserved_weight": 0.1,  # These are what the authors train MovieLens-20M with.
    "l2": 0.003,
    "l2_exponent": 1.0,
    "stddev": 0.1,
}


def build(features):
    return iALS(features, embedding_dim=5, unobserved_weight=0.05, l2=0.01, seed=0)


# Nothing is learned by gradients; but the history matters.
num_parameters = 0
looks_at_features = True

VARIANTS = {"same penalty for all": {"l2_exponent": 0.0}}


def penalty(model, observed, every):
    return model.l2 * (observed + model.unobserved_weight * every) ** model.l2_exponent


def regression(model, rows, row, weight=None):
    """min_x Σ_j weight_j [row_j (1 − x·rows_j)² + α (x·rows_j)²] + penalty ‖x‖²."""
    weight = np.ones(len(rows)) if weight is None else weight
    certainty = weight * (row + model.unobserved_weight)
    left = rows.T @ (certainty[:, None] * rows)
    left += penalty(model, weight @ row, weight.sum()) * np.eye(rows.shape[1])
    return np.linalg.solve(left, rows.T @ (weight * row))


def history(raw):
    """[rows, items] ones where an item is in the history."""
    ids = raw.bag("history", "video")
    items = len(raw.features.vocabularies["video"].tokens)
    return np.array([[float(i + 1 in row) for i in range(items)] for row in ids])


def forward(model, raw):
    items = model.item_factors.numpy().astype(np.float64)
    users = [regression(model, items, row) for row in history(raw)]
    return np.array(users) @ items.T


def losses(scores, data, unobserved_weight=0.05):
    """The errors of the label, and its share of those of all pairs of its user."""
    rows, classes = np.arange(len(scores)), data.classes
    taken = history(data.numpy())
    taken[rows, classes] = 1
    own = (1 - scores[rows, classes]) ** 2
    found = own + unobserved_weight * (scores**2).sum(1) / taken.sum(1)
    return np.where(classes >= 0, found, 0)


def sweep(model, matrix, weight):
    """The vectors of users and items after a sweep, and the objective per interaction."""
    items = model.item_factors.numpy().astype(np.float64)
    users = np.array([regression(model, items, row) for row in matrix])
    items = np.array([regression(model, users, column, weight) for column in matrix.T])
    return users, items, objective(model, matrix, weight, users, items)


def objective(model, matrix, weight, users, items):
    """Term by term, over all pairs."""
    total = 0.0
    for u, row in enumerate(matrix):
        for i, one in enumerate(row):
            score = users[u] @ items[i]
            total += weight[u] * (one * (1 - score) ** 2 + model.unobserved_weight * score**2)
        total += weight[u] * penalty(model, row.sum(), len(row)) * (users[u] @ users[u])
    for item, column in zip(items, matrix.T, strict=True):
        total += penalty(model, weight @ column, weight.sum()) * (item @ item)
    return total / (weight @ matrix.sum(1))


def training_losses(model, data):
    """Of a training step, which is a sweep: the objective after it, which counts once."""
    is_known = data.classes >= 0
    matrix = history(data.numpy())
    matrix[np.arange(len(matrix)), data.classes] = 1
    matrix = matrix[is_known]
    return np.array([sweep(model, matrix, np.ones(len(matrix)))[2]]), np.ones(1)
