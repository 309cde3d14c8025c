"""iALS against dense NumPy: sweeps, the objective, new users, and what `fit` takes."""

import inspect

import numpy as np
import pytest
from references import ials as reference

import tfrec_zoo
from tfrec_zoo import tasks
from tfrec_zoo.features import BagColumn, Features, FeatureSpec, NumericColumn, VocabularyColumn
from tfrec_zoo.models import iALS
from tfrec_zoo.models.user_item_matrix import UserItemMatrix, distinct_items
from tfrec_zoo.serving import served
from tfrec_zoo.training import Training

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

BAG, VIDEO = BagColumn(VocabularyColumn("history", space="video")), VocabularyColumn("video")
USERS, ITEMS = 40, 12


def baskets(seed=0):
    """Random histories with gaps, repetitions and unknown items, and the [users, items] baskets."""
    rng = np.random.default_rng(seed)
    names = np.array([f"v{i}" for i in range(ITEMS)] + ["", "no such"])
    history = names[np.minimum(rng.geometric(0.15, [USERS, 6]) - 1, ITEMS + 1)]
    label = names[rng.integers(0, ITEMS, USERS)]
    weight = rng.integers(0, 4, USERS).astype(np.float32)
    features = Features.fit(FeatureSpec((BAG,), (VIDEO,)), {"video": names[:ITEMS]})
    tokens = features.vocabularies["video"].tokens
    matrix = np.array(
        [[float(v in {*h, y}) for v in tokens] for h, y in zip(history, label, strict=True)]
    )
    return features, {"history": history}, label, weight, matrix


FEATURES, X, Y, WEIGHT, MATRIX = baskets()
ARGUMENTS = {"embedding_dim": 4, "unobserved_weight": 0.2, "l2": 0.02, "seed": 3}


def make(run_eagerly=True, **arguments):
    model = iALS(FEATURES, **{**ARGUMENTS, **arguments})
    model.compile(run_eagerly=run_eagerly)  # Graphs take longer to make than to run.
    return model


def gramian(model):
    items = model.item_factors.numpy()
    return items.T @ items


