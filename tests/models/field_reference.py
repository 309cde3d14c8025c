"""Fields in plain NumPy, and a spec with one of every kind: what references of rankers share."""

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

CHANNEL = VocabularyColumn("channel")
SPEC = FeatureSpec(
    query=(
        EmbeddingColumn(BagColumn(VocabularyColumn("history", space="video"), 4)),
        EmbeddingColumn(VocabularyColumn("country")),
        NumericColumn("age"),
        VocabularyColumn("last_watched", space="video"),  # bare: a weight, no vector
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
            mass=False,
        ),
    ),
)
INTERACTION = "watched_channels_bag4_and_channel"

# Width of each vector: 3. Number of fields: 8.
DIM, FIELDS = 3, 8
# Video 12, which is the history's too, country 3, channel 4, age 3, device 2, length 3, count 3 and
# age of the latest 3 = 33 vectors.
NUM_VECTORS = 33
# History 12, country 3, age 3, last watched 12, device 2, video 12, channel 4, length 3,
# interaction 6.
NUM_WEIGHTS = 57


def mean(vectors, ids):
    """Of the ids that aren't 0; 0 where there is none."""
    count = np.maximum((ids > 0).sum(1), 1)
    return vectors[ids].sum(1) / count[:, None]


def rows(table):
    """The rows of a table, and before them the zero vector of id 0."""
    table = table.table.numpy().astype(np.float64)
    return np.concatenate([np.zeros_like(table[:1]), table])


def numbers(model, raw):
    """The fields that are numbers times a kernel: their components by name."""
    return {
        "age": raw.powers("age"),
        "device_indicator": np.eye(3)[raw.ids("device")][:, 1:],
        "length": raw.powers("length"),
        # The last six of the candidate's are the interaction's.
        INTERACTION: raw.candidate(model.tables)[:, -6:],
    }


def vectors(model, raw):
    """The eight [rows, 3] vectors of the fields, in the order of the columns."""
    x = {
        name: value @ model.fields.kernels[name].kernel.numpy()
        for name, value in numbers(model, raw).items()
    }
    video, country, channel = (rows(model.tables[n]) for n in ("video", "country", "channel"))
    return [
        mean(video, raw.bag("history", "video")),
        country[raw.ids("country")],
        x["age"],
        x["device_indicator"],
        video[raw.ids("video_id", "video")],
        channel[raw.ids("channel")],
        x["length"],
        x[INTERACTION],
    ]


def linear(model, raw):
    """[rows] w · x over all columns."""
    x, weights = numbers(model, raw), model.linear.tables
    w = [
        mean(rows(weights["history_bag4"]), raw.bag("history", "video")),
        rows(weights["country"])[raw.ids("country")],
        rows(weights["last_watched"])[raw.ids("last_watched", "video")],
        rows(weights["device"])[raw.ids("device")],
        rows(weights["video_id"])[raw.ids("video_id", "video")],
        rows(weights["channel"])[raw.ids("channel")],
    ]
    kernels = model.linear.fields.kernels
    w += [x[name] @ kernels[name].kernel.numpy() for name in ("age", "length", INTERACTION)]
    return sum(w)[:, 0]


def relu_tower(tower, x):
    """The layers of a `Tower` in turn."""
    for layer in tower.layers:
        x = np.maximum(x @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    return x


def dot(layer, h):
    """[rows] w · h of a `Logit`."""
    return (h @ layer.dense.kernel.numpy())[:, 0]


def losses(logits, data):
    """Cross-entropy; whoever watched at all is a positive."""
    p = 1 / (1 + np.exp(-logits))
    return -np.log(np.where(data.label > 0, p, 1 - p))
