"""What the tests of every model can't know of SASRec."""

import numpy as np
import pytest

from tfrec_zoo import registry
from tfrec_zoo.features import BagColumn, Features, FeatureSpec, NumericColumn, VocabularyColumn
from tfrec_zoo.losses import Drawn, Negatives
from tfrec_zoo.models import SASRec
from tfrec_zoo.serving import served

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

ITEM = VocabularyColumn("item")
HISTORY = BagColumn(VocabularyColumn("history", space="item"), 20)
FEATURES = Features.fit(FeatureSpec((HISTORY,), (ITEM,)), {"item": list("aaaabbbccd")})


def made(**arguments):
    """A model of four items, all of whose weights are of the size of one."""
    model = SASRec(FEATURES, **{"embedding_dim": 4, "dropout": 0.0, "seed": 1, **arguments})
    model.build_weights()
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 2)
    model.compile(tf.keras.optimizers.SGD(0.0))
    return model


def bags(*rows):
    """Histories as text; a dot is missing, anything but a to d is unknown."""
    return {"history": np.array([[c.replace(".", "") for c in row] for row in rows])}


def scores(model, *rows):
    return model.scores(bags(*rows)).numpy()


def loss(model, x, y, training):
    """The reported loss, untraced, which is faster."""
    return float(model.compute_loss((x, y), training))


# What a history is.


def test_scores_do_not_depend_on_padding():
    model = made(max_history=3)
    expected = scores(model, "bcd")
    for row in ("bcd...", "...bcd", "b.c..d", "?b?cd?", "?.?bc.?d", "aabcd", "dcabc?d."):
        np.testing.assert_allclose(scores(model, row), expected, 1e-5, 1e-6, err_msg=row)
    # Nor on what else is in the batch.
    together = scores(model, ".....d", "abcd..", "......", "?b?c.d")
    np.testing.assert_allclose(together[3:], expected, 1e-5, 1e-6)
    np.testing.assert_allclose(together[:1], scores(model, "d"), 1e-5, 1e-6)


def test_order_and_repetition_matter():
    model = made()
    every = np.concatenate([scores(model, row) for row in ("abc", "bac", "aabc", "cab", "bc")])
    assert np.abs(every[:, None] - every).max(-1)[~np.eye(5, dtype=bool)].min() > 0.01


@pytest.mark.parametrize("row", ["", "..", "??", ".?"])
def test_without_a_known_item_the_most_frequent_come_first(row):
    model = made()
    assert scores(model, row).tolist() == [[0.0] * 4]
    answer = served(model, k=4).answer(
        history=tf.reshape(tf.constant([*row.replace(".", "")], tf.string), [1, -1]),
        exclude=tf.zeros([1, 0], tf.string),
        allow=tf.zeros([1, 0], tf.string),
    )
    assert answer["ids"].numpy().tolist() == [[b"a", b"b", b"c", b"d"]]


def test_bag_that_is_shorter_than_the_history():
    spec = FeatureSpec((BagColumn(VocabularyColumn("history", space="item"), 2),), (ITEM,))
    features = Features.fit(spec, {"item": list("aaaabbbccd")})
    model, same = SASRec(features, embedding_dim=4, seed=1), made()
    model.build_weights()
    model.set_weights(same.get_weights())
    np.testing.assert_allclose(scores(model, "dabc"), scores(same, "bc"), 1e-5, 1e-6)


def test_without_ages_it_is_the_papers(reference_of):
    reference = reference_of(registry.get("SASRec"))
    model = made(embedding_dim=6, max_history=3)
    expected = reference.states(model, [2, 4, 3], np.full(3, np.nan))
    np.testing.assert_allclose(model(bags("bdc"))[0], expected[-1], 1e-5, 1e-5)
    # As in the reference file, without the tables of intervals.
    expected = 4 * 6 + 3 * 6 + 2 * (3 * 36 + 2 * 42 + 24) + 12
    assert model.statistics() == {"parameters": expected}


# What it learns from.


