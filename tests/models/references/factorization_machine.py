"""logit = w₀ + w · x + Σ_{i<j} ⟨v_i, v_j⟩, pair by pair."""

import itertools

import numpy as np

from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    FeatureSpec,
    IndicatorColumn,
    InteractionColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import FactorizationMachine

CHANNEL = VocabularyColumn("channel")
SPEC = FeatureSpec(
    query=(
        EmbeddingColumn(BagColumn(VocabularyColumn("history", space="video"), 4)),
        EmbeddingColumn(VocabularyColumn("country")),
        NumericColumn("age"),
        VocabularyColumn("last_watched", space="video"),  # bare: a weight, no factors
        IndicatorColumn(VocabularyColumn("device", dtype="int64")),
    ),
    candidate=(
        EmbeddingColumn(VocabularyColumn("video_id", space="video")),
        EmbeddingColumn(CHANNEL, 3),
        NumericColumn("length"),
        InteractionColumn(
            BagColumn(VocabularyColumn("watched_channels", space="channel"), 4),
            CHANNEL,
            ages="watched_ages",
        ),
    ),
)
INTERACTION = "watched_channels_bag4_and_channel"


def build(features):
    return FactorizationMachine(features, embedding_dim=3, seed=1)


# Factors: video 12, which is the history's too, country 3, channel 4, age 3, device 2, length 3,
# count 3 and age of the latest 3 = 33 vectors of 3. Weights: history 12, country 3, age 3, last
# watched 12, device 2, video 12, channel 4, length 3, interaction 6 = 57. And the bias.
num_parameters = 33 * 3 + 57 + 1


def mean(vectors, ids):
    """Of the ids that aren't 0; 0 where there is none."""
    count = np.maximum((ids > 0).sum(1), 1)
    return vectors[ids].sum(1) / count[:, None]


def forward(model, raw):
    factors, weights = model.tables, model.linear.tables

    def rows(table):
        table = table.table.numpy().astype(np.float64)
        return np.concatenate([np.zeros_like(table[:1]), table])

    bag = raw.bag("history", "video")
    x = {
        "age": raw.powers("age"),
        "device_indicator": np.eye(3)[raw.ids("device")][:, 1:],
        "length": raw.powers("length"),
        # The last six of the candidate's 3 + 3 + 3 + 6 are the interaction's.
        INTERACTION: raw.candidate(factors)[:, -6:],
    }
    v = [
        mean(rows(factors["video"]), bag),
        rows(factors["country"])[raw.ids("country")],
        rows(factors["video"])[raw.ids("video_id", "video")],
        rows(factors["channel"])[raw.ids("channel")],
        *(x[name] @ model.fields.kernels[name].kernel.numpy() for name in x),
    ]
    w = [
        mean(rows(weights["history_bag4"]), bag),
        rows(weights["country"])[raw.ids("country")],
        rows(weights["last_watched"])[raw.ids("last_watched", "video")],
        rows(weights["device"])[raw.ids("device")],
        rows(weights["video_id"])[raw.ids("video_id", "video")],
        rows(weights["channel"])[raw.ids("channel")],
    ]
    kernels = model.linear.fields.kernels
    w += [x[name] @ kernels[name].kernel.numpy() for name in ("age", "length", INTERACTION)]
    pairs = sum((one * other).sum(1) for one, other in itertools.combinations(v, 2))
    return model.bias.numpy() + sum(w)[:, 0] + pairs


def losses(logits, data):
    """Cross-entropy; whoever watched at all is a positive."""
    p = 1 / (1 + np.exp(-logits))
    return -np.log(np.where(data.label > 0, p, 1 - p))
