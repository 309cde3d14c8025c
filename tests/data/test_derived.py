"""What training derives of a log's rows, serving derives of the same history as tensors."""

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Catalogue, Log, impression_examples, next_watch_examples
from tfrec_zoo.data.derived import attribute_tables, item_age, last_of, moment_of

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

NAN = np.nan


def random_log(seed: int, text: bool) -> Log:
    """Users with up to dozens of watches, of items some of which have no row of their own."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"v{i}" for i in range(30)], object) if text else np.arange(30)

    def events(n: int, known: int) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "user_id": np.minimum(rng.geometric(0.2, n), 12),
                "item_id": ids[rng.integers(known, size=n)],
                "time": rng.integers(1000, size=n),
                "clicked": rng.integers(2, size=n),
            }
        )

    order = rng.permutation(25)
    items = pd.DataFrame(
        {
            "item_id": ids[order],
            "title": [f"Item {i}" for i in order],
            "channel": rng.choice(np.array(["news", "chess", "", None], object), 25),
            "topic": rng.choice(["x", "y", "z"], 25),
            "shelf": rng.integers(9, size=25),
            "tags": [["p"], [], ["q", "r"], None, []] * 5,
            "upload_time": rng.choice([NAN, 3.0, 500.5, 900.0], 25),
        }
    )
    return Log("random", events(300, 30), items=items, impressions=events(200, 25))


@pytest.mark.parametrize("text", [True, False], ids=["text", "numbers"])
@pytest.mark.parametrize("seed", range(3))
def test_serving_derives_of_a_history_what_examples_hold(seed: int, text: bool) -> None:
    log = random_log(seed, text)
    catalogue = Catalogue.of(log)
    rows = np.flatnonzero(log.interactions["item_id"].isin(catalogue.ids))
    shown = impression_examples(log, max_history=7).raw()
    for raw in (shown, next_watch_examples(log, rows, max_history=7).raw()):
        history = tf.constant(raw["history"])
        last = last_of(history).numpy()
        last = last.astype(str).astype(object) if text else last
        np.testing.assert_array_equal(last, raw["last_watched"])
        assert len(set(last.tolist())) > 10
        moment = moment_of(tf.constant(raw["history_age"]), history, longest=7)
        for key, values in moment.items():
            np.testing.assert_array_equal(values, raw[key])
        assert np.isnan(raw["since_last"]).any() and np.nanmax(raw["since_last"]) > 0
        assert set(raw["num_before"]) == set(range(8))
        at = catalogue.find(raw["history"].ravel()).reshape(history.shape)
        assert (at < 0).any() and (at >= 0).any()
        derived = {key for key in raw if key.startswith("history_")} - {"history_age"}
        assert derived == set(catalogue.attribute_tables) == {"history_channel", "history_topic"}
        for key, table in catalogue.attribute_tables.items():
            looked_up = tf.gather(table, at + 1).numpy().astype(str)
            np.testing.assert_array_equal(looked_up, raw[key])
            assert len(np.unique(looked_up)) > 2
    # A request for all items at the moment of each impression.
    assert log.impressions is not None and catalogue.upload_time is not None
    now = log.impressions["time"].to_numpy()
    ages = item_age(now[:, None], catalogue.upload_time[None]).numpy()
    of_shown = ages[np.arange(len(now)), catalogue.index(log.impressions["item_id"])]
    np.testing.assert_array_equal(of_shown, shown["item_age"])
    assert np.isnan(of_shown).any() and not np.isnan(of_shown).all()


def test_attributes_are_univalent_text() -> None:
    columns = {
        "id": np.array(["b", "a"], object),
        "title": np.array(["B", "A"], object),
        "channel": np.array(["k", ""], object),
        "tags": np.array([["x", "y"], ["", ""]], object),
        "shelf": np.array([3, 4]),
        "price": np.array([1.5, 2], np.float32),
    }
    tables = attribute_tables(columns, leave_out=("id", "title"))
    assert {key: table.tolist() for key, table in tables.items()} == {
        "history_channel": ["", "k", ""]
    }


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([[1, 2, 3], [4, -1, -1], [-1, -1, -1], [0, -2, 0]], [3, 4, -1, 0]),
        ([["a", "b"], ["", "c"], ["d", ""], ["", ""]], [b"b", b"c", b"d", b""]),
        (np.zeros([2, 0], np.int64), [-1, -1]),
        (np.zeros([2, 0], "S"), [b"", b""]),
    ],
)
def test_the_last_of_a_history_is_not_what_fills_it_up(history: list, expected: list) -> None:
    assert last_of(tf.constant(history)).numpy().tolist() == expected


def test_the_moment_of_a_request() -> None:
    # Text and numbers; ages that are missing, infinite, of no item, too few and too many.
    ages = [[9.0, 5, 7, 1], [NAN, np.inf, 8, NAN], [4, 3, NAN, NAN], [NAN] * 4]
    for history in (
        [["a", "b", "c"], ["a", "b", "c"], ["", "b", ""], ["a", "", ""]],
        [[0, 1, 2], [0, 1, 2], [-1, 1, -1], [0, -1, -1]],
    ):
        found = moment_of(tf.constant(ages), tf.constant(history), longest=2)
        np.testing.assert_array_equal(found["since_last"], [5, 8, 3, NAN])
        assert found["num_before"].numpy().tolist() == [2, 2, 1, 1]
        none = moment_of(tf.zeros([4, 0], tf.float64), tf.constant(history), longest=50)
        assert np.isnan(none["since_last"]).all() and none["num_before"].dtype == tf.float64
        assert none["num_before"].numpy().tolist() == [3, 3, 1, 1]
    nothing = moment_of(tf.zeros([2, 0]), tf.zeros([2, 0], tf.string), longest=50)
    assert np.isnan(nothing["since_last"]).all() and not nothing["num_before"].numpy().any()
    # Where the items are not read, all ages count, and nobody knows their number.
    alone = moment_of(tf.constant(ages))
    np.testing.assert_array_equal(alone.pop("since_last"), [1, 8, 3, NAN])
    assert not alone


def test_ages_of_items_are_exact_for_times_since_1970() -> None:
    # Float32 alone has no seconds left at 1.7e9.
    ages = item_age(np.array([1_700_000_001, 1_700_000_000]), np.array([1_700_000_000.0, NAN]))
    np.testing.assert_array_equal(ages, np.array([1, NAN], np.float32))
