"""The index in plain TensorFlow: its blocks and codes against NumPy, and its searches."""

import json

import numpy as np
import pytest

import tfrec_zoo  # noqa: F401 (before TensorFlow)

# isort: split
import tensorflow as tf

from tfrec_zoo.serving import ExactIndex, IvfIndex, build_index
from tfrec_zoo.serving.index.blocks import block_size, cut
from tfrec_zoo.serving.index.recall import RecallSample, least

NUM_ITEMS, DIM = 2500, 16


@pytest.fixture(scope="module")
def vectors():
    """Clustered items, and users who look one way only, which no item does."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(40, DIM))
    items = centres[rng.integers(40, size=NUM_ITEMS)] + 0.3 * rng.normal(size=(NUM_ITEMS, DIM))
    users = np.abs(centres[rng.integers(40, size=120)] + 0.3 * rng.normal(size=(120, DIM)))
    return items.astype(np.float32), users.astype(np.float32)


@pytest.fixture(scope="module")
def index(vectors):
    items, users = map(tf.constant, vectors)
    return build_index(items, "ivf", queries=users, k=20, spare=30, target_recall=0.9)


def best(queries, items, k):
    return np.argsort(-(queries @ items.T), axis=1, kind="stable")[:, :k]


def share(rows, expected):
    pairs = zip(rows, expected, strict=True)
    return sum(len(set(a.tolist()) & set(b.tolist())) for a, b in pairs) / expected.size


def test_reaches_its_recall(index, vectors):
    items, users = vectors
    assert isinstance(index, IvfIndex) and index.reaches_target
    assert 1 <= index.parts_to_search < index.num_parts // 2
    scores, rows = (found.numpy() for found in index.search(tf.constant(users), 20))
    expected = best(users, items, 20)
    # Every second user is kept for building.
    assert index.recall == pytest.approx(share(rows[::2], expected[::2]), abs=1e-6)
    assert share(rows[1::2], expected[1::2]) > 0.85
    # What it finds has its true score, and comes in order.
    true = np.einsum("bd,bkd->bk", users, items[rows])
    np.testing.assert_allclose(scores, true, rtol=1e-4)
    assert (scores[:, :-1] >= scores[:, 1:]).all()
    assert index.custom_ops == ()


def test_everything_is_found_where_everything_is_searched(index, vectors):
    items, users = vectors
    searched = index.parts_to_search, index.num_scored
    try:
        index.parts_to_search, index.num_scored = index.num_parts, NUM_ITEMS
        found = index.search(tf.constant(users), 20)
        one = index.search(tf.constant(users[:1]), 20)
        much = index.search(tf.constant(users[:2]), NUM_ITEMS + 3)
    finally:
        index.parts_to_search, index.num_scored = searched
    expected = best(users, items, 20)
    np.testing.assert_array_equal(found[1].numpy(), expected)
    np.testing.assert_array_equal(one[1].numpy(), expected[:1])
    # Each item once, and then nothing.
    assert np.sort(much[1].numpy(), axis=1).tolist() == [[-1] * 3 + [*range(NUM_ITEMS)]] * 2
    assert np.isneginf(much[0].numpy()[:, -3:]).all()


def test_says_how_many_blocks_long_lists_read(vectors):
    items, users = vectors
    # A few blocks have the best ten, but do not hold the 1,000 items that are to be scored.
    index = IvfIndex(tf.constant(items), 10, queries=tf.constant(users), spare=990)
    assert index.effort["blocks_to_search"] * index.size >= 1000
    few = IvfIndex(tf.constant(items), 10, queries=tf.constant(users), spare=0)
    assert few.parts_to_search < index.parts_to_search < index.num_parts


@pytest.mark.parametrize("batch", [0, 1, 2, 8, 9, 33])
def test_any_batch_in_a_graph(index, vectors, batch):
    """One query, a few and many are searched for in ways of their own."""

    @tf.function(
        input_signature=[tf.TensorSpec([None, DIM]), tf.TensorSpec([None, None], tf.int32)]
    )
    def search(query, exclude):
        return index.search(query, 20, exclude)

    assert [t.shape.as_list() for t in search.get_concrete_function().structured_outputs] == [
        [None, 20]
    ] * 2
    items, users = vectors
    users = users[:batch]
    expected = best(users, items, 3)
    scores, rows = search(tf.constant(users), tf.constant(expected[:, ::2].astype(np.int32)))
    assert scores.shape == rows.shape == (batch, 20)
    for row, user in enumerate(users):
        alone = index.search(user[None], 20, expected[row : row + 1, ::2].astype(np.int32))
        np.testing.assert_array_equal(rows[row].numpy(), alone[1][0].numpy())
        assert not {expected[row, 0], expected[row, 2]} & set(rows[row].numpy().tolist())


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_query_that_is_no_vector_finds_nothing(index, vectors, value, batch):
    query = vectors[1][:batch].copy()
    query[0, 3] = value
    query[0, 4] = -value
    scores, rows = index.search(tf.constant(query), 5)
    assert rows.numpy()[0].tolist() == [-1] * 5
    assert np.isneginf(scores.numpy()[0]).all()
    np.testing.assert_array_equal(rows[1:], index.search(tf.constant(query[1:]), 5)[1])


def test_equal_vectors_make_equal_indexes(index, vectors):
    items, users = map(tf.constant, vectors)
    again = IvfIndex(items, 20, users, 0.9, spare=30)
    for one, other in zip(index.variables, again.variables, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert again.description == index.description
    other = IvfIndex(items, 20, users, 0.9, spare=30, seed=1)
    assert not np.array_equal(other.rows.numpy(), index.rows.numpy())


def test_few_users_and_none(vectors):
    items, users = map(tf.constant, vectors)
    for given in (None, users[:0], users[:1]):
        index = IvfIndex(items, 5, given, 0.5, spare=5)
        assert set(index.recalls) == {"items"}
    assert set(IvfIndex(items, 5, users[:2], 0.5, spare=5).recalls) == {"users", "items"}


@pytest.mark.parametrize("target", [0, 1.5, float("nan")])
def test_no_share(vectors, target):
    with pytest.raises(ValueError, match="`target_recall` must be above 0 and at most 1"):
        IvfIndex(tf.constant(vectors[0]), target_recall=target)


@pytest.mark.parametrize("items", [np.zeros([1200, 4]), np.ones([1200, 4]), np.eye(1024, 40)])
def test_vectors_that_do_not_differ(items):
    """No direction to cut along, and no clusters: every item is still in one block."""
    index = IvfIndex(tf.constant(items, tf.float32), k=3, spare=0, target_recall=0.01)
    rows = index.rows.numpy()
    assert np.sort(rows[rows >= 0]).tolist() == [*range(len(items))]
    scores, rows = index.search(tf.constant(items[:1], tf.float32), 3)
    assert len(set(rows.numpy()[0].tolist()) - {-1}) == 3
    assert scores.numpy()[0, 0] == items[0] @ items[0]


def test_loads_in_plain_tensorflow(index, vectors, tmp_path, run_python):
    class Searcher(tf.Module):
        def __init__(self):
            super().__init__()
            self.index = index

        @tf.function(input_signature=[tf.TensorSpec([None, DIM])])
        def search(self, query):
            return {"rows": self.index.search(query, 20)[1]}

    searcher = Searcher()
    tf.saved_model.save(searcher, str(tmp_path / "saved"), {"serving_default": searcher.search})
    (tmp_path / "request.json").write_text(json.dumps(vectors[1].tolist()))
    program = """
