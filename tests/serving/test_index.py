"""Indexes against NumPy's argsort."""

import json
import logging
import sys

import numpy as np
import pytest

import tfrec_zoo  # noqa: F401 (before TensorFlow)

# isort: split
import tensorflow as tf

from tfrec_zoo.serving import ExactIndex, ScannIndex, build_index
from tfrec_zoo.serving.index import choice

RNG = np.random.default_rng(0)
LOGGERS = "tfrec_zoo.serving.index."


def reference(query, candidates, k, exclude=None):
    """[batch, k] scores and rows: what is left after exclusion, sorted; −inf and −1 beyond."""
    scores = np.full((len(query), k), -np.inf, np.float32)
    rows = np.full((len(query), k), -1, np.int32)
    for i, vector in enumerate(query):
        left_out = set() if exclude is None else set(exclude[i].tolist())
        all_scores = candidates @ vector
        best = [r for r in np.argsort(-all_scores, kind="stable") if r not in left_out][:k]
        rows[i, : len(best)] = best
        scores[i, : len(best)] = all_scores[best]
    return scores, rows


def check(found, expected):
    np.testing.assert_array_equal(found[1].numpy(), expected[1])
    np.testing.assert_allclose(found[0].numpy(), expected[0], rtol=1e-5, atol=1e-5)


CANDIDATES = RNG.normal(size=(7, 3)).astype(np.float32)
QUERY = RNG.normal(size=(4, 3)).astype(np.float32)


@pytest.mark.parametrize("k", [1, 3, 7, 12])
def test_exact(k):
    index = ExactIndex(tf.constant(CANDIDATES))
    assert (index.num_items, index.dim) == (7, 3)
    check(index.search(tf.constant(QUERY), k), reference(QUERY, CANDIDATES, k))


@pytest.mark.parametrize("k", [2, 7, 9])
def test_exact_leaves_out(k):
    exclude = np.array(
        [
            [-1, -1, -1, -1, -1, -1, -1, -1],  # Nothing.
            [2, 2, 2, -1, 0, 2, 0, -1],  # Some of them twice.
            [6, 5, 4, 3, 2, 1, 0, 6],  # Everything.
            [0, 1, 2, 3, 4, 5, -1, -1],  # All but the last.
        ],
        np.int32,
    )
    index = ExactIndex(tf.constant(CANDIDATES))
    scores, rows = index.search(tf.constant(QUERY), k, tf.constant(exclude))
    check((scores, rows), reference(QUERY, CANDIDATES, k, exclude))
    assert rows.numpy()[2].tolist() == [-1] * k
    assert np.isneginf(scores.numpy()[2]).all()
    assert rows.numpy()[3].tolist() == [6] + [-1] * (k - 1)


def test_exact_in_a_graph_whatever_the_batch():
    index = ExactIndex(tf.constant(CANDIDATES))

    @tf.function(input_signature=[tf.TensorSpec([None, 3]), tf.TensorSpec([None, None], tf.int32)])
    def search(query, exclude):
        return index.search(query, 4, exclude)

    assert [t.shape.as_list() for t in search.get_concrete_function().structured_outputs] == [
        [None, 4]
    ] * 2
    for batch, length in ((0, 0), (0, 3), (1, 0), (4, 2)):
        exclude = RNG.integers(-1, 7, (batch, length)).astype(np.int32)
        found = search(tf.constant(QUERY[:batch]), tf.constant(exclude))
        check(found, reference(QUERY[:batch], CANDIDATES, 4, exclude))


def test_exact_with_half_precision_queries():
    query = QUERY.astype(np.float16)
    found = ExactIndex(tf.constant(CANDIDATES)).search(tf.constant(query), 3)
    check(found, reference(query.astype(np.float32), CANDIDATES, 3))


def test_kinds(caplog):
    assert isinstance(build_index(tf.constant(CANDIDATES)), ExactIndex)
    assert isinstance(build_index(tf.constant(CANDIDATES), "exact", k=3), ExactIndex)
    assert not caplog.records
    with pytest.raises(ValueError, match="`kind` must be .* Received: 'fast'"):
        build_index(tf.constant(CANDIDATES), "fast")


def test_no_scann_warns(caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "scann", None)
    index = build_index(tf.zeros([2000, 2]), "scann")
    assert isinstance(index, ExactIndex)
    [record] = [r for r in caplog.records if r.name.startswith(LOGGERS)]
    assert record.levelno == logging.WARNING
    assert "exactly instead of with ScaNN" in record.getMessage()