def test_an_example_trains_as_many_predictions_as_its_history_has_items():
    model = made()
    x, y = bags("ab.c", "..?d", "....", "bacd"), np.array(["d", "a", "b", "no such"])
    batch = (model.encode(x), tf.constant(y))
    assert model.counted(*batch, training=True).numpy().tolist() == [3, 1, 0, 0]
    assert model.counted(*batch, training=False).numpy().tolist() == [True, True, True, False]

    def cross_entropy(row, item):
        found = scores(model, row)[0].astype(np.float64)
        return np.log(np.exp(found).sum()) - found["abcd".index(item)]

    # The positions of a prediction are those that it has in training: counted from the last item.
    states = model.states(*model.sequences(batch[0])).numpy().astype(np.float64)
    items = model.item_table.table.numpy()
    expected = []
    for row, at, item in ((0, 1, "b"), (0, 2, "c"), (0, 3, "d"), (1, 3, "a")):
        found = items @ states[row, at]
        expected.append(np.log(np.exp(found).sum()) - found["abcd".index(item)])
    assert expected[2:] == pytest.approx([cross_entropy("abc", "d"), cross_entropy("d", "a")])
    assert loss(model, x, y, training=True) == pytest.approx(np.mean(expected), rel=1e-5)
    # Evaluation is of the next item alone.
    expected = [cross_entropy("abc", "d"), cross_entropy("d", "a"), np.log(4)]
    assert loss(model, x, y, training=False) == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("arguments", [{}, {"loss": "binary"}, {"negatives": "uniform"}])
def test_the_future_is_not_seen(arguments):
    model = made(**arguments)
    ids = tf.constant([[1, 2, 3, 4]])
    with tf.GradientTape() as tape:
        rows = tf.Variable(tf.gather(model.item_table.table, ids[0] - 1))
        model.item_table.call = lambda _: rows[None]  # What each position reads.
        third = tf.reduce_sum(model.states(ids)[:, 2])
    moved = np.abs(tf.convert_to_tensor(tape.gradient(third, rows))).max(-1)
    assert np.all(moved[:3] > 1e-4) and moved[3] == 0


def test_the_binary_loss_is_of_the_item_and_of_one_that_is_not_in_the_sequence():
    # Of a, b, c and d, the sequence has all but b; then all; the second has no negative.
    model = made(loss="binary")
    x, y = bags("acd", "abc"), np.array(["a", "d"])
    states = model.states(*model.sequences(model.encode(x))).numpy().astype(np.float64)
    found = states @ model.item_table.table.numpy().T  # [2, 3, 4]

    def softplus(score):
        return np.log1p(np.exp(score))

    expected = [softplus(-found[0, at, i]) + softplus(found[0, at, 1]) for at, i in [
        (0, 2), (1, 3), (2, 0)]]  # fmt: skip
    expected += [softplus(-found[1, at, i]) for at, i in [(0, 1), (1, 2), (2, 3)]]
    assert loss(model, x, y, training=True) == pytest.approx(np.mean(expected), rel=1e-5)
    at_end = [expected[2], expected[5]]
    assert loss(model, x, y, training=False) == pytest.approx(np.mean(at_end), rel=1e-5)


def test_drawn_negatives_cost_on_average_what_is_evaluated():
    model = made(loss="binary")
    x, y = bags(*["b"] * 4000), np.array(["d"] * 4000)
    found, expected = loss(model, x, y, training=True), loss(model, x, y, training=False)
    assert found == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("mask_known", [False, True])
def test_sampled_items_stand_for_all(mask_known):
    model = made(negatives=Negatives("uniform", number=6, mask_known=mask_known))
    x, y = bags("ac", ".c"), np.array(["d", "a"])
    states = model.states(*model.sequences(model.encode(x))).numpy().astype(np.float64)
    found = (states @ model.item_table.table.numpy().T)[[0, 0, 1], [0, 1, 1]]
    own = [2, 3, 0]
    known = [{0, 2, 3}, {0, 2, 3}, {0, 2}] if mask_known else [{item} for item in own]
    drawn = [1, 0, 1, 2, 3, 1]
    model._draw = lambda negatives, query, classes, inputs: Drawn(
        tf.constant(drawn), tf.fill([6], 6 / 4), tf.fill(tf.shape(classes), 6 / 4)
    )
    found_loss = loss(model, x, y, training=True)
    expected = []
    for score, item, out in zip(found, own, known, strict=True):
        # Each of the six stands for 4 / 6 of an item.
        others = sum(np.exp(score[j]) * 4 / 6 for j in drawn if j not in out)
        expected.append(np.log(np.exp(score[item]) + others) - score[item])
    assert found_loss == pytest.approx(np.mean(expected), rel=1e-5)


def test_what_is_sampled_costs_on_average_what_all_do():
    full, sampled = made(), made(negatives=Negatives("log-uniform", number=3))
    x, y = bags("ab", "dc"), np.array(["d", "a"])
    sampled.set_weights(full.get_weights())
    inputs = {key: tf.constant(values) for key, values in x.items()}
    once = tf.function(lambda: sampled.compute_loss((inputs, y), training=True))
    found = np.mean([once() for _ in range(200)])
    assert found == pytest.approx(loss(full, x, y, training=True), rel=0.1)


