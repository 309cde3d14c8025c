"""What the tests of every model can't know of those that read a sequence."""

import numpy as np
import pytest
from sequences import AGED, HISTORY, ITEM, bags, loss, made, scores

from tfrec_zoo import registry
from tfrec_zoo.features import BagColumn, Features, FeatureSpec, NumericColumn, VocabularyColumn
from tfrec_zoo.losses import Drawn, Negatives
from tfrec_zoo.models import HSTU, SASRec
from tfrec_zoo.serving import served

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

EVERY = pytest.mark.parametrize("cls", [SASRec, HSTU])
#: Every kind of loss.
EVERY_LOSS = pytest.mark.parametrize(
    "cls, arguments",
    [
        *((cls, given) for cls in (SASRec, HSTU) for given in ({}, {"negatives": "uniform"})),
        (SASRec, {"loss": "binary"}),
    ],
)


# What a history is.


@EVERY
def test_scores_do_not_depend_on_padding(cls):
    model = made(cls, max_history=3)
    expected = scores(model, "bcd")
    for row in ("bcd...", "...bcd", "b.c..d", "?b?cd?", "?.?bc.?d", "aabcd", "dcabc?d."):
        np.testing.assert_allclose(scores(model, row), expected, 1e-5, 1e-6, err_msg=row)
    # Nor on what else is in the batch.
    together = scores(model, ".....d", "abcd..", "......", "?b?c.d")
    np.testing.assert_allclose(together[3:], expected, 1e-5, 1e-6)
    np.testing.assert_allclose(together[:1], scores(model, "d"), 1e-5, 1e-6)


@EVERY
def test_order_and_repetition_matter(cls):
    model = made(cls)
    every = np.concatenate([scores(model, row) for row in ("abc", "bac", "aabc", "cab", "bc")])
    assert np.abs(every[:, None] - every).max(-1)[~np.eye(5, dtype=bool)].min() > 0.01


@EVERY
@pytest.mark.parametrize("row", ["", "..", "??", ".?"])
def test_without_a_known_item_the_most_frequent_come_first(cls, row):
    model = made(cls)
    assert scores(model, row).tolist() == [[0.0] * 4]
    answer = served(model, k=4).answer(
        history=tf.reshape(tf.constant([*row.replace(".", "")], tf.string), [1, -1]),
        exclude=tf.zeros([1, 0], tf.string),
        allow=tf.zeros([1, 0], tf.string),
    )
    assert answer["ids"].numpy().tolist() == [[b"a", b"b", b"c", b"d"]]


@EVERY
def test_bag_that_is_shorter_than_the_history(cls):
    spec = FeatureSpec((BagColumn(VocabularyColumn("history", space="item"), 2),), (ITEM,))
    features = Features.fit(spec, {"item": list("aaaabbbccd")})
    same = made(cls)
    model = cls.from_config({**same.get_config(), "features": features.to_config()})
    model.build_weights()
    model.set_weights(same.get_weights())
    np.testing.assert_allclose(scores(model, "dabc"), scores(same, "bc"), 1e-5, 1e-6)


# What it learns from.


@EVERY
def test_an_example_trains_as_many_predictions_as_its_history_has_items(cls):
    model = made(cls)
    x, y = bags("ab.c", "..?d", "....", "bacd"), np.array(["d", "a", "b", "no such"])
    batch = (model.encode(x), tf.constant(y))
    assert model.counted(*batch, training=True).numpy().tolist() == [3, 1, 0, 0]
    assert model.counted(*batch, training=False).numpy().tolist() == [True, True, True, False]

    def cross_entropy(row, item):
        found = scores(model, row)[0].astype(np.float64)
        return np.log(np.exp(found).sum()) - found["abcd".index(item)]

    # The positions of a prediction are those that it has in training: counted from the last item.
    states = model.states(*model.sequences(batch[0])).numpy().astype(np.float64)
    items = model.candidates().numpy()
    expected = []
    for row, at, item in ((0, 1, "b"), (0, 2, "c"), (0, 3, "d"), (1, 3, "a")):
        found = items @ states[row, at]
        expected.append(np.log(np.exp(found).sum()) - found["abcd".index(item)])
    assert expected[2:] == pytest.approx([cross_entropy("abc", "d"), cross_entropy("d", "a")])
    assert loss(model, x, y, training=True) == pytest.approx(np.mean(expected), rel=1e-5)
    # Evaluation is of the next item alone.
    expected = [cross_entropy("abc", "d"), cross_entropy("d", "a"), np.log(4)]
    assert loss(model, x, y, training=False) == pytest.approx(np.mean(expected), rel=1e-5)


