"""score(i) = u / |u| · v_i / |v_i| / τ, u and v two layers over the features of a side."""

import numpy as np

from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    FeatureSpec,
    IndicatorColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import TwoTower

SPEC = FeatureSpec(
    (
        EmbeddingColumn(BagColumn(VocabularyColumn("history", space="video"), 4), 4),
        EmbeddingColumn(VocabularyColumn("last_watched", space="video"), 4),
        EmbeddingColumn(VocabularyColumn("country"), 3),
        NumericColumn("age"),
        NumericColumn("example_age", powers=False, serving=0.0),
        IndicatorColumn(VocabularyColumn("device", dtype="int64")),
    ),
    (
        EmbeddingColumn(VocabularyColumn("video_id", space="video"), 4),
        EmbeddingColumn(VocabularyColumn("channel"), 2),
        NumericColumn("length"),
    ),
)

PAPER_DEFAULTS = {"hidden_units": (1024, 512, 128), "normalize": True, "negatives": "in-batch"}
VARIANTS = {"plain": {"normalize": False}, "in-batch": {"negatives": "in-batch"}}


def build(features):
    return TwoTower(features, hidden_units=(8, 4), negatives=None, temperature=0.5, seed=1)


# x is history 4 + last 4 + country 3 + age 3 + example age 1 + device 2 = 17 wide, y is
# video 4 + channel 2 + length 3 = 9 wide. Embeddings 12·4 + 3·3 + 4·2 = 65;
# towers (17 + 1)·8 + (8 + 1)·4 = 180 and (9 + 1)·8 + (8 + 1)·4 = 116.
num_parameters = 65 + 180 + 116


def forward(model, raw):
    x, y = raw.query(model.tables), items(model, raw)
    u, v = (tower(side, z) for side, z in ((model.query_tower, x), (model.item_tower, y)))
    if model.normalize:
        u, v = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (u, v))
    return u @ v.T / model.temperature


def items(model, raw):
    """[12, 9] what is known of each video: nothing of v0."""
    numbers = np.array([int(token[1:]) for token in raw.features.vocabularies["video"].tokens])
    rows = type(raw)(
        raw.features,
        {
            "video_id": np.array([f"v{i}" for i in numbers]),
            "channel": np.where(numbers > 0, np.char.add("c", (numbers % 4).astype("U")), ""),
            "length": np.where(numbers > 0, np.exp(numbers / 2), np.nan),
        },
    )
    tables = {
        name: np.concatenate([np.zeros([1, t.dimension]), t.table.numpy().astype(np.float64)])
        for name, t in model.tables.items()
    }
    return np.concatenate(
        [
            tables["video"][rows.ids("video_id", "video")],
            tables["channel"][rows.ids("channel")],
            rows.powers("length"),
        ],
        axis=1,
    )


def tower(layers, x):
    hidden, top = layers.layers
    x = np.maximum(x @ hidden.kernel.numpy() + hidden.bias.numpy(), 0)
    return x @ top.kernel.numpy() + top.bias.numpy()
