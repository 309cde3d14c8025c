"""score(i) = m_i · F_t, F by blocks of causal self-attention and a network at each position."""

import numpy as np

from tfrec_zoo.features import BagColumn, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import SASRec

HISTORY = BagColumn(VocabularyColumn("history", space="video"), 4)
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


# Items 12·6 and positions 3·6. Each of two blocks: Q, K and V 3·6², W₁ and W₂ 2·(6² + 6), and two
# norms of a gain and a bias, 2·2·6. The last norm 2·6.
num_parameters = 12 * 6 + 3 * 6 + 2 * (3 * 36 + 2 * 42 + 24) + 12


def forward(model, raw):
    items = weights(model.item_table.table)
    scores = np.zeros([len(raw.values["history"]), len(items)])
    for row, sequence in enumerate(sequences(raw)):
        if sequence:
            scores[row] = items @ states(model, sequence)[-1]
    return scores


def training_losses(model, data):
    """[rows] the mean cross-entropy of all predictions of a row, and their numbers."""
    items = weights(model.item_table.table)
    losses, counts = np.zeros([2, len(data.label)])
    for row, sequence in enumerate(sequences(data.numpy())):
        if not sequence or data.classes[row] < 0:
            continue
        targets = [id_ - 1 for id_ in sequence[1:]] + [data.classes[row]]
        scores = states(model, sequence) @ items.T
        own = scores[np.arange(len(targets)), targets]
        losses[row] = np.mean(np.log(np.exp(scores).sum(1)) - own)
        counts[row] = len(targets)
    return losses, counts


def sequences(raw):
    """The ids of the last three known items of each row."""
    return [[i for i in ids if i > 0][-3:] for ids in raw.bag("history", "video").tolist()]


def states(model, sequence):
    """[length, 6] F at each item of a sequence of ids."""
    items, positions = weights(model.item_table.table), weights(model.position_table.table)
    length = len(sequence)
    x = items[np.array(sequence) - 1] * np.sqrt(6) + positions[3 - length :]
    for block in model.blocks:
        x = x + attended(block.attention, normalized(block.norms[0], x))
        hidden = normalized(block.norms[1], x) @ weights(block.hidden.kernel)
        hidden = np.maximum(hidden + weights(block.hidden.bias), 0)
        x = x + hidden @ weights(block.output_layer.kernel) + weights(block.output_layer.bias)
    return normalized(model.norm, x)


def attended(layer, x):
    q, k, v = (x @ weights(part.kernel) for part in (layer.query, layer.key, layer.value))
    return np.stack([softmax(k[: t + 1] @ q[t] / np.sqrt(6)) @ v[: t + 1] for t in range(len(x))])


def softmax(scores):
    odds = np.exp(scores - scores.max())
    return odds / odds.sum()


def normalized(layer, x):
    x = x - x.mean(axis=1, keepdims=True)
    x = x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-6)
    return x * weights(layer.gamma) + weights(layer.beta)


def weights(variable):
    return variable.numpy().astype(np.float64)
