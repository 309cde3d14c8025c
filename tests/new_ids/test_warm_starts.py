"""Warm starts: optimizers go on as before, new rows start by rule, and what can't be is refused."""

import dataclasses

import numpy as np
import pytest

from tfrec_zoo import Category, Content, optimizers, warm_start
from tfrec_zoo.features import (
    BagColumn,
    CrossedColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    HashedColumn,
    IndicatorColumn,
    Vocabulary,
    VocabularyColumn,
)
from tfrec_zoo.models import (
    EASE,
    DeepFM,
    ItemKNN,
    LogisticRegression,
    MatrixFactorization,
    WideDeep,
    YouTubeRetrieval,
)

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

USER, ITEM = VocabularyColumn("user"), VocabularyColumn("item")
IDS = FeatureSpec((USER,), (ITEM,))
X = {"user": np.array(["u", "v", "w", "u"]), "item": np.array(["a", "b", "c", "c"])}
Y = np.array([1.0, 0.0, 1.0, 0.0], np.float32)


def features_of(spec, users, items, **kwargs):
    vocabularies = {"user": Vocabulary(tuple(users)), "item": Vocabulary(tuple(items))}
    return Features(spec, {k: vocabularies[k] for k in {c.space for c in spec.vocabulary_columns}},
                    {}, **kwargs)  # fmt: skip


def rows(model, table, tokens, space="item"):
    places = [model.features.vocabularies[space].tokens.index(token) for token in tokens]
    return table.numpy()[places]


