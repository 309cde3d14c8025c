"""Several steps at once: traced once, and the same as one after the other."""

import numpy as np
import pytest

from tfrec_zoo.features import EmbeddingColumn, Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import LogisticRegression

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

RAW = {"user": np.array(list("abcab")), "item": np.array(list("xyyxz"))}
LABEL = np.array([1.0, 0.0, 1.0, 0.0, 1.0], np.float32)
SPEC = FeatureSpec(
    (EmbeddingColumn(VocabularyColumn("user"), 2),), (EmbeddingColumn(VocabularyColumn("item"), 2),)
)


class Counting(LogisticRegression):
    """Counts how often its steps are traced (or run, untraced)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.trained = self.tested = 0

    def train_step(self, inputs):
        self.trained += 1
        return super().train_step(inputs)

    def test_step(self, inputs):
        self.tested += 1
        return super().test_step(inputs)


def fitted(at_once, cls=Counting, metrics=("accuracy",), **kwargs):
    """A model after two epochs of five steps, validated after each."""
    model = cls(Features.fit(SPEC, RAW))
    model.build_weights()
    optimizer = tf.keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, metrics=list(metrics), steps_per_execution=at_once, **kwargs)
    data = tf.data.Dataset.from_tensor_slices((RAW, LABEL)).batch(1)
    history = model.fit(data, validation_data=data, epochs=2, verbose=0).history
    return model, history


@pytest.mark.parametrize("at_once", [2, 5, 32])
def test_as_one_after_the_other(at_once):
    one, expected = fitted(1)
    model, history = fitted(at_once)
    assert history.keys() == expected.keys() == {
        "loss", "accuracy", "val_loss", "val_accuracy"
    }  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-6, err_msg=name)
    for found, value in zip(model.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-6)
    assert int(model.optimizer.iterations) == 10
    assert int(model._train_counter) == int(one._train_counter)
    assert int(model._test_counter) == int(one._test_counter)


def test_a_step_is_traced_once():
    model, _ = fitted(3, metrics=())
    assert (model.trained, model.tested) == (1, 1)


def test_steps_that_are_not_to_be_traced_are_not():
    model, _ = fitted(3, run_eagerly=True)
    assert (model.trained, model.tested) == (10, 10)


def test_compiled_again_it_is_traced_anew():
    model, _ = fitted(3, metrics=())
    model.compile(tf.keras.optimizers.SGD(0.0), steps_per_execution=3)
    before = [value.copy() for value in model.get_weights()]
    model.fit(RAW, LABEL, batch_size=1, verbose=0)
    for value, found in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, value)
    assert model.trained > 1


def test_a_step_of_ones_own_may_have_conditions_on_tensors():
    class Skipping(LogisticRegression):
        def train_step(self, inputs):
            found = super().train_step(inputs)
            if found["loss"] > 0:  # A tensor, which AutoGraph makes `tf.cond` of.
                size = tf.constant(1.0)
            else:
                size = tf.constant(0.0)
            return {**found, "size": size}

    _, history = fitted(3, Skipping)
    assert history["size"] == [1.0, 1.0]
