"""EASE, and what all item-to-item models share."""

import inspect
import logging

import numpy as np
import pytest

from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    HashedColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import EASE, ItemKNN
from tfrec_zoo.serving import build_index, served

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

pytestmark = pytest.mark.usefixtures("eagerly")

BAG, VIDEO = BagColumn(VocabularyColumn("history", space="video")), VocabularyColumn("video")
# a, b, c: the most frequent first.
FEATURES = Features.fit(FeatureSpec((BAG,), (VIDEO,)), {"video": [*"aaa", *"bb", "c"]})

# Baskets: a and b, twice; b and c; and one whose item is unknown, which is left out.
X = {"history": np.array([["a", "a"], ["", "b"], ["no such", "c"], ["a", "c"]])}
Y = np.array(["b", "a", "b", "no such"])
#         a  b  c
# XᵀX = [[2, 2, 0],
#        [2, 3, 1],
#        [0, 1, 1]],   P = (XᵀX + I)⁻¹ = [[7, −4, 2], [−4, 6, −3], [2, −3, 8]] / 13
GRAM = [[2, 2, 0], [2, 3, 1], [0, 1, 1]]
# −P_ij / P_jj, but for the diagonal.
B = np.array([[0, 4 / 6, -2 / 8], [4 / 7, 0, 3 / 8], [-2 / 7, 3 / 6, 0]])


def fitted(model, x=X, y=Y, weight=None, **kwargs):
    model.compile()
    model.fit(x, y, sample_weight=weight, verbose=0, **kwargs)
    return model


def scores(model, *histories):
    width = max(map(len, histories))
    rows = [[*history, *[""] * (width - len(history))] for history in histories]
    return model.scores({"history": np.array(rows, object)}).numpy()


@pytest.mark.parametrize("batch_size", [1, 3, 4])
def test_by_hand(batch_size):
    model = fitted(EASE(FEATURES, l2=1.0), batch_size=batch_size)
    np.testing.assert_array_equal(model.gram, GRAM)
    np.testing.assert_allclose(model.item_weights, B, rtol=1e-6)
    expected = [B[0], B[0] + B[1], B[2]]
    np.testing.assert_allclose(scores(model, "a", "ba", "c"), expected, rtol=1e-6)


@pytest.mark.parametrize("cls", [EASE, ItemKNN])
def test_histories(cls):
    model = fitted(cls(FEATURES))
    same = scores(model, ["a", "b"], ["b", "a"], ["b", "a", "a", "b"], ["no such", "b", "", "a"])
    np.testing.assert_array_equal(same, same[:1].repeat(4, axis=0))
    assert same.any()
    nothing = scores(model, [""], ["no such"])
    np.testing.assert_array_equal(nothing, np.zeros([2, 3]))
    assert model.scores({"history": np.empty([0, 2], object)}).shape == (0, 3)


def test_weights_and_epochs_count():
    # Twice a and b, and half of b and c.
    model = fitted(EASE(FEATURES), weight=np.array([0.5, 1.5, 0.5, 9.0]))
    np.testing.assert_array_equal(model.gram, [[2, 2, 0], [2, 2.5, 0.5], [0, 0.5, 0.5]])
    once = fitted(EASE(FEATURES, l2=1.0), weight=np.full(4, 2.0))
    np.testing.assert_array_equal(once.gram, 2 * np.array(GRAM))
    for again in (
        fitted(EASE(FEATURES, l2=1.0), epochs=2),
        fitted(fitted(EASE(FEATURES, l2=1.0))),
    ):
        np.testing.assert_array_equal(again.gram, once.gram)
        np.testing.assert_array_equal(again.item_weights, once.item_weights)


def baskets(seed=0, users=50, items=9):
    """Random histories with gaps, repetitions and unknown items, and the [users, items] baskets."""
    rng = np.random.default_rng(seed)
    names = np.array([f"v{i}" for i in range(items)] + ["", "no such"])
    history = names[np.minimum(rng.geometric(0.15, [users, 6]) - 1, items + 1)]
    label = names[rng.integers(0, items, users)]
    weight = rng.integers(0, 4, users).astype(np.float32)
    features = Features.fit(FeatureSpec((BAG,), (VIDEO,)), {"video": names[:items]})
    tokens = features.vocabularies["video"].tokens
    matrix = np.array(
        [[float(v in {*h, y}) for v in tokens] for h, y in zip(history, label, strict=True)]
    )
    return features, {"history": history}, label, weight, matrix


def regressions(matrix, weight, l2):
    """Each item on all others, by least squares on the examples themselves."""
    items = matrix.shape[1]
    b = np.zeros([items, items])
    root = np.sqrt(weight)[:, None]
    for item in range(items):
        others = np.arange(items) != item
        left = np.concatenate([root * matrix[:, others], np.sqrt(l2) * np.eye(items - 1)])
        right = np.append(root[:, 0] * matrix[:, item], np.zeros(items - 1))
        b[others, item] = np.linalg.lstsq(left, right)[0]
    return b