@pytest.mark.parametrize("arguments", [{}, {"loss": "binary"}, {"negatives": "uniform"}])
def test_nothing_to_predict_trains_nothing(arguments):
    model = made(**arguments)
    model.compile(tf.keras.optimizers.SGD(1.0))
    before = model.get_weights()
    found = model.train_step((bags("...", "???"), np.array(["a", "b"])))
    assert found["loss"] == 0
    for value, weight in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, value)


def test_the_binary_loss_learns_an_order():
    """Each item follows from the one before: a, b, c, d, a, …"""
    model = SASRec(FEATURES, embedding_dim=8, dropout=0.1, loss="binary", seed=1)
    model.compile(tf.keras.optimizers.Adam(0.02))
    rows, y = ["a.", "b.", "c.", "d.", "ab", "bc", "cd", "da"], np.array(list("bcdacdab"))
    # Sixty times the eight rows, in an epoch: each has a data set of its own to make.
    model.fit(bags(*rows * 60), np.tile(y, 60), batch_size=8, shuffle=False, verbose=0)
    # An item is never a negative of its own sequence, so that it may come first.
    others = np.where([[c in row for c in "abcd"] for row in rows], -np.inf, scores(model, *rows))
    assert np.array(list("abcd"))[others.argmax(1)].tolist() == y.tolist()


# When each item was.

AGED = BagColumn(VocabularyColumn("history", space="item"), 20, ages="age")


def aged(**arguments):
    features = Features.fit(FeatureSpec((AGED,), (ITEM,)), {"item": list("aaaabbbccd")})
    model = SASRec(features, **{"embedding_dim": 4, "dropout": 0.0, "seed": 1, **arguments})
    model.build_weights()
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 2)
    model.compile(tf.keras.optimizers.SGD(0.0))
    return model


def test_a_position_sees_the_time_from_each_item_to_its_target():
    model = aged()
    assert model.raw_keys == {"history", "age"}
    history = bags("abc")["history"]
    sequence = model.sequences({"history": history, "age": np.array([[70.0, 30.0, 10.0]])})
    states = model.states(*sequence).numpy()[0]
    # As it would have been asked then: b came 40 after a, and c 60 and 20 after both.
    for length, ages in ((1, [40.0]), (2, [60.0, 20.0]), (3, [70.0, 30.0, 10.0])):
        asked = aged(max_history=47 + length)
        weights = model.get_weights()
        # Positions are counted from the last item, which is `length` then.
        asked.set_weights([w[: 47 + length] if w.shape == (50, 4) else w for w in weights])
        then = asked({"history": history[:, :length], "age": np.array([ages])})
        np.testing.assert_allclose(then[0], states[length - 1], 1e-5, 1e-6)


def test_ages_follow_their_items():
    model = aged()
    expected = model.scores({**bags("bc"), "age": np.array([[500.0, 3.0]])})
    for row, ages in (
        ("b.?c.", [500.0, np.nan, 9.0, 3.0, np.nan]),
        ("..bc", [7.0, np.nan, 500.0, 3.0]),
        ("bc..", [500.0, 3.0]),
        ("bc", [500.0, 3.0, 8.0, 9.0]),
    ):
        found = model.scores({**bags(row), "age": np.array([ages])})
        np.testing.assert_allclose(found, expected, 1e-5, 1e-6, err_msg=row)
    # An interval of another size is another request; without ages there is an answer, too.
    for ages in ([500.0, 90.0], [9.0, 3.0], [np.nan, np.nan]):
        found = model.scores({**bags("bc"), "age": np.array([ages])})
        assert np.abs(found - expected).max() > 0.01
        assert np.isfinite(found).all()


# What is refused.


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(ValueError, match="`num_heads` must divide `embedding_dim`. Received: .*3"):
        made(num_heads=3)


def test_losses_and_negatives_that_do_not_go_together():
    with pytest.raises(ValueError, match="`negatives` are of the softmax.* Received: .*'uniform'"):
        made(loss="binary", negatives="uniform")
    with pytest.raises(ValueError, match="must be one of .*'softmax', 'binary'.* Received: 'bpr'"):
        made(loss="bpr")
    with pytest.raises(ValueError, match="must be 'uniform' or 'log.*Received: 'in-batch'"):
        made(negatives="in-batch")


def test_other_features():
    for query in ((HISTORY, NumericColumn("age")), (VocabularyColumn("history", space="item"),)):
        spec = FeatureSpec(query, (ITEM,))
        features = Features.fit(spec, {"item": list("ab"), "history": list("ab"), "age": [1.0]})
        with pytest.raises(
            ValueError, match="SASRec needs one query column, a BagColumn.* Received: "
        ):
            SASRec(features)
