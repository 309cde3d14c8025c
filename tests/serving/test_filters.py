"""Filters by attributes of items, against a search of what they leave, by NumPy."""

import json

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo as zoo

# isort: split
import tensorflow as tf

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.log import Log
from tfrec_zoo.serving import ExactIndex, Funnel, IvfIndex, ScannIndex, export, load, serve
from tfrec_zoo.serving.filters import ItemFilters
from tfrec_zoo.serving.index import ScoreIndex

NUM_ITEMS, K = 1500, 10
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(NUM_ITEMS, 8)).astype(np.float32)
QUERY = RNG.normal(size=(6, 8)).astype(np.float32)
#: Bags of up to two genres, "rare" of 3 items; and whether they are in stock, -1 where unknown.
GENRES = [[f"g{i % 7}", f"g{i % 5}"] if i % 11 else [] for i in range(NUM_ITEMS)]
for i in (5, 700, 1400):
    GENRES[i] = ["rare"]
STOCK = np.array([i % 3 - 1 for i in range(NUM_ITEMS)])
#: What each query wants: nothing, one genre, either of two, a rare one, one that there isn't.
WANTED_GENRES = [[], ["g1", ""], ["g2", "g3"], ["rare"], ["none"], []]
WANTED_STOCK = [[], [], [1], [], [], [1, 0]]
EXCLUDE = np.array([[0, 1], [-1, -1], [2, 3], [700, -1], [-1, -1], [-1, -1]], np.int32)


def catalogue():
    longest = max(map(len, GENRES))
    genres = np.array([[*bag, *[""] * (longest - len(bag))] for bag in GENRES], object)
    ids = np.arange(NUM_ITEMS)
    return Catalogue("id", {"id": ids, "genre": genres, "stock": STOCK, "price": ids * 0.5})


def bags(values, missing):
    longest = max(map(len, values))
    return tf.constant([[*bag, *[missing] * (longest - len(bag))] for bag in values])


@pytest.fixture(scope="module")
def filters():
    return ItemFilters(catalogue(), ["genre", "stock"])


def keep(filters):
    stock = tf.cast(bags(WANTED_STOCK, -1), tf.int64)
    return filters.keep({"filter_genre": bags(WANTED_GENRES, ""), "filter_stock": stock})


def expected(row, allowed=None):
    """The best rows of a query that have what it wants, and no others."""
    genres, stock = set(WANTED_GENRES[row]) - {""}, set(WANTED_STOCK[row])
    left = [
        i
        for i in range(NUM_ITEMS)
        if (not genres or genres & set(GENRES[i])) and (not stock or STOCK[i] in stock)
        if i not in EXCLUDE[row] and (allowed is None or i in allowed)
    ]
    return sorted(left, key=lambda i: -float(VECTORS[i] @ QUERY[row]))[:K]


@pytest.mark.parametrize("kind", ["exact", "scores", "ivf", "scann"])
def test_against_numpy(kind, filters, request):
    query = QUERY
    if kind == "exact":
        index = ExactIndex(tf.constant(VECTORS))
    elif kind == "scores":
        index, query = ScoreIndex(), QUERY @ VECTORS.T
    elif kind == "ivf":
        index = IvfIndex(tf.constant(VECTORS), K)
    else:
        request.getfixturevalue("scann_ops")
        index = ScannIndex(tf.constant(VECTORS), K)
    search = tf.function(lambda q, e: index.search(q, K, e, None, keep(filters)))
    scores, rows = (found.numpy() for found in search(tf.constant(query), tf.constant(EXCLUDE)))
    for row, found in enumerate(rows):
        best = expected(row)
        found = found[found >= 0].tolist()
        # As many as there are, and all of them what was asked for.
        assert len(found) == len(best) == {3: 2, 4: 0}.get(row, K)
        assert set(found) <= {i for i in range(NUM_ITEMS) if i not in EXCLUDE[row]}
        if kind in ("exact", "scores") or len(best) < K:
            assert found == best
        else:
            assert len(set(found) & set(best)) >= 0.8 * len(best)
        true = VECTORS[found] @ QUERY[row]
        np.testing.assert_allclose(scores[row, : len(found)], true, rtol=1e-4, atol=1e-5)


def test_with_what_is_allowed(filters):
    allow = np.arange(60, dtype=np.int32)[None].repeat(6, axis=0)
    allow[0] = -1
    index = ExactIndex(tf.constant(VECTORS))
    _, rows = index.search(tf.constant(QUERY), K, EXCLUDE, tf.constant(allow), keep(filters))
    for row, found in enumerate(rows.numpy()):
        allowed = None if row == 0 else set(range(60))
        assert found[found >= 0].tolist() == expected(row, allowed)


