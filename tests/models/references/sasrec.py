"""score(i) = m_i · F_t, F by blocks of causal self-attention and a network at each position."""

import numpy as np

from tfrec_zoo.features import BagColumn, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import SASRec

HISTORY = BagColumn(VocabularyColumn("history", space="video"), 4, ages="watched_ages")
SPEC = FeatureSpec((HISTORY,), (VocabularyColumn("video_id", space="video"),))

PAPER_DEFAULTS = {
    "embedding_dim": 50,  # §4.3
    "num_blocks": 2,  # §4.3
    "num_heads": 1,  # §4.3: two heads are no better
    "max_history": 50,  # §4.3, but for MovieLens-1M
    "dropout": 0.5,  # §4.3, but for MovieLens-1M
}

VARIANTS = {
    "heads": {"num_heads": 2, "num_blocks": 1},
    "sampled": {"negatives": {"kind": "uniform", "number": 9, "mask_known": True}},
    "binary": {"loss": "binary"},
}


def build(features):
    return SASRec(features, embedding_dim=6, max_history=3, dropout=0.0, seed=1)


# Items 12·6, positions 3·6 and intervals 64·6. Each of two blocks: biases of intervals 64, Q, K and
# V 3·6², W₁ and W₂ 2·(6² + 6), and two norms of a gain and a bias, 2·2·6. The last norm 2·6.
num_parameters = 12 * 6 + 3 * 6 + 64 * 6 + 2 * (64 + 3 * 36 + 2 * 42 + 24) + 12


def forward(model, raw):
    items = weights(model.item_table.table)
    scores = np.zeros([len(raw.values["history"]), len(items)])
    for row, (sequence, ages) in enumerate(sequences(raw)):
        if sequence:
            scores[row] = items @ states(model, sequence, ages)[-1]
    return scores


def training_losses(model, data):
    """[rows] the mean cross-entropy of all predictions of a row, and their numbers."""
    items = weights(model.item_table.table)
    losses, counts = np.zeros([2, len(data.label)])
    for row, (sequence, ages) in enumerate(sequences(data.numpy())):
        if not sequence or data.classes[row] < 0:
            continue
        targets = [id_ - 1 for id_ in sequence[1:]] + [data.classes[row]]
        scores = states(model, sequence, ages) @ items.T
        own = scores[np.arange(len(targets)), targets]
        losses[row] = np.mean(np.log(np.exp(scores).sum(1)) - own)
        counts[row] = len(targets)
    return losses, counts


def sequences(raw):
    """The ids of the last three known items of each row, and their ages."""
    found = []
    for row, ids in enumerate(raw.bag("history", "video")):
        known = np.flatnonzero(ids)[-3:]
        ages = np.append(raw.values["watched_ages"][row], np.full(len(ids), np.nan))
        found.append((ids[known].tolist(), ages[known]))
    return found


def states(model, sequence, ages):
    """[length, 6] F at each item of a sequence of ids."""
    items, positions = weights(model.item_table.table), weights(model.position_table.table)
    length = len(sequence)
    x = items[np.array(sequence) - 1] * np.sqrt(6) + positions[3 - length :]
    # Each item's next one comes at the moment of its prediction, and after the last one is now.
    moments = np.append(ages[1:], 0)
    intervals = np.array([[interval_id(age - moment) for age in ages] for moment in moments])
    if model.interval_table is not None:
        x = x + with_zero(model.interval_table)[np.diag(intervals)]
    for block in model.blocks:
        table = block.attention.bias_table
        bias = np.zeros([length, length]) if table is None else with_zero(table)[intervals, 0]
        x = x + attended(block.attention, normalized(block.norms[0], x), bias)
        hidden = normalized(block.norms[1], x) @ weights(block.hidden.kernel)
        hidden = np.maximum(hidden + weights(block.hidden.bias), 0)
        x = x + hidden @ weights(block.output_layer.kernel) + weights(block.output_layer.bias)
    return normalized(model.norm, x)


def interval_id(interval):
    return 0 if np.isnan(interval) else 1 + int(2 * np.log2(1 + max(interval, 0)))


def with_zero(table):
    rows = weights(table.table)
    return np.concatenate([np.zeros([1, rows.shape[1]]), rows])


def attended(layer, x, bias):
    q, k, v = (x @ weights(part.kernel) for part in (layer.query, layer.key, layer.value))
    rows = []
    for t in range(len(x)):
        scores = k[: t + 1] @ q[t] / np.sqrt(6) + bias[t, : t + 1]
        rows.append(softmax(scores) @ v[: t + 1])
    return np.stack(rows)


def softmax(scores):
    odds = np.exp(scores - scores.max())
    return odds / odds.sum()


def normalized(layer, x):
    x = x - x.mean(axis=1, keepdims=True)
    x = x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-6)
    return x * weights(layer.gamma) + weights(layer.beta)


def weights(variable):
    return variable.numpy().astype(np.float64)