import json, sys
import tensorflow as tf
before = set(sys.modules)
query = json.load(open(sys.argv[1] + "/request.json"))
search = tf.saved_model.load(sys.argv[1] + "/saved").signatures["serving_default"]
found = [search(query=tf.constant(query[:n]))["rows"].numpy().tolist() for n in (1, 120)]
assert not {"tfrec_zoo", "scann", "sklearn"} & (set(sys.modules) - before)
print(json.dumps(found))
"""
    run = run_python(program, tmp_path)
    assert run.returncode == 0, run.stderr[-2000:]
    rows = index.search(tf.constant(vectors[1]), 20)[1].numpy().tolist()
    assert json.loads(run.stdout) == [rows[:1], rows]


# Parts of it.


@pytest.mark.parametrize(
    ("items", "size"),
    [(1, 32), (1000, 32), (100_000, 32), (10**6, 128), (10**7, 512), (10**9, 512)],
)
def test_block_sizes(items, size):
    # √items / 8: 0.1, 4.0, 39.5, 125, 395, 3953; rounded to a power of two, by its logarithm.
    assert block_size(items) == size


def test_blocks_are_full_and_whole():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3000, 8)).astype(np.float32)
    rows = cut(vectors, 64)
    lengths = (rows >= 0).sum(axis=1)
    assert np.sort(rows[rows >= 0]).tolist() == [*range(3000)]
    # 47 would be the fewest; each leaf wastes less than one block.
    assert 47 <= len(rows) < 47 + 3000 // 64 and (lengths > 0).all()
    # The items of a block are nearer to their center than items at large.
    centers = np.array([vectors[row[row >= 0]].mean(axis=0) for row in rows])
    within = np.concatenate(
        [vectors[row[row >= 0]] - center for row, center in zip(rows, centers, strict=True)]
    )
    assert (within**2).sum() < 0.6 * ((vectors - vectors.mean(axis=0)) ** 2).sum()


def test_least_effort():
    asked = []

    def recall_of(leaves):
        asked.append(leaves)
        return min(leaves / 40, 1.0)

    found, recall = least(recall_of, 0.95, 2000)
    # 38 is enough. An eighth of it more at most, in ten steps of halving the ratio.
    assert 38 <= found <= 43 and recall == min(found / 40, 1.0)
    assert len(asked) <= 10
    assert least(lambda leaves: 0.5, 0.95, 7) == (7, 0.5)
    assert least(lambda leaves: 1.0, 0.95, 1) == (1, 1.0)


def test_exact_best_of_a_sample():
    rng = np.random.default_rng(0)
    items = rng.normal(size=(50, 4)).astype(np.float32)
    users = rng.normal(size=(600, 4)).astype(np.float32)
    sample = RecallSample.of(tf.constant(items), tf.constant(users), 60)
    # Every third: 256 at most.
    np.testing.assert_array_equal(sample.queries, users[::3])
    assert sample.k == 50
    np.testing.assert_array_equal(sample.best, best(users[::3], items, 50))
    rows = ExactIndex(tf.constant(items)).search(sample.queries, 50)[1].numpy()
    assert sample.recall(rows) == 1.0
    assert sample.recall(rows[:, :10]) == 0.2
    assert sample.recall(np.full((200, 3), -1)) == 0.0
