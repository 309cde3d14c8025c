"""Normalization: what the layers have in common that bring numbers into a network's range."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.features.summaries import Summary


class Normalization(tf.keras.layers.Layer):
    """Base of layers that normalize numbers by what was learned of their distribution.

    What is learned, and what is worked out with it, is float64, so that ids, zip codes and Unix
    timestamps keep their digits; the result is float32, whatever the dtype policy: half precision
    would round it. A missing value, NaN, is 0 in every component, as a missing category is the zero
    embedding.

    Args:
        powers: Whether to add `x~**2` and `sqrt(x~)` to the normalized `x~`.
        **kwargs: Arguments of `tf.keras.layers.Layer`.
    """

    #: What is learned comes with the features.
    is_learned = False

    def __init__(self, powers: bool = False, **kwargs: Any) -> None:
        # Autocasting would round the inputs to half precision under a mixed policy.
        super().__init__(autocast=False, **kwargs)
        self.powers = powers
        self._is_given = False
        self._adapted = False

    def _add_learned(self, name: str, values: Any) -> tf.Variable:
        """Adds a weight that is learned; NaN stands for what `adapt` will set.

        Weights are made in `__init__` and not in `build`: `adapt` may come before the first call.
        """
        values = np.asarray(values, np.float64)
        self._is_given = self._adapted = not np.isnan(values).any()
        return self.add_weight(
            name=f"{self.name}/{name}",
            shape=values.shape,
            dtype=tf.float64,
            initializer=tf.constant_initializer(values),
            trainable=False,
            experimental_autocast=False,
        )

    # What is given as arguments is in the configuration: a checkpoint needn't repeat it, and one
    # that does, perhaps rounded to float32, doesn't replace it.

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        children = super()._trackable_children(save_type, **kwargs)
        if save_type == "checkpoint" and self._is_given:
            children = {k: v for k, v in children.items() if not isinstance(v, tf.Variable)}
        return children

    def _lookup_dependency(self, name: str, *args: Any, **kwargs: Any) -> Any:
        found = super()._lookup_dependency(name, *args, **kwargs)
        return None if self._is_given and isinstance(found, tf.Variable) else found

    def _learn(self, data: Any, summary: Summary) -> None:
        """Updates a summary with an array, or with the batches of a finite data set."""
        batches: Iterable[Any] = [data]
        if isinstance(data, tf.data.Dataset):
            finite = data.cardinality() != tf.data.INFINITE_CARDINALITY
            if not (finite and isinstance(data.element_spec, tf.TensorSpec)):
                raise ValueError(
                    f"`data` must be a finite dataset of single tensors. Received: {data!r}"
                )
            batches = data.as_numpy_iterator()
        for batch in batches:
            summary.update(np.asarray(batch, np.float64))
        if not summary.count:
            raise ValueError(f"`data` must have at least one finite value. Received: {data!r}")
        self._adapted = True

    def _check_adapted(self, what: str, argument: str) -> None:
        # Keras infers shapes in scratch graphs, possibly before the weights are loaded.
        graph_name = "" if tf.executing_eagerly() else tf.compat.v1.get_default_graph().name
        if self._adapted or graph_name.endswith(("_scratch_graph", "build_graph")):
            return
        with tf.init_scope():
            # `set_weights` or `load_weights` may have set them; a TensorFlow 1 graph can't check.
            self._adapted = not tf.executing_eagerly() or not any(
                np.isnan(weight).any() for weight in self.weights
            )
        if not self._adapted:
            raise ValueError(
                f"{self.name!r} has no {what} yet: call `adapt(data)`, or pass `{argument}`. "
                f"Received: {argument}=None"
            )

    def _with_powers(self, x: tf.Tensor) -> tf.Tensor:
        """Returns `x~`, [..., 1], or with x~**2 and its root (-sqrt(-x~) below 0), [..., 3]."""
        if not self.powers:
            return tf.expand_dims(x, -1)
        # The root has an infinite derivative at 0; the inner `where` makes the gradient 0 there.
        is_zero = tf.equal(x, 0)
        root = tf.sqrt(tf.where(is_zero, 1.0, tf.abs(x)))
        return tf.stack([x, tf.square(x), tf.where(is_zero, 0.0, tf.sign(x) * root)], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "powers": self.powers}


class PairNormalization(Normalization):
    """Base of normalizations by two numbers, which are arguments or learned by `adapt`."""

    #: Makes what learns the two numbers.
    summary: Callable[[], Summary]
    #: What their arguments are called.
    arguments: tuple[str, str]

    def _add_pair(
        self,
        name: str,
        given: tuple[float | None, float | None],
        are_valid: Callable[[float, float], Any],
        demand: str,
    ) -> tf.Variable:
        """Adds the weight of the two numbers.

        Args:
            name: Name of the weight.
            given: The two arguments.
            are_valid: Whether two numbers that are given can be used; never if one is NaN.
            demand: What is asked of them, in words.
        """
        pair = [np.nan if value is None else float(value) for value in given]
        if given != (None, None) and not are_valid(*pair):
            received = ", ".join(f"{k}={v!r}" for k, v in zip(self.arguments, given, strict=True))
            raise ValueError(f"{demand} Received: {received}")
        return self._add_learned(name, pair)

    def adapt(self, data: Any) -> None:
        """Learns the two numbers of the data, in one pass; NaN and infinite values are ignored.

        Args:
            data: Array-like or tensor of any shape, or a finite `tf.data.Dataset` of tensors.
        """
        summary = type(self).summary()
        self._learn(data, summary)
        self.weights[0].assign(summary.statistics())

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        pair = [None if np.isnan(value) else float(value) for value in self.weights[0].numpy()]
        return {**super().get_config(), **dict(zip(self.arguments, pair, strict=True))}


def rounded_alike(inputs: Any, learned: Sequence[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Returns numbers as float64, and what was learned rounded as they are.

    The float32 nearest to 4.35 is less than the float64 nearest to it: where the one is compared
    with the other, an equal value would seem to be below.
    """
    inputs = tf.convert_to_tensor(inputs)
    if inputs.dtype.is_floating and inputs.dtype != tf.float64:
        learned = [tf.cast(tf.cast(values, tf.float32), tf.float64) for values in learned]
    return tf.cast(inputs, tf.float64), list(learned)
