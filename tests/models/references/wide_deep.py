"""logit = w_wide · [x; φ(x)] + w_deep · ReLU tower([embeddings; numbers]) + b."""

import itertools

import field_reference as fields
import numpy as np

from tfrec_zoo.features import (
    BagColumn,
    CrossedColumn,
    EmbeddingColumn,
    FeatureSpec,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import WideDeep

losses = fields.losses
COUNTRY, VIDEO = VocabularyColumn("country"), VocabularyColumn("video_id", space="video")
DEVICE = VocabularyColumn("device", dtype="int64")
HISTORY = BagColumn(VocabularyColumn("history", space="video"), 4)
PAIRS = CrossedColumn((HISTORY, VIDEO), top_n=20)  # of the query and the candidate, from sets
TRIPLES = CrossedColumn((COUNTRY, DEVICE, VIDEO), top_n=15)
SPEC = FeatureSpec(
    query=(
        EmbeddingColumn(HISTORY, 4),
        EmbeddingColumn(COUNTRY),
        NumericColumn("age"),
        DEVICE,
    ),
    candidate=(EmbeddingColumn(VIDEO, 4), NumericColumn("length"), PAIRS, TRIPLES),
)

PAPER_DEFAULTS = {
    "hidden_units": (1024, 512, 256),  # figure 4
    "embedding_dim": 32,  # §4.2
}
VARIANTS = {"wide": {"sides": "wide"}, "deep": {"sides": "deep"}}


def build(features):
    return WideDeep(features, embedding_dim=3, hidden_units=(5, 4), seed=1)


# Wide: history 12, country 3, device 2, video 12, pairs 20, triples 15. Embeddings: 12 videos of 4,
# 3 countries of 3. The tower reads 4 + 3 + 3 + 4 + 3 = 17. And the bias.
num_parameters = 64 + (12 * 4 + 3 * 3) + (17 * 5 + 5) + (5 * 4 + 4) + 4 + 1


def crosses(model, raw, column, *values):
    """[rows] the summed weights of the combinations that are there, each once."""
    table = model.wide.tables[column.name].table.numpy()[:, 0]
    words = model.features.in_words(column, np.arange(1, len(table) + 1))
    weights = dict(zip(words, table, strict=True))
    keys = [part.key for part in column.columns]
    total = []
    for row in zip(*values, strict=True):
        found = itertools.product(*(set(value) for value in row))
        named = (" AND ".join(map("{}={}".format, keys, combination)) for combination in found)
        total.append(sum(weights.get(words, 0) for words in named))
    return np.array(total)


def forward(model, raw):
    weights, tables = model.wide.tables, model.tables
    ids = raw.bag("history", "video")
    history = [
        [v for v, i in zip(row, known, strict=True) if i]
        for row, known in zip(raw.values["history"].tolist(), ids, strict=True)
    ]
    one = {
        key: [[v] for v in raw.values[key].tolist()] for key in ("country", "device", "video_id")
    }
    video = raw.ids("video_id", "video")
    wide = (
        fields.mean(fields.rows(weights["history_bag4"]), ids)
        + fields.rows(weights["country"])[raw.ids("country")]
        + fields.rows(weights["device"])[raw.ids("device")]
        + fields.rows(weights["video_id"])[video]
    )[:, 0]
    wide += crosses(model, raw, PAIRS, history, one["video_id"])
    wide += crosses(model, raw, TRIPLES, one["country"], one["device"], one["video_id"])
    deep = [
        fields.mean(fields.rows(tables["video"]), ids),
        fields.rows(tables["country"])[raw.ids("country")],
        raw.powers("age"),
        fields.rows(tables["video"])[video],
        raw.powers("length"),
    ]
    deep = fields.relu_tower(model.tower, np.concatenate(deep, axis=1))
    return model.bias.numpy() + wide + fields.dot(model.deep_logit, deep)


def unpenalised(model):
    """The wide side is FTRL's to keep small."""
    return [table.table for table in model.wide.tables.values()] if hasattr(model, "wide") else []
