"""score(i) = m_i · F_t, F by blocks of causal self-attention and a network at each position."""

import numpy as np
from sequence_reference import (
    DIM,
    LENGTH,
    SPEC,
    embedded,
    interval_ids,
    normalized,
    scores,
    sequence_losses,
    weights,
    with_zero,
)

from tfrec_zoo.models import SASRec

__all__ = ["SPEC"]

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
    return SASRec(features, embedding_dim=DIM, max_history=LENGTH, dropout=0.0, seed=1)


# Items 12·6, positions 3·6 and intervals 64·6. Each of two blocks: biases of intervals 64, Q, K and
# V 3·6², W₁ and W₂ 2·(6² + 6), and two norms of a gain and a bias, 2·2·6. The last norm 2·6.
num_parameters = 12 * 6 + 3 * 6 + 64 * 6 + 2 * (64 + 3 * 36 + 2 * 42 + 24) + 12


def forward(model, raw):
    return scores(model, raw, states, weights(model.item_table.table))


def training_losses(model, data):
    return sequence_losses(model, data, states, weights(model.item_table.table))


def states(model, sequence, ages):
    """[length, 6] F at each item of a sequence of ids."""
    x, intervals = embedded(model, sequence), interval_ids(ages)
    if model.interval_table is not None:
        x = x + with_zero(model.interval_table)[np.diag(intervals)]
    for block in model.blocks:
        table = block.attention.bias_table
        bias = np.zeros(intervals.shape) if table is None else with_zero(table)[intervals, 0]
        x = x + attended(block.attention, gained(block.norms[0], x), bias)
        hidden = gained(block.norms[1], x) @ weights(block.hidden.kernel)
        hidden = np.maximum(hidden + weights(block.hidden.bias), 0)
        x = x + hidden @ weights(block.output_layer.kernel) + weights(block.output_layer.bias)
    return gained(model.norm, x)


def attended(layer, x, bias):
    q, k, v = (x @ weights(part.kernel) for part in (layer.query, layer.key, layer.value))
    rows = []
    for t in range(len(x)):
        found = k[: t + 1] @ q[t] / np.sqrt(DIM) + bias[t, : t + 1]
        rows.append(softmax(found) @ v[: t + 1])
    return np.stack(rows)


def softmax(found):
    odds = np.exp(found - found.max())
    return odds / odds.sum()


def gained(layer, x):
    return normalized(x) * weights(layer.gamma) + weights(layer.beta)