def test_a_scann_that_does_not_load_warns(caplog, broken_scann):
    index = build_index(tf.zeros([2000, 2]), "scann")
    assert isinstance(index, ExactIndex)
    [record] = [r for r in caplog.records if r.name.startswith(LOGGERS)]
    assert record.levelno == logging.WARNING
    assert "exactly instead of with ScaNN: ScaNN's operations don't load" in record.getMessage()


# ScaNN.

NUM_ITEMS, DIM, TARGET = 3000, 16, 0.9


@pytest.fixture(scope="module")
def vectors():
    """Clustered, as the vectors of items are; and queries that are no items."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(40, DIM))
    candidates = centres[rng.integers(40, size=NUM_ITEMS)] + 0.3 * rng.normal(size=(NUM_ITEMS, DIM))
    queries = centres[rng.integers(40, size=300)] + 0.3 * rng.normal(size=(300, DIM))
    return candidates.astype(np.float32), queries.astype(np.float32)


@pytest.fixture(scope="module")
def index(scann_ops, vectors):
    candidates, queries = map(tf.constant, vectors)
    return build_index(candidates, "scann", k=20, queries=queries, target_recall=TARGET)


def recall(rows, expected):
    hits = [len(set(a.tolist()) & set(b.tolist())) for a, b in zip(rows, expected, strict=True)]
    return sum(hits) / expected.size


def test_scann_reaches_its_recall(index, vectors):
    candidates, queries = vectors
    assert isinstance(index, ScannIndex)
    scores, rows = index.search(tf.constant(queries), 20)
    scores, rows = scores.numpy(), rows.numpy()
    expected = reference(queries, candidates, 20)[1]
    assert index.recall >= TARGET
    # Of queries that it was not tuned on, it finds about as much; no two trees of ScaNN are alike.
    assert recall(rows, expected) >= TARGET - 0.03
    # Every second query is kept for building; and ScaNN finds not quite the same in other batches.
    half = index.search(tf.constant(queries[::2]), 20)[1].numpy()
    assert index.recall == pytest.approx(recall(half, expected[::2]), abs=0.02)
    assert index.description["recall_by_queries"]["users"] == round(index.recall, 4)
    # It stopped as soon as it was good enough: not an exhaustive search.
    assert 1 <= index.parts_to_search < index.num_parts
    # What it finds has its true score, and comes in order.
    true = np.einsum("bd,bkd->bk", queries, candidates[np.maximum(rows, 0)])
    np.testing.assert_allclose(scores[rows >= 0], true[rows >= 0], rtol=1e-4, atol=1e-4)
    assert (scores[:, :-1] >= scores[:, 1:]).all()


def test_scann_leaves_out(index, vectors):
    candidates, queries = vectors
    queries = queries[:50]
    best = reference(queries, candidates, 60)[1]
    exclude = best[:, ::2].astype(np.int32)
    exclude[:, 5] = -1
    exclude[:, 6] = exclude[:, 7]
    rows = index.search(tf.constant(queries), 20, tf.constant(exclude))[1].numpy()
    for found, left_out in zip(rows, exclude, strict=True):
        kept = found[found >= 0].tolist()
        assert not set(kept) & set(left_out.tolist())
        assert len(set(kept)) == len(kept) > 0
    assert recall(rows, reference(queries, candidates, 20, exclude)[1]) > 0.8


def test_vectors_of_one_number_are_searched_exactly(scann_ops, monkeypatch):
    monkeypatch.setattr(choice, "MEASURE_FROM", 1500)
    index = build_index(tf.reshape(tf.range(1500.0), [-1, 1]), k=5)
    assert isinstance(index, ExactIndex)


def test_scann_lists_too_short(index, vectors):
    queries = vectors[1][:5]
    everything = np.tile(np.arange(NUM_ITEMS, dtype=np.int32), (5, 1))
    everything[1, 7] = -1  # All but item 7.
    scores, rows = index.search(tf.constant(queries), 20, tf.constant(everything))
    assert set(rows.numpy()[[0, 2, 3, 4]].ravel()) == {-1}
    assert rows.numpy()[1].tolist() == [7] + [-1] * 19
    np.testing.assert_array_equal(np.isneginf(scores.numpy()), rows.numpy() < 0)
    # A list longer than what the searched leaves hold is searched for exactly.
    for k in (1500, NUM_ITEMS + 10):
        scores, rows = (found.numpy() for found in index.search(tf.constant(queries), k))
        expected = reference(queries, vectors[0], k)
        np.testing.assert_allclose(scores, expected[0], rtol=1e-4, atol=1e-4)
        # Those of equal scores come in either order.
        assert recall(np.sort(rows)[:, -1500:], np.sort(expected[1])[:, -1500:]) > 0.999


def test_scann_where_few_leaves_hold_less_than_a_list(scann_ops):
    # 1,000 items in 63 leaves of about 16: the first measurement, of 1 leaf, finds far less than k.
    rng = np.random.default_rng(3)
    centres = 3 * rng.normal(size=(60, DIM))
    candidates = centres[np.arange(1000) % 60] + 0.1 * rng.normal(size=(1000, DIM))
    candidates = tf.constant(candidates.astype(np.float32))
    index = build_index(candidates, "scann", k=100)
    assert isinstance(index, ScannIndex)
    scores, rows = index.search(candidates[:3], 100, tf.zeros([3, 1], tf.int32))
    assert rows.shape == (3, 100)
    assert 0 not in rows.numpy()


@pytest.mark.parametrize("batch", [0, 1, 5])
def test_scann_in_a_graph(index, vectors, batch):
    @tf.function(
        input_signature=[tf.TensorSpec([None, DIM]), tf.TensorSpec([None, None], tf.int32)]
    )
    def search(query, exclude):
        return index.search(query, 20, exclude)

    outputs = search.get_concrete_function().structured_outputs
    assert [t.shape.as_list() for t in outputs] == [[None, 20]] * 2
    query = tf.constant(vectors[1][:batch])
    for exclude in (tf.zeros([batch, 0], tf.int32), tf.fill([batch, 3], 11)):
        scores, rows = search(query, exclude)
        eager = index.search(query, 20, exclude)
        assert rows.shape == (batch, 20)
        np.testing.assert_array_equal(rows.numpy(), eager[1].numpy())
        np.testing.assert_allclose(scores.numpy(), eager[0].numpy(), rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_query_that_is_no_vector_finds_nothing(index, vectors, value):
    query = vectors[1][:2].copy()
    query[0, 3] = value
    scores, rows = index.search(tf.constant(query), 5)
    assert rows.numpy()[0].tolist() == [-1] * 5
    assert np.isneginf(scores.numpy()[0]).all()
    np.testing.assert_array_equal(rows[1:], index.search(tf.constant(query[1:]), 5)[1])


def test_too_few_items_for_scann(scann_ops, caplog):
    index = build_index(tf.zeros([ScannIndex.MIN_ITEMS - 1, 2]), "scann")
    assert isinstance(index, ExactIndex)
    assert index.custom_ops == ()
    [record] = [r for r in caplog.records if r.name.startswith(LOGGERS)]
    assert record.levelno == logging.WARNING
    assert "at least 1000 items" in record.getMessage()
    assert "Received: 999" in record.getMessage()


def test_small_catalogues_are_not_measured(monkeypatch):
    monkeypatch.setattr(choice, "MEASURE_FROM", 1501)
    monkeypatch.setattr(choice, "latencies", None)
    vectors = tf.random.stateless_normal([1500, 4], [0, 4])

    def queries():
        raise AssertionError("Nobody needs them.")

    index = build_index(vectors, queries=queries, k=5)
    assert isinstance(index, ExactIndex)
    assert index.description == {"kind": "exact", "recall": 1.0}


@pytest.mark.parametrize(
    ("took", "best"),
    [
        ({"exact": 1.0, "ivf": 0.5, "scann": 0.4}, "scann"),
        # A fifth faster is no reason to take what needs more.
        ({"exact": 1.0, "ivf": 0.5, "scann": 0.45}, "ivf"),
        ({"exact": 1.0, "ivf": 0.9, "scann": 0.85}, "exact"),
        ({"exact": 1.0, "ivf": 0.9, "scann": 0.5}, "scann"),
    ],
)
def test_large_catalogues_get_the_fastest(scann_ops, monkeypatch, took, best):
    monkeypatch.setattr(choice, "MEASURE_FROM", 1500)
    measured = {}

    def latencies(indexes, queries, k):
        measured.update(indexes)
        assert queries.shape == (40, 4) and k == 5
        return took

    monkeypatch.setattr(choice, "latencies", latencies)
    vectors = tf.random.stateless_normal([1500, 4], [0, 4])
    index = build_index(vectors, queries=lambda: vectors[:40], k=5)
    assert set(measured) == {"exact", "ivf", "scann"} and index is measured[best]
    assert index.description["milliseconds"] == took


def hard(num_items):
    """Vectors without structure, of which ScaNN's short codes tell little."""
    rng = np.random.default_rng(5)
    return tf.constant(rng.normal(size=(num_items, 64)).astype(np.float32))