@EVERY_LOSS
def test_the_future_is_not_seen(cls, arguments):
    model = made(cls, **arguments)
    ids = tf.constant([[1, 2, 3, 4]])
    with tf.GradientTape() as tape:
        rows = tf.Variable(tf.gather(model.item_table.table, ids[0] - 1))
        model.item_table.call = lambda _: rows[None]  # What each position reads.
        third = tf.reduce_sum(model.states(ids)[:, 2])
    moved = np.abs(tf.convert_to_tensor(tape.gradient(third, rows))).max(-1)
    assert np.all(moved[:3] > 1e-4) and moved[3] == 0


@EVERY
@pytest.mark.parametrize("mask_known", [False, True])
def test_sampled_items_stand_for_all(cls, mask_known):
    model = made(cls, negatives=Negatives("uniform", number=6, mask_known=mask_known))
    x, y = bags("ac", ".c"), np.array(["d", "a"])
    states = model.states(*model.sequences(model.encode(x))).numpy().astype(np.float64)
    found = (states @ model.candidates().numpy().T)[[0, 0, 1], [0, 1, 1]]
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


@EVERY
def test_what_is_sampled_costs_on_average_what_all_do(cls):
    full, sampled = made(cls), made(cls, negatives=Negatives("log-uniform", number=3))
    x, y = bags("ab", "dc"), np.array(["d", "a"])
    sampled.set_weights(full.get_weights())
    inputs = {key: tf.constant(values) for key, values in x.items()}
    once = tf.function(lambda: sampled.compute_loss((inputs, y), training=True))
    found = np.mean([once() for _ in range(200)])
    assert found == pytest.approx(loss(full, x, y, training=True), rel=0.1)


@EVERY_LOSS
def test_nothing_to_predict_trains_nothing(cls, arguments):
    model = made(cls, **arguments)
    model.compile(tf.keras.optimizers.SGD(1.0))
    before = model.get_weights()
    found = model.train_step((bags("...", "???"), np.array(["a", "b"])))
    assert found["loss"] == 0
    for value, weight in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, value)


# When each item was.


@EVERY
def test_without_ages_it_is_the_papers(cls, reference_of):
    reference = reference_of(registry.get(cls.__name__))
    model = made(cls, embedding_dim=6, max_history=3)
    expected = reference.states(model, [2, 4, 3], np.full(3, np.nan))
    np.testing.assert_allclose(model(bags("bdc"))[0], expected[-1], 1e-5, 1e-5)
    assert not any("interval" in variable.name for variable in model.trainable_variables)


@EVERY
def test_a_position_sees_the_time_from_each_item_to_its_target(cls):
    model = made(cls, AGED)
    assert model.raw_keys == {"history", "age"}
    history = bags("abc")["history"]
    sequence = model.sequences({"history": history, "age": np.array([[70.0, 30.0, 10.0]])})
    states = model.states(*sequence).numpy()[0]
    # As it would have been asked then: b came 40 after a, and c 60 and 20 after both.
    for length, ages in ((1, [40.0]), (2, [60.0, 20.0]), (3, [70.0, 30.0, 10.0])):
        asked = made(cls, AGED, max_history=47 + length)
        weights = model.get_weights()
        # Positions are counted from the last item, which is `length` then.
        asked.set_weights([w[: 47 + length] if w.shape[:1] == (50,) else w for w in weights])
        for unit in asked.blocks if cls is HSTU else ():
            unit.max_length = 50  # What its weights are divided by.
        then = asked({"history": history[:, :length], "age": np.array([ages])})
        np.testing.assert_allclose(then[0], states[length - 1], 1e-5, 1e-6)


@EVERY
def test_ages_follow_their_items(cls):
    model = made(cls, AGED)
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


@EVERY
def test_heads_that_do_not_divide_the_width(cls):
    with pytest.raises(ValueError, match="`num_heads` must divide `embedding_dim`. Received: .*3"):
        made(cls, num_heads=3)


@EVERY
def test_negatives_of_the_batch(cls):
    with pytest.raises(ValueError, match="must be 'uniform' or 'log.*Received: 'in-batch'"):
        made(cls, negatives="in-batch")


@EVERY
def test_other_features(cls):
    for query in ((HISTORY, NumericColumn("age")), (VocabularyColumn("history", space="item"),)):
        spec = FeatureSpec(query, (ITEM,))
        features = Features.fit(spec, {"item": list("ab"), "history": list("ab"), "age": [1.0]})
        with pytest.raises(
            ValueError, match=f"{cls.__name__} needs one query column, a BagColumn.* Received: "
        ):
            cls(features)
