"""One catalogue of the items' features, for examples and for serving."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Catalogue, Log
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    NumericColumn,
    Preprocessor,
    Vocabulary,
    VocabularyColumn,
)

NAN = np.nan
ITEMS = pd.DataFrame(
    {
        "item_id": list("qprs"),
        "title": ["Q", None, "R", "S"],
        "channel": ["k", "m", None, "k"],
        "tags": [["w"], [], ["w", "z"], None],
        "price": [1.5, 2, NAN, 4],
        "upload_time": pd.array([5, None, 7, 2**40 + 1], "Int64"),
    }
)
WATCHES = pd.DataFrame({"user_id": ["a"], "item_id": ["p"], "time": [1.0]})
LOG = Log("tiny", WATCHES, items=ITEMS)


def test_the_columns_are_raw_features_in_the_order_of_the_log() -> None:
    catalogue = Catalogue.of(LOG)
    assert len(catalogue) == 4 and catalogue.key == "item_id"
    assert set(catalogue.columns) == set(ITEMS.columns)
    assert catalogue.ids.tolist() == list("qprs")
    assert catalogue.columns["channel"].tolist() == ["k", "m", "", "k"]
    assert catalogue.columns["tags"].tolist() == [["w", ""], ["", ""], ["w", "z"], ["", ""]]
    np.testing.assert_array_equal(catalogue.columns["price"], [1.5, 2, NAN, 4])
    assert catalogue.upload_time is not None and catalogue.titles is not None
    # As a feature a float32, as a time exact.
    np.testing.assert_array_equal(catalogue.upload_time, [5, NAN, 7, 2**40 + 1])
    assert catalogue.titles.tolist() == ["Q", "", "R", "S"]


def test_a_log_of_ids_alone() -> None:
    catalogue = Catalogue.of(Log("ids", WATCHES.assign(item_id=7)))
    assert catalogue.ids.tolist() == [7] and catalogue.ids.dtype == np.int64
    assert catalogue.titles is None and catalogue.upload_time is None
    assert catalogue.attribute_tables == {} and catalogue.attributes_of([7]) == {}


def test_items_are_found_by_their_ids() -> None:
    catalogue = Catalogue.of(LOG)
    assert catalogue.index(np.array(list("ssq"), object)).tolist() == [3, 3, 0]
    assert catalogue.index([]).tolist() == []
    assert catalogue.find(["x", "p", ""]).tolist() == [-1, 1, -1]
    with pytest.raises(ValueError, match="row in `items`. Received: 'x', one of 2 without"):
        catalogue.index(["p", "x", "y", "x"])


def test_rows_are_the_features_of_items() -> None:
    catalogue = Catalogue.of(LOG)
    rows = catalogue.rows(np.array([2, 0, 2]), leave_out=("upload_time", "title"))
    assert set(rows.values) == {"item_id", "channel", "tags", "price"}
    used = rows.used(set(rows.values))
    # Text is counted by the row of the table, numbers are of one example each.
    assert used["item_id"].values.tolist() == list("qprs")
    assert used["item_id"].times.tolist() == used["tags"].times.tolist() == [1, 0, 2, 0]
    assert used["tags"].values.tolist() == [["w", ""], ["", ""], ["w", "z"], ["", ""]]
    np.testing.assert_array_equal(used["price"], [NAN, 1.5, NAN])


def test_attributes_of_a_history() -> None:
    catalogue = Catalogue.of(LOG)
    attributes = catalogue.attributes_of(list("sxrp"))
    assert {k: v.tolist() for k, v in attributes.items()} == {"history_channel": ["k", "", "", "m"]}


def test_the_items_of_a_vocabulary_in_its_order() -> None:
    part = Catalogue.of(LOG).of_vocabulary(Vocabulary(("r", "q")))
    assert part.ids.tolist() == ["r", "q"] and part.columns["channel"].tolist() == ["", "k"]
    assert part.upload_time is not None and part.upload_time.tolist() == [7, 5]
    assert part.index(["q"]).tolist() == [1]
    with pytest.raises(ValueError, match="row in `items`. Received: 'z', one of 1 without"):
        Catalogue.of(LOG).of_vocabulary(Vocabulary(("r", "z")))
    without = dataclasses.replace(LOG, items=ITEMS.drop(columns="upload_time"))
    assert Catalogue.of(without).of_vocabulary(Vocabulary(("p",))).upload_time is None


def preprocessor(*candidate: object) -> Preprocessor:
    spec = FeatureSpec((NumericColumn("age"),), candidate)  # type: ignore[arg-type]
    data = {
        "age": [1.0],
        "item_id": list("ssq"),
        "channel": ["m", "m", "k"],
        "tags": ["z"],
        **dict.fromkeys(("price", "score", "place"), [1.0, 2.0]),
    }
    return Preprocessor(Features.fit(spec, data))


def test_encoded_rows_are_those_of_the_items() -> None:
    item, channel = VocabularyColumn("item_id"), EmbeddingColumn(VocabularyColumn("channel"))
    tags = EmbeddingColumn(BagColumn(VocabularyColumn("tags"), 5))
    encode = preprocessor(item, channel, tags, NumericColumn("price"), NumericColumn("score"),
                          NumericColumn("place", serving=0.0))  # fmt: skip
    part = Catalogue.of(LOG).of_vocabulary(Vocabulary(("r", "q")))
    encoded = part.encoded(encode, leave_out=("score",))
    ids = {name: value.numpy().tolist() for name, value in encoded["ids"].items()}
    # s is 1 and q is 2, m is 1 and k is 2, z is 1.
    assert ids == {"item_id": [0, 2], "channel": [0, 2], tags.categorical.name: [[0, 1], [0, 0]]}
    assert set(encoded["values"]) == {"price"}
    np.testing.assert_array_equal(encoded["values"]["price"], np.array([NAN, 1.5], np.float32))


def test_candidate_features_that_are_no_columns() -> None:
    encode = preprocessor(NumericColumn("place"), NumericColumn("score"))
    catalogue = Catalogue.of(LOG)
    assert catalogue.encoded(encode, leave_out=("score", "place")) == {"ids": {}, "values": {}}
    message = r"columns of `log.items`, or derived \(score\). Received others: \['place'\]"
    with pytest.raises(ValueError, match=message):
        catalogue.encoded(encode, leave_out=("score",))
    with pytest.raises(ValueError, match=r"columns of `log.items`. Received others: \['place', 's"):
        catalogue.encoded(encode)
