"""Every registered model on disk: its configuration, its checkpoints, its weights."""

import json

import numpy as np
import pytest
from every_model import EACH, state

from tfrec_zoo import checkpoints

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


@EACH
def test_config_round_trip(case):
    for variant in case.variants:
        model = case.of_variant(variant)
        config = json.loads(json.dumps(model.get_config()))
        again = case.entry.load().from_config(config)
        assert json.loads(json.dumps(again.get_config())) == config, variant
        assert again.features == model.features
        case.scores(again)  # makes the weights
        again.set_weights(model.get_weights())  # raises where shapes differ
        np.testing.assert_array_equal(case.scores(again), case.scores(model), variant)


@EACH
def test_saved_restored_and_trained_further(case, tmp_path):
    data = case.data
    model, _ = case.trained
    checkpoints.save(model, tmp_path / "checkpoint")
    restored = checkpoints.restore(tmp_path / "checkpoint")
    assert type(restored) is type(model)
    assert restored.get_config() == model.get_config()
    np.testing.assert_array_equal(case.scores(restored), case.scores(model))
    # The moments of the optimizer are in the checkpoint as well.
    case.adapted(restored).compile(tf.keras.optimizers.Adam(0.03))
    for one in (model, restored):
        if case.reference.num_parameters:
            one.train_step((data.raw, data.label))  # Untraced, which is faster for one step.
        else:
            one.fit(data.raw, data.label, shuffle=False, verbose=0)
    for value, found in zip(state(model), state(restored), strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-6)


@EACH
def test_saved_again_before_it_is_used(case, tmp_path):
    model = case.shared()
    checkpoints.save(model, tmp_path / "one")
    checkpoints.save(checkpoints.restore(tmp_path / "one"), tmp_path / "two")
    restored = checkpoints.restore(tmp_path / "two")
    np.testing.assert_array_equal(case.scores(restored), case.scores(model))


@EACH
@pytest.mark.parametrize("file", ["w.h5", "w.weights.h5", "w"])
def test_weights_are_saved_in_every_format(case, tmp_path, file):
    model = case.shared()
    expected = case.scores(model)
    model.save_weights(tmp_path / file)
    fresh = case.variant()
    assert np.any(case.scores(fresh) != expected)
    status = fresh.load_weights(tmp_path / file)
    if status is not None:  # TensorFlow's format, in which the optimizer is saved too.
        status.assert_existing_objects_matched().expect_partial()
    np.testing.assert_array_equal(case.scores(fresh), expected)


@EACH
def test_a_keras_file_is_loaded_again(case, tmp_path):
    for variant in case.variants:
        model = case.shared() if variant == "default" else case.of_variant(variant)
        model.save(tmp_path / "model.keras")
        loaded = tf.keras.models.load_model(tmp_path / "model.keras")
        assert type(loaded) is type(model)
        assert loaded.get_config() == model.get_config()
        np.testing.assert_array_equal(case.scores(loaded), case.scores(model), variant)
        for value, found in zip(state(model), state(loaded), strict=True):
            np.testing.assert_array_equal(found, value)


@EACH
def test_files_that_keras_could_not_load_are_not_written(case, tmp_path):
    model = case.variant()
    for file, format_ in (("model.h5", None), ("model", None), ("model.keras", "tf")):
        with pytest.raises(ValueError, match=r"`.keras`, or use .*export.* Received: ") as error:
            model.save(tmp_path / file, save_format=format_)
        assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
