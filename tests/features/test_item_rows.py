import json

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    NumericColumn,
    VectorColumn,
    VocabularyColumn,
)

SPEC = FeatureSpec(
    (VocabularyColumn("user_id"),),
    (
        EmbeddingColumn(VocabularyColumn("item", dtype="int64")),
        EmbeddingColumn(VocabularyColumn("maker")),
        EmbeddingColumn(BagColumn(VocabularyColumn("tags"))),
        NumericColumn("price"),
        VectorColumn("picture", 2),
    ),
)
ITEMS = pd.DataFrame(
    {
        "item": [5, 7, 9],
        "maker": ["b", None, "a"],
        "tags": [["new"], [], ["old", "red"]],
        "price": [2.5, np.nan, 1.0],
        "picture": [[1.0, 0.5], [0.0, 2.0], None],
        "stock": [1, 2, 3],
    }
)


@pytest.fixture
def features():
    # Item 9 is most frequent, then 5; of 8 there is no row.
    counted = {key: ITEMS[key] for key in ("maker", "tags", "price", "picture")}
    return Features.fit(
        SPEC, {**counted, "user_id": ["u"], "item": [9, 9, 9, 5, 5, 8]}, items=ITEMS
    )


def test_rows_follow_the_vocabulary(features):
    assert features.vocabularies["item"].tokens == (9, 5, 8)
    assert set(features.items) == {"maker", "tags", "price", "picture"}
    assert features.items["maker"].tolist() == ["a", "b", ""]
    assert features.items["tags"].tolist() == [["old", "red"], ["new", ""], ["", ""]]
    np.testing.assert_array_equal(features.items["price"], [1.0, 2.5, np.nan])
    np.testing.assert_array_equal(features.items["picture"], [[0, 0], [1, 0.5], [0, 0]])


def test_come_again_from_json_and_from_a_folder(features, tmp_path):
    config = json.loads(json.dumps(features.to_config(), allow_nan=False))
    features.save(tmp_path)
    for again in (Features.from_config(config), Features.load(tmp_path)):
        assert again == features
        for key, values in features.items.items():
            assert again.items[key].dtype == values.dtype
            np.testing.assert_array_equal(again.items[key], values)


def test_equality_looks_at_the_rows(features):
    dearer = ITEMS.assign(price=[2.5, np.nan, 3.0])
    counted = {key: ITEMS[key] for key in ("maker", "tags", "price", "picture")}
    data = {**counted, "user_id": ["u"], "item": [9, 9, 9, 5, 5, 8]}
    assert Features.fit(SPEC, data, items=dearer) != features
    assert Features.fit(SPEC, data) != features
    assert Features.fit(SPEC, data, items=ITEMS) == features


def test_without_items_there_are_no_rows():
    spec = FeatureSpec((VocabularyColumn("user_id"),), (VocabularyColumn("item"),))
    features = Features.fit(spec, {"user_id": ["u"], "item": ["a"]})
    assert features.items == {}
    assert "items" not in features.to_config()


def test_the_ids_must_be_there():
    with pytest.raises(KeyError, match="must hold the ids of the items, 'item'. Received: "):
        Features.fit(SPEC, ITEMS.assign(user_id="u"), items=ITEMS.drop(columns="item"))
