"""What every registered model takes as features, labels and weights, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from every_model import EACH, RANKING

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


def frame_of(raw):
    """A frame of features, with bags in cells, and a column that no model reads."""
    columns = {key: list(v) if v.ndim == 2 else v for key, v in raw.items()}
    return pd.DataFrame({"colour": [1.5, "red", None] * 20, 7: 0, **columns})


@pytest.mark.usefixtures("eagerly")
@EACH
def test_frames_series_and_columns_are_as_arrays(case):
    model, data = case.shared(learning_rate=0.0), case.data
    raw, label, weight = data.raw, data.label, data.weight
    frame = frame_of(raw)
    column = {key: v[:, None] if v.ndim == 1 else v for key, v in raw.items()}
    series = {key: pd.Series(v) if v.ndim == 1 else v for key, v in raw.items()}
    outputs, batch = model(raw), {"batch_size": 64, "verbose": 0}
    expected = model.predict(raw, **batch)
    for given in (frame, series, column):
        np.testing.assert_array_equal(model.predict(given, **batch), expected)
        np.testing.assert_array_equal(model(given), outputs)
    batch["return_dict"] = True
    expected = model.evaluate(raw, label, sample_weight=weight, **batch)
    for given, y, w in (
        (frame, pd.Series(label), pd.Series(weight)),
        (series, pd.DataFrame({"label": label}), weight.tolist()),
        (column, label[:, None], weight[:, None]),
    ):
        assert model.evaluate(given, y, sample_weight=w, **batch) == pytest.approx(expected)
    dataset = tf.data.Dataset.from_tensor_slices((column, label[:, None], weight)).batch(64)
    assert model.evaluate(dataset, verbose=0, return_dict=True) == pytest.approx(expected)
    if not case.reference.num_parameters:
        return  # It would count the rows again.
    held_out = (frame, list(label), list(weight))
    history = model.fit(
        frame, pd.Series(label), sample_weight=weight, validation_data=held_out, verbose=0
    ).history
    assert history["val_loss"] == pytest.approx([expected["loss"]], rel=1e-5)
    assert history["loss"] == pytest.approx([case.training_loss(model, weight)], rel=1e-5)


@pytest.mark.usefixtures("eagerly")
@RANKING
def test_labels_of_any_kind_of_number(case):
    model, data = case.shared(), case.data
    clicked = data.label > 0
    kinds = [clicked, clicked.astype(int), pd.Series(clicked), clicked.tolist(), clicked[:, None]]
    arguments = {"batch_size": 64, "verbose": 0, "return_dict": True}
    losses = [model.evaluate(data.raw, kind, **arguments) for kind in kinds]
    assert losses[1:] == losses[:1] * 4
    expected = float(model.compute_loss((data.raw, clicked.astype(np.float32))))
    assert losses[0]["loss"] == pytest.approx(expected, rel=1e-5)


@EACH
def test_features_that_are_left_out(case):
    model, data = case.shared(), case.data
    assert not set(model.raw_keys) - set(data.raw)
    for key in sorted(model.raw_keys):
        rest = {k: v for k, v in data.raw.items() if k != key}
        if not rest:
            continue
        dataset = tf.data.Dataset.from_tensor_slices((rest, data.label)).batch(32)
        for ask in (
            lambda rest=rest: model.predict(rest, verbose=0),
            lambda rest=rest: model(pd.DataFrame({k: list(v) for k, v in rest.items()})),
            lambda dataset=dataset: model.fit(dataset, verbose=0),
            lambda rest=rest: model.train_on_batch(rest, data.label),
        ):
            with pytest.raises(KeyError, match=rf"missing: \['{key}'\].* reads .* Received: ") as e:
                ask()
            assert "\n" not in str(e.value)


@EACH
def test_labels_and_weights_that_are_no_numbers(case):
    model, data = case.shared(), case.data
    rows = len(data.label)
    for weight, received in ((np.nan, "nan"), (np.inf, "inf"), (-1.0, "-1.0")):
        weights = np.where(np.arange(rows) == 3, weight, 1.0)
        message = rf"Sample weights must be .* Received: \[{received}\] in rows \[3\]"
        with pytest.raises(ValueError, match=message):
            model.fit(data.raw, data.label, sample_weight=weights, verbose=0)
    with pytest.raises(ValueError, match="the same number of rows. Received: .*'label': 59"):
        model.fit(data.raw, data.label[:-1], verbose=0)
    if case.entry.family == "retrieval":
        with pytest.raises(TypeError, match="Labels, items of 'video_id': Expected strings"):
            model.fit(data.raw, np.arange(rows), verbose=0)
        return
    for label in (np.nan, np.inf):
        labels = np.where(np.arange(rows) == 3, label, 1.0)
        with pytest.raises(ValueError, match=r"Labels must be finite .* in rows \[3\]"):
            model.train_on_batch(data.raw, labels)
    with pytest.raises(TypeError, match="Labels: Expected numbers. Received: .*clicked"):
        model.fit(data.raw, ["clicked"] * rows, verbose=0)
