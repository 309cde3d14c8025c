"""How every registered model trains: losses, weights, metrics, validation."""

import gc
import weakref

import numpy as np
from every_model import EACH, RANKING, RETRIEVAL, is_same, state

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


@EACH
def test_loss_falls(case):
    model, history = case.trained
    assert case.has_learned(model)
    assert set(history) == {"loss"}


def graphs():
    """All graphs in memory that read something from outside of them, such as variables."""
    every = [each for each in gc.get_objects() if issubclass(type(each), tf.Graph)]
    return weakref.WeakSet(graph for graph in every if getattr(graph, "captures", None))


@EACH
def test_no_graph_outlives_its_model(case):
    """A graph holds the variables that it reads: with it the memory of all weights would stay."""
    before, model = graphs(), case.build()
    model.fit(case.data.raw, case.data.label, verbose=0)
    made = weakref.WeakSet(graph for graph in graphs() if graph not in before)
    assert made
    del model
    for _ in range(3):  # What finalizers let go of is collected in the next round.
        gc.collect()
    assert not [graph.name for graph in made]


@EACH
def test_gradient_reaches_every_variable(trainable):
    batch = (trainable.data.raw, trainable.data.label)
    for variant in trainable.variants:
        model = trainable.of_variant(variant)
        with tf.GradientTape() as tape:
            loss = model.compute_loss(batch, training=True)
        variables = model.trainable_variables
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            assert gradient is not None, (variant, variable.name)
            assert np.any(tf.convert_to_tensor(gradient) != 0), (variant, variable.name)


@EACH
def test_reported_loss_is_the_mean_of_all_examples(case):
    model, data = case.shared(learning_rate=0.0), case.data
    losses = case.losses(model)
    assert np.std(losses) > 0.1
    for batch_size in (7, 64):
        batch, arguments = (data.raw, data.label), {"batch_size": batch_size, "verbose": 0}
        weight = {"sample_weight": data.weight}
        plain = model.evaluate(*batch, return_dict=True, **arguments)["loss"]
        np.testing.assert_allclose(plain, losses[case.counted].mean(), rtol=1e-5)
        weighted = model.evaluate(*batch, **weight, return_dict=True, **arguments)["loss"]
        expected = (data.weight * losses)[case.counted].mean()
        np.testing.assert_allclose(weighted, expected, rtol=1e-5)
        if case.reference.num_parameters:  # The learning rate is 0, nothing moves.
            fit = model.fit(*batch, **weight, **arguments)
            expected = case.training_loss(model, data.weight)
            np.testing.assert_allclose(fit.history["loss"], expected, rtol=1e-5)


@EACH
def test_weight_zero_moves_nothing(case):
    model, data = case.shared(), case.data
    before = state(model)
    none = np.zeros(len(data.label), np.float32)
    model.fit(data.raw, data.label, sample_weight=none, verbose=0)
    assert is_same(state(model), before)
    model.fit(data.raw, data.label, sample_weight=none + 1, verbose=0)
    assert not is_same(state(model), before)


@EACH
def test_weight_two_pulls_exactly_twice_as_hard(trainable):
    model, data = trainable.shared(), trainable.data

    def gradients(weight):
        with tf.GradientTape() as tape:
            loss = model.compute_loss((data.raw, data.label, weight), training=True)
        return [tf.convert_to_tensor(g) for g in tape.gradient(loss, model.trainable_variables)]

    one, two = (gradients(tf.fill([len(data.label)], weight)) for weight in (1.0, 2.0))
    for single, double in zip(one, two, strict=True):
        np.testing.assert_array_equal(2 * single, double)


@EACH
def test_validation_loss_stops_early(case):
    model, data = case.shared(learning_rate=0.001), case.data
    # Nothing is an improvement: after the first epoch there is one more.
    stop = tf.keras.callbacks.EarlyStopping("val_loss", min_delta=1e9, patience=1)
    history = model.fit(
        data.raw,
        data.label,
        sample_weight=data.weight,
        validation_data=(data.raw, data.label, data.weight),
        epochs=4,
        callbacks=[stop],
        verbose=0,
    ).history
    assert len(history["loss"]) == len(history["val_loss"]) == 2
    if case.reference.num_parameters:  # The loss is that of the last epoch's weights.
        assert history["val_loss"][0] != history["val_loss"][1]
    expected = (data.weight * case.losses(model))[case.counted].mean()
    np.testing.assert_allclose(history["val_loss"][-1], expected, rtol=1e-5)


@RETRIEVAL
def test_metrics_of_retrieval_run_in_evaluation_only(case):
    data = case.data
    model = case.shared(learning_rate=0.0)
    validation = (data.raw, data.label)
    history = model.fit(data.raw, data.label, validation_data=validation, epochs=2, verbose=0)
    metrics = {"loss", "hit_rate_at_3", "mrr"}
    assert set(history.history) == {"loss"} | {f"val_{metric}" for metric in metrics}
    scores, classes = case.reference.forward(model, data.numpy()), data.classes
    own = scores[np.arange(len(scores)), classes][:, None]
    # Unknown items are misses.
    ranks = np.where(classes >= 0, (scores >= own).sum(1) - 1, np.inf)
    assert (classes < 0).sum() == 2
    evaluated = model.evaluate(*validation, return_dict=True, verbose=0)
    for found in ({k: v[-1] for k, v in history.history.items()}, evaluated):
        prefix = "val_" if "val_mrr" in found else ""
        np.testing.assert_allclose(found[f"{prefix}hit_rate_at_3"], (ranks < 3).mean(), rtol=1e-6)
        np.testing.assert_allclose(found[f"{prefix}mrr"], (1 / (1 + ranks)).mean(), rtol=1e-6)


@RETRIEVAL
def test_unknown_items_train_nothing(case):
    model, data = case.shared(), case.data
    before = state(model)
    items = np.where(np.arange(len(data.label)) % 2, "never seen", "")
    history = model.fit(data.raw, items, verbose=0).history
    assert is_same(state(model), before)
    assert history["loss"] == [0.0]


def area_under_curve(is_positive, p):
    """By the trapezoids of the curve's points at 200 thresholds, as Keras does it."""
    inner = np.arange(1, 199) / 199
    found = p[:, None] > np.concatenate([[-1.0], inner, [2.0]])  # [rows, 200]
    tpr, fpr = found[is_positive].mean(0), found[~is_positive].mean(0)
    return np.sum((fpr[:-1] - fpr[1:]) * (tpr[:-1] + tpr[1:]) / 2)


@RANKING
def test_metrics_of_ranking_see_probabilities(case):
    data = case.data
    model = case.shared(learning_rate=0.0)
    batch = (data.raw, data.label, data.weight)
    history = model.fit(*batch[:2], sample_weight=data.weight, validation_data=batch, verbose=0)
    logits = case.reference.forward(model, data.numpy())
    p, is_positive = 1 / (1 + np.exp(-logits)), data.label > 0
    is_right = (logits > 0) == is_positive
    assert 0 < is_right.mean() < 1
    # Two batches of unequal size: a mean of their means would be another number.
    expected = {
        "accuracy": is_right.mean(),
        "auc": area_under_curve(is_positive, p),
        "weighted_accuracy": np.average(is_right, weights=data.weight),
        "mae": np.average(np.abs(p - is_positive), weights=data.weight),
    }
    metrics = {"loss", *expected}
    assert set(history.history) == metrics | {f"val_{metric}" for metric in metrics}
    for prefix in ("", "val_"):
        found = {key: history.history[prefix + key][0] for key in expected}
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, rtol=1e-4, err_msg=prefix + key)
