"""v_0 = bottom(numbers), logit = w · ReLU top([v_0; ⟨v_i, v_j⟩ for i < j]) + b, pair by pair."""

import dataclasses

import field_reference as fields
import numpy as np

from tfrec_zoo.models import DLRM

# A bare categorical column is no field of DLRM.
SPEC = dataclasses.replace(
    fields.SPEC, query=tuple(c for c in fields.SPEC.query if c.name != "last_watched")
)
losses = fields.losses

PAPER_DEFAULTS = {
    "embedding_dim": 16,  # §5, on Criteo Kaggle
    "bottom_units": (512, 256, 64),  # §5
    "hidden_units": (512, 256),  # §5, the top
    "dropout": 0.0,  # §5: none
}


def build(features):
    return DLRM(features, embedding_dim=fields.DIM, bottom_units=(5,), hidden_units=(6, 4), seed=2)


# Videos 12, countries 3 and channels 4, vectors of 3.
# Numbers age 3, device 2, length 3, interaction 6 = 14: bottom 14 → 5 → 3.
# Fields history, country, video, channel and the bottom's: 10 pairs. Top 3 + 10 → 6 → 4, the logit
# and the bias.
num_parameters = 19 * 3 + (15 * 5 + 6 * 3) + (14 * 6 + 7 * 4) + 4 + 1


def forward(model, raw):
    video, country, channel = (
        fields.rows(model.tables[name]) for name in ("video", "country", "channel")
    )
    numbers = np.concatenate(list(fields.numbers(model, raw).values()), axis=1)
    v = [
        fields.relu_tower(model.bottom, numbers),
        fields.mean(video, raw.bag("history", "video")),
        country[raw.ids("country")],
        video[raw.ids("video_id", "video")],
        channel[raw.ids("channel")],
    ]
    dots = [(v[i] * v[j]).sum(1) for i in range(5) for j in range(i + 1, 5)]
    x = np.concatenate([v[0], np.stack(dots, axis=1)], axis=1)
    return model.bias.numpy() + fields.dot(model.logit, fields.relu_tower(model.top, x))
