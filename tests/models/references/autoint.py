"""logit = w · [e_1; …; e_m] + b, with e from attention layers over v, head by head."""

import dataclasses

import field_reference as fields
import numpy as np

from tfrec_zoo.models import AutoInt

# Without the bare column: there is no linear part to read it.
SPEC = dataclasses.replace(
    fields.SPEC, query=tuple(c for c in fields.SPEC.query if c.name != "last_watched")
)
losses = fields.losses

PAPER_DEFAULTS = {
    "num_attention_layers": 3,  # §5.1.4
    "num_heads": 2,  # §5.1.4
    "attention_dim": 64,  # §5.1.4: two heads of d' = 32
    "residual": True,  # equation 8
    "embedding_dim": 16,  # §5.1.4
    "hidden_units": (),  # §5.1.4: with two layers it is AutoInt+
    "dropout": 0.0,  # §5.1.4: none but on MovieLens-1M
}
# AutoInt+, and layers of other kinds.
VARIANTS = {
    "plus": {"hidden_units": (5, 4)},
    "no residual": {"residual": False},
    "plus, no residual": {"hidden_units": (5, 4), "residual": False},
    "one head": {"num_heads": 1},
    "four heads": {"num_heads": 4},
    "no layer": {"num_attention_layers": 0},
}


def build(features):
    return AutoInt(
        features,
        num_attention_layers=2,
        num_heads=2,
        attention_dim=4,
        embedding_dim=fields.DIM,
        seed=1,
    )


# Vectors; Q, K, V and W of two layers, 3 → 4 and 4 → 4; the logit over 8 fields of 4; the bias.
num_parameters = 33 * 3 + 4 * 3 * 4 + 4 * 4 * 4 + 8 * 4 + 1


def attention(layer, e, num_heads, residual):
    """[rows, fields, width] e after a layer: field by field and head by head."""
    query, key, value = (
        dense.kernel.numpy().astype(np.float64) for dense in (layer.query, layer.key, layer.value)
    )
    width = query.shape[1] // num_heads
    out = np.zeros([*e.shape[:2], query.shape[1]])
    for head in range(num_heads):
        columns = slice(head * width, (head + 1) * width)
        for m in range(e.shape[1]):
            scores = [
                ((e[:, m] @ query[:, columns]) * (e[:, k] @ key[:, columns])).sum(1)
                for k in range(e.shape[1])
            ]
            odds = np.exp(np.stack(scores, axis=1))
            alpha = odds / odds.sum(1, keepdims=True)
            for k in range(e.shape[1]):
                out[:, m, columns] += alpha[:, k : k + 1] * (e[:, k] @ value[:, columns])
    if residual:
        out += e @ layer.shortcut.kernel.numpy()
    return np.maximum(out, 0)


def forward(model, raw, num_heads=2, residual=True):
    v = fields.vectors(model, raw)
    e = np.stack(v, axis=1)
    for layer in model.attentions:
        e = attention(layer, e, num_heads, residual)
    logit = model.bias.numpy() + fields.dot(model.logit, e.reshape(len(e), -1))
    if not model.hidden_units:
        return logit
    deep = fields.relu_tower(model.tower, np.concatenate(v, axis=1))
    return logit + fields.dot(model.deep_logit, deep)