def test_a_missed_target_is_said_and_exact_search_takes_its_place(caplog):
    index = build_index(hard(1500), "ivf", k=20, spare=0, target_recall=1.0)
    assert isinstance(index, ExactIndex) and index.description["recall"] == 1
    missed, instead = [r for r in caplog.records if r.name.startswith(LOGGERS)]
    assert {missed.levelno, instead.levelno} == {logging.WARNING}
    assert missed.getMessage().endswith(", less than the target of 1")
    assert "recall@20 0." in missed.getMessage()
    assert "which finds 0." in instead.getMessage()


def test_what_was_asked_for_stays_where_there_are_many(monkeypatch, caplog):
    monkeypatch.setattr(choice, "MEASURE_FROM", 1500)
    index = build_index(hard(1500), "ivf", k=20, spare=0, target_recall=1.0)
    said = index.description
    assert said["kind"] == "ivf" and not said["reaches_target"] and said["target_recall"] == 1
    assert 0.3 < said["recall"] < 1 and said["recall_at"] == 20
    assert said["recall_by_queries"] == {"items": said["recall"]}
    [missed] = [r for r in caplog.records if r.name.startswith(LOGGERS)]
    assert f"recall@20 {index.recall:.3f}, less than the target" in missed.getMessage()


def test_more_items_are_scored_where_more_leaves_do_not_help(scann_ops):
    """Of twice as many as are wanted, ScaNN's short codes miss some whatever it searches."""
    index = build_index(hard(1500), "scann", k=20, spare=0)
    assert isinstance(index, ScannIndex) and index.recall >= 0.95
    assert index.description["items_scored"] > 40


