"""Signatures: concrete functions with one named argument per raw feature."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfrec_zoo.features import RawFeature, parse_examples, raw_signature

#: A function from raw features by key to outputs by name.
Answer = Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]


def input_specs(
    raw: Mapping[str, RawFeature], lists: frozenset[str] = frozenset()
) -> dict[str, tf.TensorSpec]:
    """The tensors of raw features, by key.

    Args:
        raw: The raw features.
        lists: Keys of those with one value (or bag) per candidate: [batch, candidates, ...].
    """
    return {
        key: tf.TensorSpec([None, *spec.shape] if key in lists else spec.shape, spec.dtype)
        for key, spec in raw_signature(raw).items()
    }


def answer_of(function: Callable[..., Any], specs: Mapping[str, tf.TensorSpec]) -> Answer:
    """Traces a function of features by key once, to be called by several signatures.

    Args:
        function: Function with raw features as keyword arguments, whatever their keys.
        specs: The features that it gets.
    """
    return tf.function(lambda raw: function(**raw), input_signature=[dict(specs)])


def answer_of_examples(
    function: Callable[..., Any], specs: Mapping[str, tf.TensorSpec], answer: Answer
) -> Answer:
    """The same for features that were parsed from `tf.Example`s, whose numbers are float32.

    They stay so: numbers that were rounded are compared with what is rounded alike.

    Args:
        function: Function with raw features as keyword arguments.
        specs: The features that it gets from tensors.
        answer: What `answer_of` made of both, which is taken if there are no numbers.
    """
    if all(spec.dtype != tf.float64 for spec in specs.values()):
        return answer
    single = {tf.float64: tf.float32}
    return answer_of(
        function,
        {key: tf.TensorSpec(s.shape, single.get(s.dtype, s.dtype)) for key, s in specs.items()},
    )


def signature(
    function: Answer, specs: Mapping[str, tf.TensorSpec], names: Mapping[str, str]
) -> Any:
    """Returns a concrete function with one named argument per feature.

    Args:
        function: Function of features by key.
        specs: The features.
        names: Names of the arguments by key.
    """
    # tf.function names arguments by the Python signature, so the function gets one.
    keys = {names[key]: key for key in specs}
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in keys]
    shapes = {name: specs[key].shape for name, key in keys.items()}

    def named(*args: Any, **kwargs: Any) -> Any:
        bound = named.__signature__.bind(*args, **kwargs)  # type: ignore[attr-defined]
        # TensorFlow compares shapes with a signature's when it traces, not when it is asked.
        given = {name: tf.ensure_shape(x, shapes[name]) for name, x in bound.arguments.items()}
        given = _of_equal_rows(given)
        return function({keys[name]: value for name, value in given.items()})

    named.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    inputs = [tf.TensorSpec(s.shape, s.dtype, name=names[key]) for key, s in specs.items()]
    return tf.function(named, input_signature=inputs).get_concrete_function()


def _of_equal_rows(values: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns inputs that fail, in the graph, where they differ in their number of rows."""
    if len(values) < 2:
        return dict(values)
    rows = tf.stack([tf.shape(value)[0] for value in values.values()])
    message = f"Inputs must have a row for each request. Received, of {', '.join(values)}:"
    equal = tf.reduce_all(rows == rows[0])
    with tf.control_dependencies([tf.debugging.Assert(equal, [message, rows], len(values))]):
        return {key: tf.identity(value) for key, value in values.items()}


def examples_signature(
    function: Answer,
    raw: Mapping[str, RawFeature],
    argument: str = "examples",
    outputs: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]] = dict,
) -> Any:
    """A signature that takes serialized `tf.Example`s, in which any feature may be absent.

    Args:
        function: Function of features by key.
        raw: The raw features, which examples hold by their keys.
        argument: Name of the one argument.
        outputs: What becomes of the outputs.
    """

    def serve(given: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return outputs(function(parse_examples(given[argument], raw)))

    return signature(serve, {argument: tf.TensorSpec([None], tf.string)}, {argument: argument})