@pytest.mark.parametrize("l2_exponent", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_sweeps_are_those_of_dense_numpy(l2_exponent, weighted):
    model = make(l2_exponent=l2_exponent)
    weight = WEIGHT if weighted else np.ones(USERS, np.float32)
    losses = []
    for _ in range(3):
        _, items, loss = reference.sweep(model, MATRIX[weight > 0], weight[weight > 0])
        history = model.fit(X, Y, sample_weight=weight, batch_size=7, verbose=0).history
        np.testing.assert_allclose(model.item_factors, items, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(model.gramian, gramian(model), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(history["loss"], [loss], rtol=1e-5)
        losses.append(loss)
    # As many epochs in one call are the same.
    again = make(l2_exponent=l2_exponent)
    found = again.fit(X, Y, sample_weight=weight, epochs=3, verbose=0).history["loss"]
    np.testing.assert_allclose(found, losses, rtol=1e-5)
    np.testing.assert_allclose(again.item_factors, model.item_factors, rtol=1e-3, atol=1e-4)


def test_the_objective_never_rises_and_both_sides_are_at_its_minimum():
    model = make(run_eagerly=False, stddev=1.0)
    losses = np.array(model.fit(X, Y, epochs=60, verbose=0).history["loss"])
    assert losses[0] > 1.1 * losses[-1]
    assert np.all(np.diff(losses) <= 1e-6)
    # A small step of either side in any direction leads upwards.
    items = model.item_factors.numpy().astype(np.float64)
    users = np.array([reference.regression(model, items, row) for row in MATRIX])
    one = np.ones(USERS)
    least = reference.objective(model, MATRIX, one, users, items)
    rng = np.random.default_rng(0)
    for _ in range(5):
        moved = [side + 0.03 * rng.normal(size=side.shape) for side in (users, items)]
        assert reference.objective(model, MATRIX, one, moved[0], items) > least
        assert reference.objective(model, MATRIX, one, users, moved[1]) > least


def test_a_new_user_is_one_of_training():
    """The vector that a history is answered with is the one that a sweep gives to its user."""
    model = make()
    model.fit(X, Y, epochs=2, verbose=0)
    tokens = np.array(FEATURES.vocabularies["video"].tokens)
    taken = [tokens[row > 0] for row in MATRIX]
    width = max(map(len, taken))
    history = np.array([[*row, *[""] * (width - len(row))] for row in taken])
    expected, _, _ = reference.sweep(model, MATRIX, np.ones(USERS))
    np.testing.assert_allclose(model({"history": history}), expected, rtol=1e-3, atol=1e-5)
    # Alone or with others, in any order, repeated, with unknown items between.
    one = np.array([["no such", *taken[0][::-1], "", taken[0][0]]])
    np.testing.assert_allclose(model({"history": one}), expected[:1], rtol=1e-3, atol=1e-5)
    assert model.scores({"history": np.empty([0, 2], object)}).shape == (0, ITEMS)


def test_a_history_of_nothing_known_is_the_zero_vector():
    model = make()
    model.fit(X, Y, verbose=0)
    nothing = {"history": np.array([["", ""], ["no such", ""]])}
    np.testing.assert_array_equal(model(nothing), np.zeros([2, 4]))
    np.testing.assert_array_equal(model.scores(nothing), np.zeros([2, ITEMS]))


def test_loss_of_evaluation_by_hand():
    features = Features.fit(FeatureSpec((BAG,), (VIDEO,)), {"video": [*"aaa", *"bb", "c"]})
    model = iALS(features, embedding_dim=1, unobserved_weight=0.5, l2=0.25, l2_exponent=0.0)
    model.item_factors.assign([[1.0], [2.0], [0.5]])  # a, b, c
    model.gramian.assign([[5.25]])
    model.compile(run_eagerly=True)
    # Of a: 1 / (1 + 5.25 / 2 + .25) = w; scores w, 2 w, w / 2. Of nothing: 0.
    w = 1 / 3.875
    x = {"history": np.array([["a", "a"], ["a", ""], ["no such", ""], ["a", "b"]])}
    y = np.array(["b", "a", "c", "d"])  # The last is unknown.
    of_b = (1 - 2 * w) ** 2 + 0.5 * 5.25 * w**2 / 2
    of_a = (1 - w) ** 2 + 0.5 * 5.25 * w**2 / 1
    expected = (of_b + of_a + 1) / 3
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), expected, rtol=1e-6)


def test_whatever_holds_the_examples():
    expected = make()
    loss = expected.fit(X, Y, sample_weight=WEIGHT, epochs=2, verbose=0).history["loss"]
    dataset = tf.data.Dataset.from_tensor_slices((X, Y, WEIGHT))
    once = tf.data.Dataset.from_tensor_slices((X, Y, WEIGHT)).batch(9)
    encoded = make()
    given = {
        "data set": (dataset.shuffle(99).batch(9), {}),
        "endless": (dataset.repeat().batch(10), {"steps_per_epoch": 4}),
        "generator": ((batch for batch in once), {}),
        "encoded": (once.map(lambda x, y, w: (encoded.preprocessor(x), y, w)), {}),
    }
    for name, (batches, arguments) in given.items():
        model = make()
        found = model.fit(batches, epochs=2, verbose=0, **arguments).history["loss"]
        np.testing.assert_allclose(found, loss, rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(model.item_factors, expected.item_factors, 1e-3, 1e-5)


def test_a_step_by_hand_is_a_sweep_over_its_batch():
    one, other = make(), make(run_eagerly=False)
    one.fit(X, Y, sample_weight=WEIGHT, verbose=0)
    assert other.train_on_batch(X, Y, sample_weight=WEIGHT) > 0
    np.testing.assert_allclose(one.item_factors, other.item_factors, rtol=1e-4, atol=1e-5)


def test_validation_follows_each_sweep():
    model = make()
    validation = {"history": X["history"][:, :3]}, Y
    history = model.fit(X, Y, validation_data=validation, epochs=3, verbose=0).history
    assert len(history["val_loss"]) == 3
    again = make()
    for value in history["val_loss"]:
        again.fit(X, Y, verbose=0)
        np.testing.assert_allclose(again.evaluate(*validation, verbose=0), value, rtol=1e-4)


def test_validation_chooses_the_number_of_sweeps(small_log):
    training = Training(epochs=9, patience=1, verbose=0)
    # The vectors start so far apart that the first sweeps are not the best.
    arguments = {"embedding_dim": 4, "stddev": 5.0}
    run = tfrec_zoo.train("iALS", tasks.NextWatch(small_log), training, **arguments)
    values = [row["val_loss"] for row in run.history]
    assert len(values) == min(9, run.statistics["epochs"] + 1)
    assert run.statistics["epochs"] == 1 + np.argmin(values)
    # The weights are those of that sweep.
    validation = tasks.NextWatch(small_log).validating().examples(iALS).test
    batches = validation.dataset(64, run.model.preprocessor)
    assert run.model.evaluate(batches, verbose=0) == pytest.approx(min(values), rel=1e-5)


def test_the_first_vectors_have_a_length_that_does_not_depend_on_their_width():
    for width in (4, 400):
        model = make(embedding_dim=width, stddev=0.5)
        squares = np.sum(model.item_factors.numpy() ** 2, axis=1)
        assert squares.mean() == pytest.approx(0.25, rel=0.4)
        np.testing.assert_allclose(model.gramian, gramian(model), rtol=1e-4, atol=1e-6)


def test_an_export_has_no_table_of_users():
    model = make()
    model.fit(X, Y, verbose=0)
    shapes = [tuple(v.shape) for v in served(model).variables if v.shape.rank == 2]
    assert sorted(set(shapes)) == [(4, 4), (ITEMS, 4)]
    assert model.statistics() == {"parameters": ITEMS * 4}


def test_the_matrix_by_rows_and_by_columns():
    items, splits = distinct_items(tf.constant([[3, 1, 3, 0], [0, 0, 0, 0], [2, 3, 0, 2]]))
    assert splits.numpy().tolist() == [0, 2, 2, 4]
    assert [set(items.numpy()[part]) for part in (slice(0, 2), slice(2, 4))] == [{0, 2}, {1, 2}]
    # The second and the last user have none.
    weight, lengths = tf.constant([0.5, 7.0, 2.0, 1.0]), tf.constant([2, 0, 2, 0])
    matrix = UserItemMatrix.of(tf.constant([2, 0, 1, 2]), lengths, weight, 4)
    assert matrix.user_splits.numpy().tolist() == [0, 2, 2, 4, 4]
    assert matrix.users.numpy().tolist() == [0, 2, 0, 2]
    assert matrix.item_splits.numpy().tolist() == [0, 1, 2, 4, 4]
    assert matrix.frequency.numpy().tolist() == [0.5, 2, 2.5, 0]


# Errors.


def test_signature_is_that_of_keras():
    assert inspect.signature(iALS.fit) == inspect.signature(tf.keras.Model.fit)


@pytest.mark.parametrize("arguments", [{"validation_split": 0.2}, {"class_weight": {0: 2.0}}])
def test_arguments_of_fit_without_meaning(arguments):
    [name] = arguments
    with pytest.raises(ValueError, match=f"`{name}` .* use `validation_data` .*Received: {name}="):
        make().fit(X, Y, verbose=0, **arguments)


def test_what_there_is_nothing_to_learn_from():
    with pytest.raises(ValueError, match="There must be examples to learn from. Received: none"):
        make().fit({"history": X["history"][:0]}, Y[:0], verbose=0)
    with pytest.raises(ValueError, match=r"needs batches \(features, item\)"):
        make().fit(X, verbose=0)


def test_wrong_arguments():
    for l2 in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match=f"`l2` must be positive. Received: {l2}"):
            make(l2=l2)
    features = Features.fit(
        FeatureSpec((BAG, NumericColumn("age")), (VIDEO,)),
        {"history": ["a"], "age": [1.0], "video": ["a"]},
    )
    with pytest.raises(ValueError, match=r"iALS needs one query column, a BagColumn .* Received"):
        iALS(features)


def test_a_penalty_that_is_lost_among_the_numbers():
    with pytest.raises(ValueError, match="make it larger. Received: l2=1e-30") as error:
        make(False, l2=1e-30, embedding_dim=32).fit(X, Y, epochs=5, verbose=0)
    assert "\n" not in str(error.value)