@pytest.mark.parametrize("l2", [0.5, 20.0])
def test_solves_the_regressions(l2):
    features, x, y, weight, matrix = baskets()
    expected = regressions(matrix, weight, l2)
    model = fitted(EASE(features, l2=l2), x, y, weight, batch_size=7)
    np.testing.assert_allclose(model.item_weights, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("max_neighbors", [1, 3, 8, 9, 100])
def test_keeps_the_largest_weights_of_each_row(max_neighbors):
    features, x, y, weight, matrix = baskets(seed=1)
    full = regressions(matrix, weight, 1.0)
    assert (full < 0).any()
    kept = np.zeros_like(full)
    for row, values in enumerate(full):
        largest = sorted(range(9), key=lambda i, v=values: -abs(v[i]))[:max_neighbors]
        kept[row, largest] = values[largest]
    model = fitted(EASE(features, l2=1.0, max_neighbors=max_neighbors), x, y, weight)
    found = scores(model, *([v] for v in features.vocabularies["video"].tokens))
    np.testing.assert_allclose(found, kept, rtol=1e-4, atol=1e-6)
    assert model.neighbors.shape == (9, min(max_neighbors, 9))
    # Of many at once, what each says adds up.
    multi_hot = np.array([[float(v in h) for v in features.vocabularies["video"].tokens]
                          for h in x["history"]])  # fmt: skip
    np.testing.assert_allclose(model.scores(x), multi_hot @ kept, rtol=1e-4, atol=1e-5)


def test_loss_by_hand():
    model = EASE(FEATURES, l2=1.0)
    model.compile()
    evaluate = {"x": X, "y": Y, "verbose": 0}
    # All scores are equal: chance. The unknown item is left out.
    np.testing.assert_allclose(model.evaluate(**evaluate), 0.5, rtol=1e-6)
    fitted(model)
    # b after a, .67 0 −.25: first. a after b, .57 0 .38: first. b after c, −.29 .5 0: first.
    assert model.evaluate(**evaluate) == 0.0
    # c after a is behind both others; b after b is behind both; c after c behind b.
    x, y = {"history": np.array([["a"], ["b"], ["c"]])}, np.array(["c", "b", "c"])
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), (1 + 1 + 0.5) / 3, rtol=1e-6)


def test_validation_is_of_what_was_counted():
    model = EASE(FEATURES, l2=1.0)
    model.compile()
    history = model.fit(X, Y, validation_data=(X, Y), verbose=0).history
    np.testing.assert_allclose(history["loss"], [0.5], rtol=1e-6)  # Of the weights before.
    assert history["val_loss"] == [0.0]


def test_batches_by_hand_are_solved_by_hand():
    model = EASE(FEATURES, l2=1.0)
    model.compile()
    model.train_on_batch(X, Y)
    assert not np.any(model.item_weights)
    model.solve()
    np.testing.assert_allclose(model.item_weights, B, rtol=1e-6)


def test_signatures_are_those_of_keras():
    for name in ("fit", "evaluate"):
        own, base = getattr(EASE, name), getattr(tf.keras.Model, name)
        assert inspect.signature(own) == inspect.signature(base)


def test_one_item():
    features = Features.fit(FeatureSpec((BAG,), (VIDEO,)), {"video": ["a"]})
    for cls in (EASE, ItemKNN):
        model = fitted(cls(features), {"history": np.array([["a"]])}, np.array(["a"]))
        np.testing.assert_array_equal(scores(model, ["a"]), [[0.0]])
        assert model.evaluate({"history": np.array([["a"]])}, np.array(["a"]), verbose=0) == 0


def test_exports_leave_the_counts_behind():
    for model, expected in ((EASE(FEATURES), [(3, 3)]), (ItemKNN(FEATURES), [(3, 3), (3, 3)])):
        variables = served(fitted(model)).variables
        assert [tuple(v.shape) for v in variables if v.shape.rank == 2] == expected
        assert sum("gram" in v.name for v in model.variables) == 1


def test_there_are_no_vectors_to_search_with_scann(caplog):
    index = build_index(None, "scann", k=5)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "exactly instead of with ScaNN" in record.getMessage()
    found, rows = index.search(tf.constant([[0.1, 0.3, 0.2]]), 5, tf.constant([[1, -1]]))
    assert rows.numpy().tolist() == [[2, 0, -1, -1, -1]]
    np.testing.assert_allclose(found, [[0.2, 0.1, -np.inf, -np.inf, -np.inf]])
    build_index(None, k=5)
    assert len(caplog.records) == 1


# Errors.


@pytest.mark.parametrize(
    "query",
    [
        (),
        (VocabularyColumn("history", space="video"),),
        (BagColumn(VocabularyColumn("history")),),
        (BagColumn(HashedColumn("history", 5)),),
        (BAG, BagColumn(VocabularyColumn("history", space="video"), 7)),
        (EmbeddingColumn(BAG), NumericColumn("age")),
    ],
)
def test_the_query_is_one_bag_of_items(query):
    values = {"history": ["a"], "age": [1.0], "video": ["a"]}
    features = Features.fit(FeatureSpec(query, (VIDEO,)), values)
    with pytest.raises(ValueError, match=r"a BagColumn in the items' ID space 'video'.* Received"):
        EASE(features)


def test_wrong_arguments():
    for l2 in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match=f"`l2` must be positive. Received: {l2}"):
            EASE(FEATURES, l2=l2)
    with pytest.raises(ValueError, match="`l2` must be finite. Received: inf"):
        EASE(FEATURES, l2=np.inf)
    with pytest.raises(ValueError, match="`max_neighbors` must be positive or None. Received: 0"):
        EASE(FEATURES, max_neighbors=0)


def test_counts_that_no_penalty_regularizes():
    """Two items that are always together: without a penalty their weights are not determined."""
    together = {"history": np.array([["a"]] * 50)}
    with pytest.raises(ValueError, match="can't be inverted.* Received: l2=1e-18"):
        fitted(EASE(FEATURES, l2=1e-18), together, np.array(["b"] * 50))
