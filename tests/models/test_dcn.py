"""What the registry-driven suite does not ask of DCN: the widths of embeddings."""

import json

import numpy as np
import pytest

from tfrec_zoo import checkpoints
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
from tfrec_zoo.serving import export, load

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
def test_wrong_number_of_cross_layers(cls):
    with pytest.raises(ValueError, match="`num_cross_layers`.* must be positive. Received: .*0"):
        cls(FEATURES, num_cross_layers=0)


def test_running_means_are_saved_and_served(tmp_path):
    model = DCN(FEATURES, hidden_units=(8,), normalization="batch", seed=0)
    model.compile("adam")
    label = (RAW["user_id"] == "u").astype(np.float32)
    model.fit(RAW, label, batch_size=8, epochs=2, verbose=0)
    assert np.abs(model.tower.norms[0].norm.moving_mean).max() > 0
    expected = model.predict(RAW, verbose=0)
    checkpoints.save(model, tmp_path / "checkpoint")
    restored = checkpoints.restore(tmp_path / "checkpoint")
    np.testing.assert_array_equal(restored.predict(RAW, verbose=0), expected)
    served = load(export(model, tmp_path / "model"))
    np.testing.assert_allclose(served.score(RAW), expected, rtol=1e-5)
