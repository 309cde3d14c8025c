"""What is fitted of a row in NumPy is what TensorFlow makes of that row in the model.

Crosses and interactions are counted before there is a model, so each has a form in NumPy and one in
TensorFlow. Both see the same random rows: bags that are empty, hold missing, unknown and repeated
values, ages that are missing or left out.
"""

import math

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    CrossedColumn,
    DenseFeatures,
    Features,
    FeatureSpec,
    InteractionColumn,
    Preprocessor,
    Vocabulary,
    VocabularyColumn,
)
from tfrec_zoo.features.combinations import CombinationCounter
from tfrec_zoo.features.interactions import InteractionValues

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

ROWS, CANDIDATES = 250, 3
VOCABULARIES = {
    "video": Vocabulary(("a", "b", "é")),
    "number": Vocabulary((7, 0, 2**40), "int64"),
    "tags": Vocabulary(("p", "q")),
}
VIDEO = VocabularyColumn("video_id", space="video")
NUMBER = VocabularyColumn("number", "int64")
WATCHED = BagColumn(VocabularyColumn("watched", space="video"), max_length=3)
RATED = BagColumn(VocabularyColumn("rated", "int64", space="number"), max_length=2)
TAGS = BagColumn(VocabularyColumn("tags"), max_length=2)
AGE = BucketizedColumn("age", (18.0, 30.5))


def random_rows(seed: int) -> dict[str, np.ndarray]:
    """Rows of a query and a list of candidates each; of bags, the first rows are empty."""
    rng = np.random.default_rng(seed)
    videos, tags = np.array(["a", "b", "é", "?", ""], object), np.array(["p", "q", "?", ""], object)
    numbers = np.array([7, 0, 2**40, 5, -1, -9])
    rows: dict[str, np.ndarray] = {
        "watched": rng.choice(videos, [ROWS, 6]),
        "ages": rng.integers(1, 128, [ROWS, 6]).astype(np.float64),
        "rated": rng.choice(numbers, [ROWS, 4]),
        "age": rng.choice(np.array([np.nan, 17, 18, 30, 30.5, 99], np.float32), ROWS),
        "video_id": rng.choice(videos, [ROWS, CANDIDATES]),
        "number": rng.choice(numbers, [ROWS, CANDIDATES]),
        "tags": rng.choice(tags, [ROWS, CANDIDATES, 3]),
    }
    rows["ages"][rng.random(rows["ages"].shape) < 0.3] = np.nan
    rows["watched"][:20], rows["rated"][:20] = "", -1
    rows["tags"][:20] = ""
    return rows


QUERY = ("watched", "ages", "rated", "age")


def tensors(rows: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
    return {key: tf.constant(value) for key, value in rows.items()}


@pytest.mark.parametrize(
    "column",
    [
        CrossedColumn((VIDEO, NUMBER), top_n=9),
        CrossedColumn((WATCHED, VIDEO), top_n=9),
        CrossedColumn((VIDEO, RATED, AGE), top_n=9),
        CrossedColumn((AGE, WATCHED, TAGS), top_n=9),
        CrossedColumn((WATCHED, RATED, AGE), top_n=9),
    ],
    ids=lambda column: column.name,
)
def test_combinations_are_counted_as_they_are_crossed(column: CrossedColumn) -> None:
    rows = random_rows(1)
    # Three videos, numbers and buckets, and two tags.
    sizes = [2 if part is TAGS else 3 for part in column.columns]
    # All keys are known, in their order, so that the id of a combination is its key.
    keys = Vocabulary(tuple(range(1, math.prod(sizes) + 1)), "int64")
    spec = FeatureSpec((), (column,))
    known = {c.space: VOCABULARIES[c.space] for c in spec.vocabulary_columns}
    preprocessor = Preprocessor(Features(spec, {**known, column.space: keys}, {}))
    used = {key: rows[key] for key in spec.raw}
    served = preprocessor(tensors(used))["ids"][column.name].numpy()
    is_list = not all(part.key in QUERY for part in column.columns)
    assert served.ndim == (3 if is_list else 2)
    number = 0
    for i in range(ROWS):
        for j in range(CANDIDATES if is_list else 1):
            counter = CombinationCounter(column, known)
            counter.update(
                {key: v[i : i + 1] if key in QUERY else v[i : i + 1, j] for key, v in used.items()}
            )
            counted = counter.counter.counts
            expected = sorted(key for key in (served[i, j] if is_list else served[i]) if key)
            # Each once, on both sides.
            assert sorted(counted.index) == expected and (counted == 1).all()
            number += len(expected)
    assert number > ROWS / 10


@pytest.mark.parametrize("width", [6, 4, 0], ids=["all ages", "some left out", "none"])
def test_interactions_are_fitted_as_they_are_fed(width: int) -> None:
    rows = random_rows(2)
    rows["ages"] = rows["ages"][:, :width]
    column = InteractionColumn(WATCHED, VIDEO, "ages", mass=False)
    spec = FeatureSpec((), (column,))
    # Between quantiles at 0, 8 and 0, 128 the layer's first power is count / 8 and age / 128.
    quantiles = {column.statistics[0]: (0.0, 8.0), column.statistics[1]: (0.0, 128.0)}
    known = {"video": VOCABULARIES["video"]}
    features = Features(spec, known, quantiles)
    raw = tensors({key: rows[key] for key in column.keys})
    fed = DenseFeatures(features, spec.columns, {})(Preprocessor(features)(raw)).numpy()
    assert fed.shape == (ROWS, CANDIDATES, 6)
    values = InteractionValues(column, known)
    for j in range(CANDIDATES):
        fitted = values.of({**rows, "video_id": rows["video_id"][:, j]})
        count, age = fed[:, j, 0] * 8, fed[:, j, 3] * 128
        np.testing.assert_array_equal(fitted[column.statistics[0]], count)
        # Of a row without an age the layer's is 0; all others are from 1 up.
        np.testing.assert_array_equal(fitted[column.statistics[1]], age[age > 0])
        assert len(np.unique(count)) == 4 and ((age > 0).sum() > ROWS / 10) == (width > 0)


def test_interactions_of_numbers_are_fitted_as_they_are_fed() -> None:
    rows = random_rows(3)
    column = InteractionColumn(RATED, NUMBER, mass=False)
    spec, known = FeatureSpec((), (column,)), {"number": VOCABULARIES["number"]}
    features = Features(spec, known, {column.statistics[0]: (0.0, 8.0)})
    raw = tensors({key: rows[key] for key in column.keys})
    fed = DenseFeatures(features, spec.columns, {})(Preprocessor(features)(raw)).numpy()
    for j in range(CANDIDATES):
        frame = pd.DataFrame({"rated": rows["rated"].tolist(), "number": rows["number"][:, j]})
        [fitted] = InteractionValues(column, known).of(frame).values()
        np.testing.assert_array_equal(fitted, fed[:, j, 0] * 8)
        assert set(fitted) == {0, 1, 2}
