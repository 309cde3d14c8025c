import json

import numpy as np
import pytest

from tfrec_zoo.features import (
    BagColumn,
    CrossedColumn,
    EmbeddingColumn,
    EmbeddingTable,
    Features,
    FeatureSpec,
    HashedColumn,
    IndicatorColumn,
    Vocabulary,
    VocabularyColumn,
    make_embedding_tables,
)
from tfrec_zoo.features.embedding import fourth_root_dimension, seeded

# isort: split
import tensorflow as tf

ROWS = np.array([[1.0, -2.0], [3.0, 5.0], [-7.0, 11.0]], np.float32)
COMBINERS = ("mean", "sum", "max", "sqrtn")


@pytest.fixture
def table():
    """Ids 1, 2, 3 are the rows above."""
    return EmbeddingTable(3, 2, initializer=tf.keras.initializers.Constant(ROWS))


def pooled_by_hand(ids, combiner):
    """NumPy, bag by bag."""
    vectors = []
    for bag in ids:
        rows = np.array([ROWS[i - 1] for i in bag if i > 0]).reshape(-1, 2)
        if not len(rows):
            vectors.append(np.zeros(2))
        elif combiner == "sqrtn":
            vectors.append(rows.sum(0) / np.sqrt(len(rows)))
        else:
            vectors.append(getattr(np, combiner)(rows, axis=0))
    return np.array(vectors)


def test_look_up(table):
    found = table(tf.constant([3, 0, 1, 3]))
    np.testing.assert_array_equal(found, [[-7, 11], [0, 0], [1, -2], [-7, 11]])
    assert table.table.shape == (3, 2)


def test_look_up_of_any_shape(table):
    found = table(tf.constant([[[1], [0]], [[2], [3]]]))
    expected = [[[[1, -2]], [[0, 0]]], [[[3, 5]], [[-7, 11]]]]
    np.testing.assert_array_equal(found, expected)
    assert table(tf.zeros([0, 4], tf.int32)).shape == (0, 4, 2)


def test_zero_is_zero_whatever_the_weights():
    table = EmbeddingTable(1, 3, initializer=tf.keras.initializers.Constant(1e30))
    assert not np.any(table(tf.constant([0, 0])))
    for combiner in COMBINERS:
        assert not np.any(table.pooled(tf.constant([[0, 0], [0, 0]]), combiner))


def test_gradient_of_a_look_up(table):
    ids = tf.constant([0, 2, 0, 2, 3])
    with tf.GradientTape() as tape:
        weights = tf.constant([[1e6], [1.0], [1e6], [10.0], [2.0]])
        loss = tf.reduce_sum(weights * table(ids))
    # Row 0 belongs to id 1, which isn't there; id 0 has no row at all. Id 2: 1 + 10.
    gradient = tf.convert_to_tensor(tape.gradient(loss, table.table))
    np.testing.assert_array_equal(gradient, [[0, 0], [11, 11], [2, 2]])


