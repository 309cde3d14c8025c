"""score(i) = cos(m_i, F_t) / τ, F by gated attention whose weights are not normalized."""

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

from tfrec_zoo.models import HSTU

__all__ = ["SPEC"]

PAPER_DEFAULTS = {  # The authors' settings for MovieLens-1M.
    "embedding_dim": 50,
    "num_blocks": 2,
    "num_heads": 1,
    "max_history": 200,
    "temperature": 0.05,
    "dropout": 0.2,
}

VARIANTS = {
    "heads": {"num_heads": 2, "num_blocks": 1},
    "sampled": {"negatives": {"kind": "uniform", "number": 9, "mask_known": True}},
}


def build(features):
    return HSTU(
        features,
        embedding_dim=DIM,
        max_history=LENGTH,
        temperature=0.5,
        dropout=0.0,
        seed=1,
    )


# Items 12·6 and positions 3·6. Each of two units: distances 3, intervals 64, U, V, Q and K 4·6²,
# and W_o 6² + 6.
num_parameters = 12 * 6 + 3 * 6 + 2 * (3 + 64 + 4 * 36 + 42)


def forward(model, raw):
    return scores(model, raw, states, directions(model.item_table.table))


def training_losses(model, data):
    return sequence_losses(model, data, states, directions(model.item_table.table))


def states(model, sequence, ages):
    """[length, 6] F at each item of a sequence of ids, at a length of 1 / τ."""
    x, intervals = embedded(model, sequence), interval_ids(ages)
    for unit in model.blocks:
        x = x + projected(unit, x, intervals)
    return x / np.linalg.norm(x, axis=1, keepdims=True) / model.temperature


def projected(unit, x, intervals):
    """[length, 6] what a unit adds to its input; heads are thirds or halves of the width."""
    u, v, q, k = np.split(silu(normalized(x) @ weights(unit.input_layer.kernel)), 4, axis=1)
    distances = weights(unit.distance_table.table)[:, 0]
    by_interval = np.zeros(65)
    if unit.interval_table is not None:
        by_interval = with_zero(unit.interval_table)[:, 0]
    width = DIM // unit.num_heads
    attended = np.zeros_like(v)
    for head in range(unit.num_heads):
        part = slice(head * width, (head + 1) * width)
        for t in range(len(x)):
            for j in range(t + 1):
                bias = distances[t - j] + by_interval[intervals[t, j]]
                weight = silu(q[t, part] @ k[j, part] + bias) / LENGTH
                attended[t, part] += weight * v[j, part]
    gated = u * normalized(attended)
    return gated @ weights(unit.output_layer.kernel) + weights(unit.output_layer.bias)


def silu(x):
    return x / (1 + np.exp(-x))


def directions(table):
    rows = weights(table)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
