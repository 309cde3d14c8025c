"""Columns of one name in several tables, or of a derived feature's, are features apart."""

import numpy as np
import pandas as pd

from tfrec_zoo.data import Catalogue, Log, interaction_examples, labelled_examples
from tfrec_zoo.data.entities import event_columns, item_table, user_table

EVENTS = pd.DataFrame(
    {"user_id": ["a", "b"], "item_id": ["x", "y"], "time": [1, 2], "weight": [5, 1],
     "country": ["IT", "ES"]}
)  # fmt: skip
LOG = Log(
    "mine",
    EVENTS,
    users=pd.DataFrame(
        {"user_id": ["a", "b"], "country": ["DE", "FR"], "item_id": ["q", "r"],
         "history_kind": [1, 2], "exclude": ["n", "m"]}
    ),
    items=pd.DataFrame(
        {"kind": ["p", "q"], "country": ["US", "UK"], "item_id": ["x", "y"],
         "history": ["long", "short"], "user_id": ["z", "a"], "title": ["X", "Y"]}
    ),
)  # fmt: skip


def test_names_that_are_taken_get_that_of_their_table() -> None:
    assert user_table(LOG).columns.tolist() == [
        "user_id", "country", "user_item_id", "user_history_kind", "user_exclude",
    ]  # fmt: skip
    assert item_table(LOG).columns.tolist() == [
        "kind", "item_country", "item_id", "item_history", "item_user_id", "title",
    ]  # fmt: skip
    assert event_columns(LOG, LOG.interactions).columns.tolist() == [
        "user_id", "item_id", "time", "weight", "event_country",
    ]  # fmt: skip
    plain = Log("plain", EVENTS)
    assert user_table(plain) is plain.users and item_table(plain) is plain.items


def test_examples_have_both() -> None:
    raw = interaction_examples(LOG, np.array([0, 1])).raw(["country", "item_country"])
    assert raw["country"].tolist() == ["DE", "FR"]
    assert raw["item_country"].tolist() == ["US", "UK"]
    raw = labelled_examples(LOG).raw(["country", "event_country"])
    assert (raw["country"].tolist(), raw["event_country"].tolist()) == (["DE", "FR"], ["IT", "ES"])


def test_the_catalogue_knows_its_titles_and_ids_in_any_column() -> None:
    catalogue = Catalogue.of(LOG)
    assert catalogue.ids.tolist() == ["x", "y"] and catalogue.titles is not None
    assert catalogue.titles.tolist() == ["X", "Y"]
    assert sorted(catalogue.attribute_tables) == [
        "history_item_country", "history_item_history", "history_item_user_id", "history_kind",
    ]  # fmt: skip