OPTIMIZERS = {
    "lazy_adam": lambda: optimizers.LazyAdam(0.1),
    "fused_adam": lambda: optimizers.FusedAdam(0.1),
    "adam": lambda: tf.keras.optimizers.Adam(0.1),
    "legacy adam": lambda: tf.keras.optimizers.legacy.Adam(0.1),
    "adagrad": lambda: optimizers.make("adagrad"),
    "ftrl": lambda: optimizers.make("ftrl"),
    "momentum": lambda: tf.keras.optimizers.legacy.SGD(0.1, momentum=0.9),
    "scaled": lambda: tf.keras.mixed_precision.LossScaleOptimizer(
        tf.keras.optimizers.Adam(0.1), dynamic=False, initial_scale=2.0
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_as_if_the_ids_had_not_moved(name):
    spec = FeatureSpec((EmbeddingColumn(USER),), (EmbeddingColumn(ITEM),))
    old, model = (
        DeepFM(
            features_of(spec, users, items),
            embedding_dim=3,
            hidden_units=(4,),
            dropout=0.0,
            seed=seed,
        )
        for users, items, seed in (("uvw", "abc", 1), ("wxvu", "cdba", 2))
    )
    for one in (old, model):
        one.compile(OPTIMIZERS[name]())
    for _ in range(3):
        old.train_step((X, Y))
    warm_start(model, old)
    for one in (old, model):
        one.train_step((X, Y))
    for space, tokens in (("user", "uvw"), ("item", "abc")):
        found, expected = (
            rows(one, one.tables[space].table, tokens, space) for one in (model, old)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model(X), old(X), rtol=1e-5, atol=1e-6)


def test_both_optimizers_of_wide_and_deep_go_on():
    spec = FeatureSpec((EmbeddingColumn(USER),), (EmbeddingColumn(ITEM),))
    old, model = (
        WideDeep(
            features_of(spec, users, items),
            embedding_dim=3,
            hidden_units=(4,),
            dropout=0.0,
            seed=seed,
        )
        for users, items, seed in (("uvw", "abc", 1), ("wxvu", "cdba", 2))
    )
    for one in (old, model):
        one.compile()
    for _ in range(3):
        old.train_step((X, Y))
    warm_start(model, old)
    assert int(model.optimizer.optimizers[0].iterations) == 3
    for one in (old, model):
        one.train_step((X, Y))
    np.testing.assert_allclose(model(X), old(X), rtol=1e-5, atol=1e-6)


def test_another_optimizer_starts_anew():
    old, model = (
        MatrixFactorization(features_of(IDS, "uvw", "abc"), embedding_dim=2) for _ in "ab"
    )
    old.compile("lazy_adam")
    model.compile("sgd")
    old.fit(X, X["item"], verbose=0)
    warm_start(model, old)
    assert int(model.optimizer.iterations) == 0
    model.compile("fused_adam")  # It remembers the same.
    warm_start(model, old)
    assert int(model.optimizer.iterations) == 1
    np.testing.assert_array_equal(model.scores(X), old.scores(X))


@pytest.fixture
def factors():
    """A model of items a, b, c with the vectors (1, 0), (3, 0), (2, 6)."""
    model = MatrixFactorization(features_of(IDS, "uvw", "abc"), embedding_dim=2)
    model.embeddings.item.table.assign([[1.0, 0.0], [3.0, 0.0], [2.0, 6.0]])
    model.item_bias.table.assign([[1.0], [2.0], [6.0]])
    return model


def grown(new_rows, factors, users="uvw"):
    model = MatrixFactorization(features_of(IDS, users, "dcbae"), embedding_dim=2, seed=3)
    drawn = model.embeddings.item.table.numpy()
    warm_start(model, factors, new_rows)
    np.testing.assert_array_equal(
        rows(model, model.embeddings.item.table, "abc"), [[1, 0], [3, 0], [2, 6]]
    )
    new = [
        rows(model, table, "de") for table in (model.embeddings.item.table, model.item_bias.table)
    ]
    return *new, drawn[[0, 4]]


def test_new_rows_stay_as_drawn_or_are_zeros_or_the_mean(factors):
    vectors, bias, drawn = grown("initial", factors)
    np.testing.assert_array_equal(vectors, drawn)
    assert not bias.any()  # Biases start there.
    vectors, bias, _ = grown("zeros", factors)
    assert not vectors.any() and not bias.any()
    vectors, bias, _ = grown("mean", factors)
    np.testing.assert_array_equal(vectors, [[2, 2], [2, 2]])
    np.testing.assert_array_equal(bias, [[3], [3]])


def test_a_rule_for_each_space(factors):
    model = MatrixFactorization(features_of(IDS, "uvwx", "abcd"), embedding_dim=2)
    drawn = model.embeddings.item.table.numpy()[3]
    warm_start(model, factors, {"user": "zeros"})
    assert not model.embeddings.user.table.numpy()[3].any()
    np.testing.assert_array_equal(model.embeddings.item.table.numpy()[3], drawn)


def test_new_rows_by_category(factors):
    items = {"item": list("abcdef"), "genre": ["pop", "pop", "rock", "pop", "jazz", "rock"]}
    vectors, bias, _ = grown(Category("genre", items), factors)
    # d shares pop with a and b; nothing known is jazz, which leaves the mean of all.
    np.testing.assert_array_equal(vectors, [[2, 0], [2, 2]])
    np.testing.assert_array_equal(bias, [[1.5], [3]])


def test_new_rows_by_a_bag_of_categories(factors):
    tags = [["x"], ["x", "y"], ["y"], ["x", "y"], None]
    vectors, _, _ = grown(Category("tags", {"item": list("abcde"), "tags": tags}), factors)
    # x: the mean of a and b, (2, 0); y: of b and c, (2.5, 3); d has both.
    np.testing.assert_allclose(vectors, [[2.25, 1.5], [2, 2]])


def test_new_rows_by_content_are_a_ridge_regression(factors):
    items = {"item": list("abcde"), "price": [0.0, 1.0, 2.0, 3.0, np.nan]}
    vectors, _, _ = grown(Content(items, l2=2.0), factors)
    # Prices are scaled to mean 1.5 and deviation √1.25; e has no price, which is the mean.
    x = (np.array([0, 1, 2, 3, 1.5]) - 1.5) / np.sqrt(1.25)
    y = np.array([[1, 0], [3, 0], [2, 6]])
    known = x[:3] - x[:3].mean()
    slope = known @ (y - y.mean(0)) / (known @ known + 2.0)
    expected = y.mean(0) + (x[3:, None] - x[:3].mean()) * slope
    np.testing.assert_allclose(vectors, expected, rtol=1e-5)


def test_an_encoder_of_ones_own_reads_the_titles(factors):
    titles = ["aa", "bbbb", "cccccc", "dddddddd", ""]
    asked = []

    def lengths(texts):
        asked.append(texts)
        return np.array([[len(text)] for text in texts])

    content = Content({"item": list("abcde"), "title": titles}, encoder=lengths, l2=1e-6)
    vectors, _, _ = grown(content, factors)
    # In the order of the vocabulary, for the vectors and for the biases.
    assert asked == [["dddddddd", "cccccc", "bbbb", "aa", ""]] * 2
    # A line through (2, 1), (4, 3), (6, 2) and (2, 0), (4, 0), (6, 6).
    slope, middle = np.array([0.25, 1.5]), np.array([2, 2])
    np.testing.assert_allclose(vectors, middle + np.array([[4], [-4]]) * slope, rtol=1e-3)


def test_titles_are_read_by_their_words():
    titles = {
        "a": "deep sea diving",
        "b": "reef diving",
        "c": "chess opening",
        "d": "chess endgame",
    }
    new = {"e": "wreck diving", "f": "chess gambit"}
    items = {"item": [*titles, *new], "title": [*titles.values(), *new.values()]}
    old, model = (
        MatrixFactorization(features_of(IDS, "uvw", tokens), embedding_dim=1)
        for tokens in ("abcd", "abcdef")
    )
    old.embeddings.item.table.assign([[1.0], [1.0], [-1.0], [-1.0]])
    warm_start(model, old, Content(items, l2=0.1))
    dived, played = model.embeddings.item.table.numpy()[4:, 0]
    assert dived > 0.3 and played < -0.3


@pytest.mark.parametrize(
    ("new_rows", "message"),
    [
        ("random", "must be one of .* Received: 'random'"),
        ({"shop": "zeros"}, r"rules by ID space, of \['item', 'user'\]. Received: \['shop'\]"),
        ({"user": Category("genre")}, "Content is known of the items alone"),
        ("content", "no content to start new items from"),
        (Category("genre"), r"`key` must be a column of the items: one of \[\]. Received: 'genre'"),
        (Content({"item": ["a", "a"], "x": [1, 2]}), "a row per item. Received twice: 'a'"),
        (
            Content({"item": ["a", "b"], "t": ["x", "y"]}, encoder=lambda texts: [1.0]),
            "a finite vector for each text, 5 of 't'",
        ),
    ],
)
def test_wrong_rules_are_refused(factors, new_rows, message):
    with pytest.raises(ValueError, match=message):
        grown(new_rows, factors)
    with pytest.raises(KeyError, match="must hold the ids of the items, 'item'"):
        grown(Content({"sku": ["a"]}), factors)


def test_ids_that_are_gone_lose_their_rows(factors):
    model = MatrixFactorization(features_of(IDS, "uvw", "cxa"), embedding_dim=2)
    warm_start(model, factors, "zeros")
    np.testing.assert_array_equal(model.embeddings.item.table, [[2, 6], [0, 0], [1, 0]])


@pytest.mark.parametrize("cls", [EASE, ItemKNN])
@pytest.mark.parametrize("max_neighbors", [None, 2])
def test_weights_between_items_move_on_both_axes(cls, max_neighbors):
    if cls is ItemKNN and max_neighbors is None:
        pytest.skip("always has a number of neighbors")
    history = BagColumn(VocabularyColumn("history", space="item"), 3)
    spec = FeatureSpec((history,), (ITEM,))
    old, model = (
        cls(features_of(spec, "", tokens), max_neighbors=max_neighbors)
        for tokens in ("abc", "dcab")
    )
    x = {"history": np.array([["a", "b"], ["b", "c"], ["a", ""]])}
    old.compile()
    old.fit(x, np.array(["c", "a", "b"]), verbose=0)
    warm_start(model, old)
    expected, found = old.scores(x).numpy(), model.scores(x).numpy()
    np.testing.assert_allclose(found[:, [2, 3, 1]], expected, rtol=1e-6)
    assert not found[:, 0].any()
    # What is counted further is added to the old counts.
    more = {"history": np.array([["d"]])}
    model.compile()
    model.fit(more, np.array(["a"]), verbose=0)
    assert model.gram.numpy()[2, 2] == old.gram.numpy()[0, 0] + 1
    # c is gone, and with it what it nominates and who nominates it.
    smaller = cls(features_of(spec, "", "ba"), max_neighbors=max_neighbors)
    warm_start(smaller, old)
    np.testing.assert_allclose(
        smaller.scores({"history": np.array([["a"]])}).numpy()[0],
        old.scores({"history": np.array([["a"]])}).numpy()[0, [1, 0]],
    )


def test_what_differs_is_named(factors):
    other = MatrixFactorization(factors.features, embedding_dim=3)
    with pytest.raises(ValueError, match=r"the same arguments. Received: {'embedding_dim': 3}"):
        warm_start(other, factors)
    with pytest.raises(ValueError, match="one of its own class. Received: LogisticRegression and"):
        warm_start(LogisticRegression(factors.features), factors)
    spec = dataclasses.replace(IDS, query=(VocabularyColumn("user", top_n=9),))
    warm_start(MatrixFactorization(features_of(spec, "uv", "ab"), embedding_dim=2), factors)
    spec = FeatureSpec((EmbeddingColumn(USER),), (EmbeddingColumn(ITEM),))
    wide = FeatureSpec((EmbeddingColumn(USER),), (ITEM,))
    old, model = (LogisticRegression(features_of(one, "uv", "ab")) for one in (spec, wide))
    with pytest.raises(ValueError, match="the same columns"):
        warm_start(model, old)


def test_a_width_that_grows_with_the_vocabulary_is_refused():
    spec = FeatureSpec((EmbeddingColumn(BagColumn(VocabularyColumn("h", space="item"))),), (ITEM,))
    old, model = (
        YouTubeRetrieval(features_of(spec, "", tokens), hidden_units=(4,))
        for tokens in ("abc", "abcdefgh")
    )
    with pytest.raises(ValueError, match="'table_item/table:0' has another shape .* be declared"):
        warm_start(model, old)


def test_an_indicator_whose_values_change_is_refused():
    spec = FeatureSpec((IndicatorColumn(USER),), (ITEM,))
    old, same, grown = (
        YouTubeRetrieval(features_of(spec, users, "abc"), hidden_units=(4,))
        for users in ("uv", "uv", "vu")
    )
    warm_start(same, old)
    with pytest.raises(ValueError, match="the old vocabulary of 'user'.*'user_indicator'"):
        warm_start(grown, old)


def test_a_table_that_does_not_say_of_which_ids_is_refused(factors):
    model = MatrixFactorization(factors.features, embedding_dim=2)
    model.item_bias.space = None
    with pytest.raises(ValueError, match="table has a `space`. Received none of: 'item_bias'"):
        warm_start(model, factors)


def test_hashed_crosses_move_only_if_their_ids_stay():
    cross = CrossedColumn((USER, ITEM), num_buckets=50)
    spec = FeatureSpec((USER, HashedColumn("shop", 9)), (ITEM, cross))
    old, more_users, more_items = (
        LogisticRegression(features_of(spec, users, items))
        for users, items in (("uv", "ab"), ("uvw", "ab"), ("uv", "abc"))
    )
    for variable in old.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    x = {"user": ["u", "v"], "item": ["b", "a"], "shop": ["s", "t"]}
    warm_start(more_users, old)
    np.testing.assert_array_equal(more_users(x), old(x))
    with pytest.raises(ValueError, match="buckets of the hashed cross 'user_X_item' depend on"):
        warm_start(more_items, old)
