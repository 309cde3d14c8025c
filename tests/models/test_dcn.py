"""What the registry-driven suite does not ask of DCN: the widths of embeddings, and lists."""

import json

import numpy as np
import pytest

from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    HashedColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import DCN, DCNV2

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

ROWS = 40
RNG = np.random.default_rng(0)
VIDEOS = np.array([f"v{i}" for i in range(16)])
RAW = {
    "user_id": RNG.choice(["u", "v", "w"], ROWS),
    "history": RNG.choice(["v1", "v2", "v3", ""], [ROWS, 5]),
    "video_id": np.append(VIDEOS, RNG.choice(VIDEOS, ROWS - 16)),
    "query": RNG.choice(["x", "y"], ROWS),
    "length": RNG.lognormal(4, 1, ROWS).astype(np.float32),
}
SPEC = FeatureSpec(
    query=(
        EmbeddingColumn(VocabularyColumn("user_id"), 5),
        EmbeddingColumn(BagColumn(VocabularyColumn("history", space="video"), 4)),
        EmbeddingColumn(HashedColumn("query", 81)),
    ),
    candidate=(
        EmbeddingColumn(VocabularyColumn("video_id", space="video")),
        NumericColumn("length"),
    ),
)
FEATURES = Features.fit(SPEC, RAW)
BOTH = pytest.mark.parametrize("cls", [DCN, DCNV2])


def randomise(model):
    """Makes all weights of the size of one."""
    model(RAW)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 2)
    return model


@BOTH
def test_width_of_the_embeddings(cls):
    model = cls(FEATURES, hidden_units=(4,))
    # As declared; 6 · 16^(1/4) = 12; 6 · 81^(1/4) = 18.
    widths = {name: table.dimension for name, table in model.tables.items()}
    assert widths == {"user_id": 5, "video": 12, "query_hashed": 18}
    assert model.dense(model.encode(RAW)).shape == (ROWS, 5 + 12 + 18 + 12 + 3)
    config = json.loads(json.dumps(model.get_config()))
    assert config["embedding_dim"] is None
    again = cls.from_config(config)
    assert {name: table.dimension for name, table in again.tables.items()} == widths

    given = cls(FEATURES, embedding_dim=7, hidden_units=(4,))
    widths = {name: table.dimension for name, table in given.tables.items()}
    assert widths == {"user_id": 5, "video": 7, "query_hashed": 7}


@BOTH
def test_a_list_of_candidates_is_scored_as_its_rows(cls):
    model = randomise(cls(FEATURES, embedding_dim=3, hidden_units=(6, 4), num_cross_layers=2))
    candidates = {"video_id", "length"}
    at = np.random.default_rng(0).integers(0, ROWS, [7, 5])
    lists = {key: v[at] if key in candidates else v[:7] for key, v in RAW.items()}
    rows = {
        key: v[at.ravel()] if key in candidates else np.repeat(v[:7], 5, axis=0)
        for key, v in RAW.items()
    }
    logits = model(lists)
    assert logits.shape == (7, 5)
    assert np.std(logits, axis=1).min() > 0.01
    np.testing.assert_allclose(tf.reshape(logits, [-1]), model(rows), rtol=1e-5, atol=1e-5)


def test_defaults_are_the_papers():
    model = DCN(FEATURES)
    model(RAW)
    # Tables 3·5, 16·12 and 81·18; six cross layers over 50; 50 → 1024 → 1024; the logit; the bias.
    tower = 51 * 1024 + 1025 * 1024
    expected = 15 + 192 + 1458 + 6 * 100 + tower + (50 + 1024) + 1
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == expected


@BOTH
def test_layers_do_not_start_equal_and_come_again(cls):
    models = [cls(FEATURES, num_cross_layers=3, hidden_units=(50,), seed=s) for s in (1, 1, 2)]
    one, same, other = (model(RAW).numpy() for model in models)
    np.testing.assert_array_equal(one, same)
    assert np.any(one != other)
    kernels = [cross.get_weights()[0].ravel()[:50] for cross in models[0].crosses]
    kernels.append(models[0].tower.layers[0].kernel.numpy().ravel()[:50])
    for i in range(4):
        for j in range(i):
            assert not np.any(kernels[i] == kernels[j])


@BOTH
def test_l2_is_a_penalty_on_tables_and_kernels(cls):
    model = randomise(cls(FEATURES, l2=0.5, embedding_dim=3, hidden_units=(4,)))
    # Whatever is not a bias of some layer.
    kernels = [v for v in model.trainable_variables if len(v.shape) > 1]
    expected = 0.5 * sum(np.sum(kernel.numpy() ** 2) for kernel in kernels)
    np.testing.assert_allclose(tf.add_n(model.losses), expected, rtol=1e-5)


@BOTH
def test_wrong_number_of_cross_layers(cls):
    with pytest.raises(ValueError, match="`num_cross_layers`.* must be positive. Received: .*0"):
        cls(FEATURES, num_cross_layers=0)