@pytest.mark.parametrize("width", [16, 64])
def test_recall_is_measured_as_served(scann_ops, caplog, width):
    """With room for exclusions, which more than twice as many are reordered for."""
    vectors = hard(1500)[:, :width]
    queries = vectors[:200]
    index = build_index(vectors, "scann", k=20, queries=queries)
    assert isinstance(index, ScannIndex) and index.recall >= 0.95
    queries = queries[::2]
    rows = index.search(queries, 20, tf.fill([100, 1], -1))[1].numpy()
    expected = reference(queries.numpy(), vectors.numpy(), 20)[1]
    assert recall(rows, expected) == pytest.approx(index.recall, abs=1e-6)
    # An eighth less would not do.
    enough = index.parts_to_search
    index.parts_to_search = enough - max(enough // 8, 1) - 1
    rows = index.search(queries, 20)[1].numpy()
    assert recall(rows, expected) < 0.95
    assert not caplog.records


def test_scann_saved_and_loaded(index, vectors, tmp_path, run_python):
    class Searcher(tf.Module):
        def __init__(self):
            super().__init__()
            self.index = index

        @tf.function(
            input_signature=[tf.TensorSpec([None, DIM]), tf.TensorSpec([None, None], tf.int32)]
        )
        def search(self, query, exclude):
            scores, rows = self.index.search(query, 20, exclude)
            return {"scores": scores, "rows": rows}

    searcher = Searcher()
    tf.saved_model.save(searcher, str(tmp_path / "saved"), {"serving_default": searcher.search})
    query = vectors[1][:7]
    exclude = RNG.integers(-1, NUM_ITEMS, (7, 30)).astype(np.int32)
    (tmp_path / "request.json").write_text(json.dumps([query.tolist(), exclude.tolist()]))
    program = """
import json, sys
from scann import scann_ops
import tensorflow as tf
assert "tfrec_zoo" not in sys.modules
query, exclude = json.load(open(sys.argv[1] + "/request.json"))
search = tf.saved_model.load(sys.argv[1] + "/saved").signatures["serving_default"]
found = search(query=tf.constant(query), exclude=tf.constant(exclude))
print(json.dumps({name: value.numpy().tolist() for name, value in found.items()}))
"""
    run = run_python(program, tmp_path)
    assert run.returncode == 0, run.stderr[-2000:]
    loaded = json.loads(run.stdout)
    scores, rows = index.search(tf.constant(query), 20, tf.constant(exclude))
    assert loaded["rows"] == rows.numpy().tolist()
    np.testing.assert_allclose(loaded["scores"], scores.numpy(), rtol=1e-5)
    assert index.custom_ops == ("Scann>ScannSearchBatched", "Scann>TensorsToScann")
