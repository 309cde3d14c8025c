"""logit = w₀ + w · x_n, x_k = ReLU(x_{k−1} + W_k1 ReLU(W_k0 x_{k−1} + b_k0) + b_k1)."""

import dataclasses

import field_reference as fields
import numpy as np

from tfrec_zoo.models import DeepCrossing

# Without the bare column: there is no linear part to read it.
SPEC = dataclasses.replace(
    fields.SPEC, query=tuple(c for c in fields.SPEC.query if c.name != "last_watched")
)
losses = fields.losses

PAPER_DEFAULTS = {
    "embedding_dim": 256,  # §4, "Embedding and Stacking Layers"
    "hidden_units": (512, 512, 256, 128, 64),  # §4, the five residual units
}
VARIANTS = {"no unit": {"hidden_units": ()}, "three units": {"hidden_units": (5, 4, 3)}}


def build(features):
    return DeepCrossing(features, embedding_dim=3, hidden_units=(5, 4), seed=1)


# Tables of 12, 3 and 4 ids, and four embedding columns with a bias each. Stacked: they, age 3,
# device 2, length 3 and the interaction's 6, so 26. Units 26 → 5 → 26 and 26 → 4 → 26; w, w₀.
num_parameters = 19 * 3 + 4 * 3 + (26 * 5 + 5 + 5 * 26 + 26) + (26 * 4 + 4 + 4 * 26 + 26) + 26 + 1


def relu(x):
    return np.maximum(x, 0)


def stacked(model, raw):
    """[rows, 26] the features side by side."""
    x = fields.numbers(model, raw)
    bias = {name: value.numpy() for name, value in model.stacked.biases.items()}
    video, country, channel = (
        fields.rows(model.tables[n]) for n in ("video", "country", "channel")
    )

    def embedding(name, vectors, ids):
        known = (ids.reshape(len(ids), -1) > 0).any(1)
        return relu(vectors + bias[f"{name}_embedding"]) * known[:, None]

    history, country_id = raw.bag("history", "video"), raw.ids("country")
    video_id, channel_id = raw.ids("video_id", "video"), raw.ids("channel")
    return np.concatenate(
        [
            embedding("history_bag4", fields.mean(video, history), history),
            embedding("country", country[country_id], country_id),
            x["age"],
            x["device_indicator"],
            embedding("video_id", video[video_id], video_id),
            embedding("channel", channel[channel_id], channel_id),
            x["length"],
            x[fields.INTERACTION],
        ],
        axis=1,
    )


def forward(model, raw):
    x = stacked(model, raw)
    for unit in model.residual_units:
        inner, outer = unit.inner, unit.outer
        h = relu(x @ inner.kernel.numpy() + inner.bias.numpy())
        x = relu(x + h @ outer.kernel.numpy() + outer.bias.numpy())
    return model.bias.numpy() + fields.dot(model.logit, x)
