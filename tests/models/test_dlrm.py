"""What the registry-driven suite does not ask of DLRM: which columns there are, and lists."""

import numpy as np
import pytest

from tfrec_zoo import checkpoints
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    IndicatorColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import DLRM

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

ROWS = 40
RNG = np.random.default_rng(0)
RAW = {
    "user_id": RNG.choice(["u", "v", "w"], ROWS),
    "history": RNG.choice(["a", "b", "c", ""], [ROWS, 5]),
    "age": RNG.uniform(10, 80, ROWS).astype(np.float32),
    "video_id": np.append(["a", "b", "c"], RNG.choice(["a", "b", "c"], ROWS - 3)),
    "length": RNG.lognormal(4, 1, ROWS).astype(np.float32),
}
USER = EmbeddingColumn(VocabularyColumn("user_id"))
HISTORY = EmbeddingColumn(BagColumn(VocabularyColumn("history", space="video"), 4))
VIDEO = EmbeddingColumn(VocabularyColumn("video_id", space="video"))
AGE, LENGTH = NumericColumn("age"), NumericColumn("length")


def dlrm(query, candidate, **kwargs):
    spec = FeatureSpec(tuple(query), tuple(candidate))
    features = Features.fit(spec, {key: RAW[key] for key in spec.raw})
    arguments = {"embedding_dim": 3, "bottom_units": (5,), "hidden_units": (6,), "seed": 1}
    return DLRM(features, **{**arguments, **kwargs})


def randomise(model):
    """Makes all weights of the size of one."""
    model(RAW)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 2)
    return model


def num_parameters(model):
    model(RAW)
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_without_numbers_there_is_no_bottom(tmp_path):
    model = randomise(dlrm([USER, HISTORY], [VIDEO]))
    # Vectors of 3 users and 3 videos; 3 pairs → 6; the logit; the bias.
    assert num_parameters(model) == 6 * 3 + (3 * 6 + 6) + 6 + 1
    v = model.fields(model.encode(RAW)).numpy().astype(np.float64)
    dots = [[row[0] @ row[1], row[0] @ row[2], row[1] @ row[2]] for row in v]
    layer = model.top.layers[0]
    h = np.maximum(np.array(dots) @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    expected = h @ model.logit.dense.kernel.numpy()[:, 0] + model.bias.numpy()
    assert np.std(expected) > 0.01
    np.testing.assert_allclose(model(RAW), expected, rtol=1e-5, atol=1e-5)
    checkpoints.save(model, tmp_path / "model")
    np.testing.assert_array_equal(checkpoints.restore(tmp_path / "model")(RAW), model(RAW))


def test_one_embedding_and_a_number_are_a_pair():
    # Vectors of 3 videos; age of 3 powers → 5 → 3; 3 + 1 pair → 6; the logit; the bias.
    model = dlrm([AGE], [VIDEO])
    assert num_parameters(model) == 3 * 3 + (4 * 5 + 6 * 3) + (5 * 6) + 6 + 1


@pytest.mark.parametrize(
    ("query", "candidate"),
    [
        ([USER, HISTORY, AGE], [VIDEO, LENGTH]),
        ([USER, HISTORY, AGE], [VIDEO]),
        ([USER, HISTORY], [VIDEO, LENGTH]),
        ([USER, HISTORY], [VIDEO]),
        ([USER, HISTORY], [LENGTH]),
    ],
)
def test_a_list_of_candidates_is_scored_as_its_rows(query, candidate):
    model = randomise(dlrm(query, candidate))
    at = np.random.default_rng(0).integers(0, ROWS, [7, 5])
    raw = {key: RAW[key] for key in model.features.spec.raw}
    of_candidate = {"video_id", "length"}
    lists = {key: v[at] if key in of_candidate else v[:7] for key, v in raw.items()}
    rows = {
        key: v[at.ravel()] if key in of_candidate else np.repeat(v[:7], 5, axis=0)
        for key, v in raw.items()
    }
    logits = model(lists)
    assert logits.shape == (7, 5)
    assert np.std(logits, axis=1).max() > 0.01
    np.testing.assert_allclose(tf.reshape(logits, [-1]), model(rows), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("query", "candidate"),
    [
        ([AGE], [LENGTH]),
        ([IndicatorColumn(VocabularyColumn("user_id"))], [LENGTH]),
        ([VocabularyColumn("user_id")], [VIDEO]),
    ],
)
def test_without_a_pair(query, candidate):
    with pytest.raises(ValueError, match="must be an embedding column, and .*. Received: .*Column"):
        dlrm(query, candidate)


def test_another_width():
    other = EmbeddingColumn(VocabularyColumn("user_id"), 4)
    with pytest.raises(ValueError, match="must have the width 3.* Received: .*user_id.*: 4"):
        dlrm([other], [VIDEO])
