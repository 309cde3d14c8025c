"""Keras's methods of training, asking and saving, for frames and with clear refusals."""

import functools
import inspect
import logging
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import is_encoded
from tfrec_zoo.models.inputs import (
    feature_arrays,
    is_raw,
    require_equal_rows,
    weight_array,
    without_column,
)
from tfrec_zoo.models.step_loops import loop_of
from tfrec_zoo.recommenders import tfrs

logger = logging.getLogger(__name__)


def _on_arrays(name: str) -> Callable[..., Any]:
    """Keras's method of a name, for features, labels and weights as frames, series and lists."""
    method = getattr(tf.keras.Model, name)
    signature = inspect.signature(method)
    learns = "y" in signature.parameters

    @functools.wraps(method)
    def call(self: "KerasMethods", *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        given = bound.arguments
        names = [part for part in ("x", "y", "sample_weight") if part in signature.parameters]
        arrays = self.batch_arrays([given.get(part) for part in names], learns)
        given.update({n: a for n, a in zip(names, arrays, strict=True) if a is not None})
        if isinstance(given.get("validation_data"), tuple | list):
            given["validation_data"] = tuple(self.batch_arrays(given["validation_data"], learns))
        # Looked up anew: what tracks trainings, such as MLflow's autolog, takes the method's place.
        return getattr(tf.keras.Model, name)(*bound.args, **bound.kwargs)

    return call


class KerasMethods(tfrs.models.Model):
    """Takes raw features as users have them, and saves what can be loaded again.

    Subclasses say what they read: see `RecommenderModel`.
    """

    train_function: Any
    test_function: Any

    fit = _on_arrays("fit")
    evaluate = _on_arrays("evaluate")
    predict = _on_arrays("predict")
    train_on_batch = _on_arrays("train_on_batch")
    test_on_batch = _on_arrays("test_on_batch")
    predict_on_batch = _on_arrays("predict_on_batch")

    def batch_arrays(self: Any, parts: Any, learns: bool) -> list[Any]:
        """Returns raw features, and what comes with them, as arrays; anything else as it is.

        Args:
            parts: Features, and if there are any labels and sample weights; or a data set.
            learns: Whether the labels are read as well.

        Raises:
            KeyError: If a feature is missing.
            TypeError: If a value has the wrong type.
            ValueError: If labels or weights are not allowed, or differ in their number.
        """
        x, *rest = parts
        keys = self.keys_to_learn_from if learns else self.raw_keys
        if isinstance(x, tf.data.Dataset):
            spec = x.element_spec
            features, *labels = spec if isinstance(spec, tuple) else (spec,)
            if isinstance(features, Mapping) and not is_encoded(features):
                self.require_keys(features, keys)
                if any(value.shape[1:] == (1,) for value in (*features.values(), *labels)):
                    x = x.map(lambda *batch: self._of_rows(*batch))
            return [x, *rest]
        if not is_raw(x):
            return list(parts)
        self.require_keys(x, keys)
        found = [self.checked_features(x)]
        for values, check in zip(rest, (self.checked_labels, weight_array), strict=False):
            found.append(None if values is None else check(values))
        require_equal_rows(found)
        return [found[0], *(None if v is None else without_column(v) for v in found[1:])]

    def _of_rows(self: Any, features: Any, *labels: Any) -> Any:
        """A batch of a data set whose columns are [rows], as the model's other batches are."""
        rows = feature_arrays(features, self.features.spec)
        return rows if not labels else (rows, *map(without_column, labels))

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        weighted_metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        """As every Keras model's, with metrics that suit the model, and its own loss.

        Raises:
            ValueError: If a metric does not suit the model.
        """
        if loss is not None or loss_weights is not None:
            logger.warning(
                "`loss` has no effect: the model has a loss of its own, which an argument of its "
                "constructor may choose. Received: %.80r, %.80r", loss, loss_weights,
            )  # fmt: skip
        metrics, weighted_metrics = self.suited_metrics((metrics, weighted_metrics))
        super().compile(optimizer, metrics=metrics, weighted_metrics=weighted_metrics, **kwargs)

    def make_train_function(self, force: bool = False) -> Any:
        """Keras's function of an iterator that trains, which traces a step once."""
        if self._has_plain_loop and (force or self.train_function is None):
            self.train_function = loop_of(
                self.train_step, self._train_counter, self._steps_per_execution
            )
        return super().make_train_function(force and not self._has_plain_loop)

    def make_test_function(self, force: bool = False) -> Any:
        """Keras's function of an iterator that evaluates, which traces a step once."""
        if self._has_plain_loop and (force or self.test_function is None):
            self.test_function = loop_of(
                self.test_step, self._test_counter, self._steps_per_execution
            )
        return super().make_test_function(force and not self._has_plain_loop)

    @property
    def _has_plain_loop(self) -> bool:
        """Whether several steps are taken at once, by one process as they are written."""
        return not (
            self._steps_per_execution is None
            or self._steps_per_execution.numpy() == 1
            or self.autotune_steps_per_execution
            or self.run_eagerly
            or self.jit_compile
            or self._cluster_coordinator
            or tf.distribute.has_strategy()
        )

    def suited_metrics(self, metrics: Any) -> Any:
        """Returns the metrics to compile; subclasses refuse those that would see something else."""
        return metrics

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Writes a `.keras` file, which `tf.keras.models.load_model` makes the model from.

        The model that is loaded is not compiled. See `tfrec_zoo.serving.export` for a SavedModel
        that answers requests, and `tfrec_zoo.checkpoints.save` for a checkpoint with the state of
        the optimizer.

        Args:
            filepath: File to write, `*.keras`.
            *args: As of `tf.keras.Model.save`.
            **kwargs: As of `tf.keras.Model.save`.

        Raises:
            ValueError: If it would be a file from which Keras could not make the model.
        """
        format_ = kwargs.get("save_format") or (args[1] if len(args) > 1 else None)
        if pathlib.Path(filepath).suffix != ".keras" or format_ not in (None, "keras"):
            raise ValueError(
                "Keras could not load the model from this format: save a file that ends with "
                "`.keras`, or use tfrec_zoo.serving.export (to answer requests), "
                "tfrec_zoo.checkpoints.save or `save_weights` (to train further). "
                f"Received: {str(filepath)!r}" + (f", save_format={format_!r}" if format_ else "")
            )
        self.build_weights()
        super().save(filepath, *args, **kwargs)

    def build_weights(self) -> None:
        """Creates all weights."""
        raise NotImplementedError

    def load_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        """Loads what `save_weights` wrote, in any format; weights are created if need be."""
        self.build_weights()
        return super().load_weights(filepath, *args, **kwargs)

    def get_build_config(self) -> dict[str, Any]:
        """Returns what makes Keras call `build_from_config`, which needs nothing."""
        return {"is_built": True}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Creates all weights of a model that is being loaded."""
        self.build_weights()

    def get_compile_config(self) -> None:
        """Returns None: whoever loads a model compiles it."""
        return


def plain(config: Any) -> Any:
    """A configuration as it was before Keras wrote it into a file: tuples are lists."""
    if isinstance(config, Mapping):
        if set(config) == {"class_name", "items"} and config["class_name"] == "__tuple__":
            return [plain(item) for item in config["items"]]
        return {key: plain(value) for key, value in config.items()}
    return [plain(item) for item in config] if isinstance(config, list | tuple) else config