@pytest.mark.parametrize("combiner", COMBINERS)
def test_gradient_of_pooling(table, combiner):
    # Id 1's row stays where it is, however many ids 0 there are.
    ids = tf.constant([[0, 2, 3, 0], [0, 0, 0, 0], [0, 0, 3, 0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(table.pooled(ids, combiner) * [[1.0], [1e6], [10.0]])
    gradient = tf.convert_to_tensor(tape.gradient(loss, table.table)).numpy()
    # The first bag gives both rows a share of 1/2, 1 or 1/√2; the maximum goes to the larger: of
    # 3 and -7, and of 5 and 11. The third gives all of its 10 to id 3.
    share = {"mean": 0.5, "sum": 1.0, "sqrtn": 0.5**0.5}.get(combiner)
    expected = [[0, 0], [share, share], [10 + (share or 0), 10 + (share or 0)]]
    if combiner == "max":
        expected = [[0, 0], [1, 0], [10, 11]]
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


@pytest.mark.parametrize("combiner", COMBINERS)
def test_gradient_of_an_empty_bag(table, combiner):
    for ids in (tf.zeros([2, 3], tf.int32), tf.zeros([2, 0], tf.int32)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(table.pooled(ids, combiner))
        gradient = tf.convert_to_tensor(tape.gradient(loss, table.table))
        np.testing.assert_array_equal(gradient, np.zeros([3, 2]))


@pytest.mark.parametrize("combiner", COMBINERS)
def test_pooling(table, combiner):
    ids = np.array([[1, 2, 3], [0, 2, 0], [3, 0, 3], [0, 0, 0], [1, 1, 2]])
    found = table.pooled(tf.constant(ids), combiner)
    assert found.shape == (5, 2)
    np.testing.assert_allclose(found, pooled_by_hand(ids, combiner), rtol=1e-6)


def test_pooling_by_hand(table):
    ids = tf.constant([[1, 0, 2, 2]])  # (1, -2), (3, 5), (3, 5)
    np.testing.assert_allclose(table.pooled(ids, "sum"), [[7, 8]])
    np.testing.assert_allclose(table.pooled(ids, "mean"), [[7 / 3, 8 / 3]], rtol=1e-6)
    np.testing.assert_allclose(table.pooled(ids, "sqrtn"), [[7 / 3**0.5, 8 / 3**0.5]], rtol=1e-6)
    np.testing.assert_allclose(table.pooled(ids, "max"), [[3, 5]])
    np.testing.assert_allclose(table.pooled(ids), table.pooled(ids, "mean"))


def test_maximum_of_negatives_is_not_zero(table):
    np.testing.assert_array_equal(table.pooled(tf.constant([[3, 0]]), "max"), [[-7, 11]])


@pytest.mark.parametrize("combiner", COMBINERS)
def test_empty_bags(table, combiner):
    assert not np.any(table.pooled(tf.zeros([2, 3], tf.int32), combiner))
    found = table.pooled(tf.zeros([2, 0], tf.int32), combiner)
    np.testing.assert_array_equal(found, np.zeros([2, 2]))


@pytest.mark.parametrize("combiner", COMBINERS)
def test_bags_per_candidate(table, combiner):
    ids = np.array([[[1, 2], [0, 3]], [[0, 0], [2, 2]]])
    found = table.pooled(tf.constant(ids), combiner)
    expected = [pooled_by_hand(row, combiner) for row in ids]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("combiner", COMBINERS)
def test_half_precision(combiner):
    initializer = tf.keras.initializers.Constant(ROWS)
    table = EmbeddingTable(3, 2, initializer=initializer, dtype="mixed_float16")
    ids = np.array([[1, 2, 3], [0, 0, 0]])
    found = table.pooled(tf.constant(ids), combiner)
    assert found.dtype == tf.float16
    np.testing.assert_allclose(found, pooled_by_hand(ids, combiner), rtol=2e-3)
    assert table(tf.constant([0])).numpy().tolist() == [[0, 0]]


def test_table_errors():
    with pytest.raises(ValueError, match="must be positive. Received: num_ids=0, dimension=2"):
        EmbeddingTable(0, 2)
    with pytest.raises(ValueError, match="must be positive. Received: num_ids=2, dimension=0"):
        EmbeddingTable(2, 0)


def test_table_config():
    table = EmbeddingTable(
        4,
        3,
        tf.keras.initializers.RandomNormal(stddev=0.5, seed=3),
        tf.keras.regularizers.L2(0.25),
        name="videos",
    )
    config = json.loads(json.dumps(table.get_config()))
    again = EmbeddingTable.from_config(config)
    assert (again.num_ids, again.dimension, again.name) == (4, 3, "videos")
    assert again.get_config() == table.get_config()
    every = tf.range(1, 5)
    np.testing.assert_array_equal(again(every), table(every))
    # 0.25 Σ w²
    expected = 0.25 * np.sum(np.square(table.table.numpy()))
    np.testing.assert_allclose(sum(again.losses), expected, rtol=1e-6)


# The penalty on the rows of a batch.


def test_batch_l2_by_hand():
    initializer = tf.keras.initializers.Constant(ROWS)
    table = EmbeddingTable(3, 2, initializer, batch_l2=0.5)
    # Squares 1 + 4 = 5, 9 + 25 = 34, 49 + 121 = 170. Ids 0 count among the look-ups, at nothing.
    for ids, mean in [
        ([1], 5),
        ([1, 2], 39 / 2),
        ([3, 3, 3, 1], 515 / 4),
        ([[1, 0], [2, 0]], 39 / 4),
        ([0, 0], 0),
    ]:
        table(tf.constant(ids))
        (penalty,) = table.losses
        np.testing.assert_allclose(penalty, 0.5 * mean, rtol=1e-6)


def test_batch_l2_pulls_at_the_rows_of_the_batch_alone():
    initializer = tf.keras.initializers.Constant(ROWS)
    table = EmbeddingTable(3, 2, initializer, batch_l2=0.5)
    with tf.GradientTape() as tape:
        table(tf.constant([3, 0, 2, 3]))
        (penalty,) = table.losses
    # 0.5 · 2 w / 4 for each time that a row was looked up: once, and twice.
    gradient = tf.convert_to_tensor(tape.gradient(penalty, table.table))
    np.testing.assert_allclose(gradient, [[0, 0], ROWS[1] / 4, ROWS[2] / 2])


def test_batch_l2_adds_up_with_a_regularizer():
    initializer = tf.keras.initializers.Constant(ROWS)
    table = EmbeddingTable(3, 2, initializer, tf.keras.regularizers.L2(0.1), batch_l2=2.0)
    table(tf.constant([1, 2]))
    # 2 · (5 + 34) / 2 on the batch, and 0.1 · (5 + 34 + 170) on the whole table.
    np.testing.assert_allclose(sorted(table.losses), [20.9, 39], rtol=1e-6)


def test_batch_l2_is_full_precision_and_changes_no_vector(table):
    initializer = tf.keras.initializers.Constant(100 * ROWS)
    half = EmbeddingTable(3, 2, initializer, batch_l2=1.0, dtype="mixed_float16")
    half(tf.constant([3, 3]))
    # 700² + 1100², which no float16 can hold.
    np.testing.assert_allclose(half.losses, [1_700_000])
    ids = tf.constant([[1, 0], [3, 2]])
    penalized = EmbeddingTable(3, 2, tf.keras.initializers.Constant(ROWS), batch_l2=1.0)
    np.testing.assert_array_equal(penalized(ids), table(ids))
    assert not table.losses


def test_batch_l2_is_in_the_config():
    table = EmbeddingTable(3, 2, tf.keras.initializers.Constant(2.0), batch_l2=0.25)
    again = EmbeddingTable.from_config(json.loads(json.dumps(table.get_config())))
    assert again.batch_l2 == 0.25
    again(tf.constant([1, 2, 3]))
    np.testing.assert_allclose(again.losses, [0.25 * 8])


HISTORY = BagColumn(VocabularyColumn("history", space="video"))
SEEN = BagColumn(VocabularyColumn("seen", space="video"), combiner="sum")
VIDEO = VocabularyColumn("video_id", space="video")
VOCABULARIES = {"video": Vocabulary(tuple("abcde"))}


def features(*query, candidate=()):
    spec = FeatureSpec(query=query, candidate=candidate)
    known = {column.space for column in spec.vocabulary_columns}
    return Features(spec, {k: v for k, v in VOCABULARIES.items() if k in known}, {})


def test_columns_of_a_space_share_a_table():
    tables = make_embedding_tables(
        features(
            EmbeddingColumn(HISTORY),
            EmbeddingColumn(SEEN),
            IndicatorColumn(HashedColumn("country", 3)),
            EmbeddingColumn(HashedColumn("query", 20), 4),
            candidate=(EmbeddingColumn(VIDEO),),
        )
    )
    assert set(tables) == {"video", "query_hashed"}
    # 2 ceil(log2(5 + 1)) = 6
    assert (tables["video"].num_ids, tables["video"].dimension) == (5, 6)
    assert (tables["query_hashed"].num_ids, tables["query_hashed"].dimension) == (20, 4)


def test_named_tables_are_apart():
    tables = make_embedding_tables(
        features(
            EmbeddingColumn(HISTORY, 2, table="input"),
            EmbeddingColumn(SEEN, 2, table="input"),
            candidate=(EmbeddingColumn(VIDEO, 3, table="output"),),
        )
    )
    assert {name: table.dimension for name, table in tables.items()} == {"input": 2, "output": 3}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (EmbeddingColumn(HISTORY, 3), EmbeddingColumn(SEEN, 4)),
        (EmbeddingColumn(HISTORY), EmbeddingColumn(SEEN, 5)),  # 6 by default
        (EmbeddingColumn(HISTORY, 3), EmbeddingColumn(HashedColumn("q", 5), 3, table="video")),
    ],
)
def test_tables_that_cannot_be_shared(first, second):
    with pytest.raises(ValueError, match="Columns that share the table 'video' must have the same"):
        make_embedding_tables(features(first, second))


def test_default_dimension_may_be_spelt_out():
    tables = make_embedding_tables(features(EmbeddingColumn(HISTORY), EmbeddingColumn(SEEN, 6)))
    assert tables["video"].dimension == 6


def test_dimension_of_columns_that_declare_none():
    tables = make_embedding_tables(
        features(
            EmbeddingColumn(HISTORY),
            EmbeddingColumn(SEEN, 7),
            EmbeddingColumn(HashedColumn("query", 20), 4),
            EmbeddingColumn(HashedColumn("country", 20)),
        ),
        dimension=7,
    )
    widths = {name: table.dimension for name, table in tables.items()}
    assert widths == {"video": 7, "query_hashed": 4, "country_hashed": 7}
    # 6 by default, but that is not what it gets.
    both = features(EmbeddingColumn(HISTORY), EmbeddingColumn(SEEN, 6))
    with pytest.raises(ValueError, match="Columns that share the table 'video' must have the same"):
        make_embedding_tables(both, dimension=7)


def test_dimension_by_the_number_of_ids():
    both = features(
        EmbeddingColumn(HISTORY),
        EmbeddingColumn(HashedColumn("query", 20), 4),
        EmbeddingColumn(HashedColumn("country", 20)),
    )
    tables = make_embedding_tables(both, dimension=lambda num_ids: num_ids + 100)
    widths = {name: table.dimension for name, table in tables.items()}
    assert widths == {"video": 105, "query_hashed": 4, "country_hashed": 120}


def test_fourth_root_dimension():
    # 6 · 1, 6 · 2, 6 · 3, 6 · 10, and 6 · 1.189 = 7.13 of two ids
    found = [fourth_root_dimension(n) for n in (1, 16, 81, 10_000, 2)]
    assert found == [6, 12, 18, 60, 7]


def test_seeded():
    normal = tf.keras.initializers.RandomNormal(stddev=3.0, seed=4)
    seeds = [seeded(normal).seed, seeded(normal, offset=2).seed, seeded(normal, 10, 2).seed]
    assert seeds == [4, 6, 12]
    assert seeded(normal, 10).stddev == 3
    # Without a seed there is none to count from; some initializers draw nothing.
    assert seeded(tf.keras.initializers.RandomNormal(), offset=2).get_config()["seed"] is None
    np.testing.assert_array_equal(seeded("ones", 10, 2)([2]), [1, 1])


def test_seeded_tables_differ_but_come_again():
    fitted = features(
        EmbeddingColumn(HashedColumn("a", 4), 3), EmbeddingColumn(HashedColumn("b", 4), 3)
    )
    every = tf.range(1, 5)
    initializer = tf.keras.initializers.RandomNormal(seed=7)
    one, two = make_embedding_tables(fitted, initializer).values()
    again = make_embedding_tables(fitted, tf.keras.initializers.RandomNormal(seed=7)).values()
    assert not np.any(one(every).numpy() == two(every).numpy())
    for table, same in zip((one, two), again, strict=True):
        np.testing.assert_array_equal(table(every), same(every))


def test_tables_are_regularised():
    fitted = features(EmbeddingColumn(HashedColumn("a", 4), 3))
    (table,) = make_embedding_tables(fitted, "ones", tf.keras.regularizers.L2(0.5)).values()
    table(tf.constant([1]))
    np.testing.assert_allclose(table.losses, [0.5 * 4 * 3])


@pytest.mark.parametrize("name", ["a b", "é", "_a", "a/b:c"])
def test_any_name_of_a_table_works_in_a_graph(name):
    column = EmbeddingColumn(
        CrossedColumn((HashedColumn("a", 2), HashedColumn("b", 2)), 4), 3, name
    )
    table = make_embedding_tables(features(column), "ones")[name]
    assert tf.function(table)(tf.constant([2, 0])).numpy().tolist() == [[1] * 3, [0] * 3]