def test_nothing_wanted_is_no_filter(filters):
    index = ExactIndex(tf.constant(VECTORS))
    nothing = {"filter_genre": tf.fill([6, 2], ""), "filter_stock": tf.zeros([6, 0], tf.int64)}
    found = index.search(tf.constant(QUERY), K, None, None, filters.keep(nothing))
    plain = index.search(tf.constant(QUERY), K)
    np.testing.assert_array_equal(found[1].numpy(), plain[1].numpy())


@pytest.mark.parametrize("column", ["price", "colour"])
def test_nothing_to_filter_by(column):
    with pytest.raises(ValueError, match=f"`filters` must name columns .*Received: '{column}'"):
        ItemFilters(catalogue(), [column])


# From an export.


@pytest.fixture(scope="module")
def run():
    rng = np.random.default_rng(0)
    users, items = rng.integers(20, size=400), rng.integers(30, size=400)
    events = pd.DataFrame({"user_id": users, "item_id": items, "time": range(400)})
    genres = [["a"] if i % 2 else ["b", "c"] for i in range(30)]
    table = pd.DataFrame({"item_id": range(30), "genre": genres, "in stock": np.arange(30) % 3})
    log = Log("mine", events, items=table)
    training = zoo.Training(epochs=1, verbose=0)
    return zoo.train("YouTubeRetrieval", zoo.tasks.NextWatch(log), training)


def test_an_export_filters(run, tmp_path, run_python):
    run.export(tmp_path / "model", k=5, filters=["genre", "in stock"])
    served = load(tmp_path / "model")
    request = {"history": [[1, 2], [3], [4]]}
    plain = served.recommend(request)
    found = served.recommend(
        {**request, "filter_genre": [["a"], [], ["b"]], "filter_in stock": [[], [0], [1, 2]]}
    )
    assert (found["row"].value_counts() == 5).all()
    by_row = found.groupby("row")["id"].apply(list)
    assert all(i % 2 for i in by_row[0])
    assert all(i % 3 == 0 for i in by_row[1])
    assert all(i % 2 == 0 and i % 3 for i in by_row[2])
    assert (
        plain["id"].tolist()
        == served.recommend({**request, "filter_genre": [[]] * 3})["id"].tolist()
    )
    memory = serve(run.model, run.task.log, k=5, filters=["genre"])
    assert memory.recommend({**request, "filter_genre": [["a"]] * 3})["id"].mod(2).all()
    assert served.manifest["filters"][1] == {
        "key": "filter_in stock",
        "dtype": "int64",
        "is_bag": True,
        "argument": "filter_in_stock",
    }
    with pytest.raises(KeyError, match="filter_colour"):
        served.recommend({**request, "filter_colour": [["red"]] * 3})
    # TensorFlow alone, also by examples in which any feature may be absent.
    program = """
import json, sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
def example(**bags):
    of = {k: tf.train.Feature(int64_list=tf.train.Int64List(value=v)) if isinstance(v[0], int)
          else tf.train.Feature(bytes_list=tf.train.BytesList(value=[x.encode() for x in v]))
          for k, v in bags.items()}
    return tf.train.Example(features=tf.train.Features(feature=of)).SerializeToString()
given = tf.constant([example(history=[1, 2]), example(history=[1, 2], filter_genre=["a"])])
print(json.dumps(model.signatures["examples"](examples=given)["ids"].numpy().tolist()))
"""
    done = run_python(program, tmp_path / "model")
    assert done.returncode == 0, done.stderr[-2000:]
    every, odd = json.loads(done.stdout)
    assert any(i % 2 == 0 for i in every) and all(i % 2 for i in odd)


def test_a_funnel_filters(run, tmp_path):
    log = run.task.log
    funnel = Funnel({"retrieval": run.model}, None, log, num_candidates=8, k=5, filters=["genre"])
    served = load(export(funnel, tmp_path / "funnel"))
    found = served.recommend({"history": [[1, 2], [3]], "filter_genre": [["a"], ["b"]]})
    by_row = found.groupby("row")["id"].apply(list)
    assert all(i % 2 for i in by_row[0]) and all(i % 2 == 0 for i in by_row[1])
    assert len(found) == 10


def test_no_log_and_names_that_are_taken(run, tmp_path):
    with pytest.raises(ValueError, match="`filters` are columns of a log's items: give `log`"):
        export(run.model, tmp_path / "model", filters=["genre"])
