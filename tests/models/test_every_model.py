"""The function of every registered model, which a reference file states in NumPy."""

import numpy as np
import pytest
from every_model import EACH, KNOWN, RANKING, RETRIEVAL, UNKNOWN, is_same, state

from tfrec_zoo.features import EmbeddingTable
from tfrec_zoo.registry import Entry

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


def test_a_model_without_reference_is_told_what_to_write(reference_of):
    entry = Entry("Newcomer", "ranking", "A paper", "newcomer", "clicks", "an idea")
    with pytest.raises(pytest.fail.Exception, match=r"Newcomer .* write newcomer.py .* build\("):
        reference_of(entry)


@EACH
def test_scores_are_those_of_the_paper(case):
    model = case.shared()
    scores, expected = case.scores(model), case.reference.forward(model, case.data.numpy())
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(case.scores(model, model.preprocessor(case.data.raw)), scores)
    is_ranking = case.entry.family == "ranking"
    outputs = model.predictions(scores) if is_ranking else model(case.data.raw)
    np.testing.assert_allclose(model.predict(case.data.raw, verbose=0), outputs, 1e-5, 1e-5)


@EACH
def test_number_of_parameters(case):
    model = case.shared()
    shapes = [variable.shape for variable in model.trainable_variables]
    assert sum(int(np.prod(shape)) for shape in shapes) == case.reference.num_parameters


@EACH
def test_unknown_is_empty_is_missing(case):
    model = case.shared()
    before = case.scores(model, case.request())
    spec = case.data.features.spec
    changed = set()
    for key, feature in spec.raw.items():
        if key not in case.request():
            continue
        unknown = np.full([KNOWN, 2] if feature.is_bag else [KNOWN], UNKNOWN[feature.dtype])
        nothing = "" if feature.dtype == "string" else None
        empty = [[nothing] * 3 if feature.is_bag else nothing] * KNOWN
        missing = case.scores(model, case.request(**{key: empty}))
        np.testing.assert_array_equal(
            case.scores(model, case.request(**{key: unknown})), missing, err_msg=key
        )
        if len(case.request()) > 1:  # A request without any feature is none.
            left_out = case.scores(model, case.request(**{key: None}))
            np.testing.assert_array_equal(left_out, missing, err_msg=key)
        if not np.array_equal(missing, before):
            changed.add(key)
    # Each feature matters, but to those models that look at none.
    looks = getattr(case.reference, "looks_at_features", case.reference.num_parameters > 0)
    assert changed == (set(case.request()) if looks else set())


def lists_and_rows(case):
    """Seven queries with five candidates each; the same as 35 rows; and where the latter are."""
    spec, raw = case.data.features.spec, case.data.raw
    candidates = set(spec.raw_candidate)
    if case.entry.family == "retrieval":
        candidates = {spec.item.key}
        raw = {**{key: raw[key] for key in spec.raw_query}, spec.item.key: case.data.label}
    at = np.random.default_rng(0).integers(0, len(case.data.label), [7, 5])
    lists = {key: v[at] if key in candidates else v[:7] for key, v in raw.items()}
    rows = {
        key: v[at.ravel()] if key in candidates else np.repeat(v[:7], 5, axis=0)
        for key, v in raw.items()
    }
    return lists, rows, at


@RANKING
def test_a_list_of_candidates_is_scored_as_its_rows(case):
    lists, rows, at = lists_and_rows(case)
    for variant in case.variants:
        model = case.of_variant(variant)
        logits = model(lists).numpy()
        assert logits.shape == (7, 5), variant
        assert np.std(logits, axis=1).max() > 0.01, variant
        np.testing.assert_allclose(logits.ravel(), model(rows), 1e-4, 1e-4, err_msg=variant)
    # And they are trained and measured alike, raw or encoded.
    model, label = case.shared(), case.data.label[at]
    batches = [(lists, label), (model.preprocessor(lists), label), (rows, label.ravel())]
    losses, accuracy = [], []
    for batch in batches:
        model.reset_metrics()
        losses.append(float(model.compute_loss(batch)))
        accuracy += [metric.result() for metric in model.metrics if metric.name == "accuracy"]
    np.testing.assert_allclose(losses[1:], losses[0], rtol=1e-5)
    logits = case.reference.forward(model, case.data.numpy(rows))
    expected = np.mean((logits > 0) == (label.ravel() > 0))
    assert 0 < expected < 1
    np.testing.assert_allclose(accuracy, [expected] * 3, rtol=1e-6)


@RETRIEVAL
def test_pairs_are_scored_as_among_all_items(case):
    lists, rows, at = lists_and_rows(case)
    model = case.shared()
    scores = case.reference.forward(model, case.data.numpy(lists))  # [7, items]
    classes = case.data.classes[at]
    is_known = classes >= 0
    assert 0 < is_known.sum() < is_known.size
    found = model.pair_scores(lists).numpy()
    expected = np.take_along_axis(scores, np.maximum(classes, 0), axis=1)
    np.testing.assert_allclose(found[is_known], expected[is_known], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.ravel(), model.pair_scores(rows), rtol=1e-5, atol=1e-5)


@EACH
def test_unknown_ids_move_no_row(trainable):
    model = trainable.shared()
    raw = trainable.data.features.spec.raw
    tables = [m.table for m in model.submodules if isinstance(m, EmbeddingTable)]
    if not tables:
        pytest.skip("has no embedding tables")
    unknown = {
        key: np.full([KNOWN, 2] if raw[key].is_bag else [KNOWN], UNKNOWN[raw[key].dtype])
        for key in trainable.request()
        if raw[key].dtype != "float32"
    }

    def moved(request):
        """How many rows a step on the square of the outputs would move."""
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(model(request, training=True)))
        gradients = tape.gradient(loss, tables, unconnected_gradients="zero")
        return sum(np.any(tf.convert_to_tensor(g) != 0, axis=1).sum() for g in gradients)

    assert moved(trainable.request()) > 0
    assert moved(trainable.request(**unknown)) == 0


@EACH
def test_half_precision(case):
    data = case.data
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = case.fitted()
        scores = case.scores(model)
        # bfloat16 has 8 bits.
        expected = case.reference.forward(model, data.numpy())
        np.testing.assert_allclose(scores, expected, atol=0.03 * np.abs(expected).max())
        assert scores.dtype == np.float32
        assert all(variable.dtype == tf.float32 for variable in model.trainable_variables)
        model = case.build(tf.keras.optimizers.Adam(0.03))
        case.make_weights(model)
        case.train(model)
        assert case.has_learned(model)
        tf.keras.mixed_precision.set_global_policy("mixed_float16")
        half = case.fitted()
        half.reset_metrics()
        expected_loss, before = case.training_loss(half), state(half)
        loss = half.train_step((data.raw, data.label))["loss"]  # Untraced, which is faster.
        for _ in range(5):  # While the scaled loss overflows, steps are skipped.
            if is_same(state(half), before):
                half.train_step((data.raw, data.label))
        assert not is_same(state(half), before)
        assert all(np.isfinite(value).all() for value in state(half))
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    np.testing.assert_allclose(loss, expected_loss, rtol=0.02)
