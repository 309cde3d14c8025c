"""Blocks of a model: its layers and what passes between them, read off the graph of `call`."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import tensorflow as tf

from tfrec_zoo.features import DenseFeatures, EmbeddingTable, request_arrays
from tfrec_zoo.layers import FieldEmbeddings, UserItemEmbeddings

Kind = Literal["features", "embeddings", "layer", "function", "operation", "output"]

#: Layers that turn features into vectors, drawn as one block.
_EMBEDDINGS = (DenseFeatures, EmbeddingTable, FieldEmbeddings, UserItemEmbeddings)
#: Operations between layers that are drawn, and how.
_SIGNS = {
    **dict.fromkeys(("AddV2", "AddN", "BiasAdd"), "+"),
    **dict.fromkeys(("Mul", "MatMul", "BatchMatMulV2", "Einsum"), "×"),
    "ConcatV2": "[ ; ]",
    "Sub": "−",
    "RealDiv": "÷",
    "Max": "max",
    "Sum": "Σ",
    "Exp": "exp",
    "Sigmoid": "σ",
}
#: Functions that are drawn as one block, by the name of their scope.
_FUNCTIONS = ("second_order", "dot_interaction", "l2_normalize")
#: Attributes of layers that say of what size they are, and in which words.
_SIZES = {
    "hidden_units": "",
    "cin_units": "",
    "units": "",
    "num_heads": "heads",
    "projection_dim": "wide",
}


@dataclasses.dataclass
class Block:
    """A layer, all embeddings, a function of the zoo, or an operation between them.

    Args:
        label: What it is; a second line says of what size.
        kind: What kind of block it is.
        inputs: Positions of the blocks that it reads, with the shape of what it reads from each;
            the batch is left out.
    """

    label: str
    kind: Kind
    inputs: dict[int, str] = dataclasses.field(default_factory=dict)


def blocks_of(model: Any) -> list[Block]:
    """Reads the blocks of a model off the graph of its `call`; each comes after what it reads.

    Args:
        model: A model of the zoo.

    Raises:
        ValueError: If the model has no layers to show, as closed forms have none.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo import GMF
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(VocabularyColumn("user"),), candidate=(VocabularyColumn("item"),))
    >>> raw = {"user": np.array(["u"]), "item": np.array(["i"])}
    >>> [block.label.split("\\n")[0] for block in blocks_of(GMF(Features.fit(spec, raw)))]
    ['features', 'embeddings', '×', 'Dense', 'score']
    """
    graph = _graph_of(model)
    layers = {
        part.name: part for part in model.submodules if isinstance(part, tf.keras.layers.Layer)
    }
    variables = _names_of_variables(graph)
    keys: dict[str, _Key | None] = {}
    reads: dict[_Key, dict[_Key, str]] = {}
    sources: dict[str, dict[_Key, str]] = {}  # By the name of a tensor.
    for op in graph.get_operations():  # In the order of the data.
        given: dict[_Key, str] = {}
        for tensor in op.inputs:
            given.update(sources[tensor.name])
        key = _key(op, op.name.removeprefix(f"{model.name}/").split("/"), layers, variables)
        if key and key.kind == "operation":
            # A sum of three is one block.
            alike = [k for k in given if (k.kind, k.label) == (key.kind, key.label)]
            key = alike[0] if alike else key
        keys[op.name] = key
        if key:
            of_block = reads.setdefault(key, {})
            of_block.update({k: v for k, v in given.items() if k != key})
        for tensor in op.outputs:
            sources[tensor.name] = {key: _shape(tensor)} if key else given
    if not any(key.kind in ("layer", "embeddings") for key in reads):
        raise ValueError(
            f"Only models of layers have blocks to show. Received: {type(model).__name__}"
        )
    end = _Key("output", "scores of all items" if model.family == "retrieval" else "score")
    reads[end] = {}
    for tensor in graph.outputs:
        reads[end].update(sources[tensor.name])
    return _in_order(_essential(reads), end, layers)


@dataclasses.dataclass(frozen=True)
class _Key:
    """What tells one block from others."""

    kind: Kind
    label: str
    name: str = ""


def _graph_of(model: Any) -> tf.Graph:
    raw = model.features.spec.raw
    row: dict[str, Any] = {key: [[]] if f.is_bag else [None] for key, f in raw.items()}
    encoded = model.encode(request_arrays(raw, row))
    specs = tf.nest.map_structure(lambda t: tf.TensorSpec([None, *t.shape[1:]], t.dtype), encoded)
    model(encoded)  # Makes the weights, before the graph is traced.
    compute = model.scores if model.family == "retrieval" else model
    return tf.function(lambda x: compute(x)).get_concrete_function(specs).graph


def _names_of_variables(graph: tf.Graph) -> dict[str, str]:
    """The names of the variables that a graph reads, by those of its inputs that stand for them."""
    names = {id(variable.handle): variable.name for variable in graph.variables}
    return {
        inside.name: names[id(outside)]
        for outside, inside in graph.captures
        if id(outside) in names
    }


def _key(
    op: tf.Operation, scopes: list[str], layers: dict[str, Any], variables: dict[str, str]
) -> _Key | None:
    """The block of an operation in scopes of the model; None for one that is not shown."""
    if op.type == "Placeholder":
        is_feature = op.outputs[0].dtype != tf.resource
        return _Key("features", "features") if is_feature else None
    if not op.inputs or not any(tensor.dtype.is_floating for tensor in op.outputs):
        return None
    for scope in scopes[:-1]:
        layer = layers.get(scope)
        if isinstance(layer, _EMBEDDINGS):
            return _Key("embeddings", "embeddings")
        if layer is not None:
            return _Key("layer", type(layer).__name__, scope)
    if op.type == "ReadVariableOp" and op.outputs[0].shape.rank == 2:
        name = variables.get(op.inputs[0].name, "").rpartition("/")[2].partition(":")[0]
        whose = "user" if name == "user_vectors" else "item"
        return _Key("embeddings", f"{whose} vectors")
    # The same function may be called within the model and beside it.
    every = op.name.split("/")
    for i, scope in enumerate(every):
        function = scope.rstrip("_0123456789")
        if function in _FUNCTIONS:
            return _Key("function", function.replace("_", " "), "/".join(every[: i + 1]))
    sign = _SIGNS.get(op.type)
    return _Key("operation", sign, op.name) if sign else None


def _shape(tensor: tf.Tensor) -> str:
    if tensor.shape.rank is None:
        return ""
    return " × ".join("n" if size is None else str(size) for size in tensor.shape[1:])


def _essential(reads: dict[_Key, dict[_Key, str]]) -> dict[_Key, dict[_Key, str]]:
    """The same without sums of one block, which add a bias, and without masks."""
    found: dict[_Key, dict[_Key, str]] = {}
    for key, given in reads.items():  # In the order of the data.
        own: dict[_Key, str] = {}
        for source, shape in given.items():
            is_bias = source.label == "+" and len(found.get(source, ())) == 1
            own.update(found[source] if is_bias else {source: shape})
        # Beside vectors, features say no more than what is missing.
        others = {k: shape for k, shape in own.items() if k.kind != "features"}
        found[key] = others or own
    return found


def _in_order(reads: dict[_Key, dict[_Key, str]], end: _Key, layers: dict[str, Any]) -> list[Block]:
    """What the end hangs on, each after what it reads."""
    order: dict[_Key, int] = {}
    visited: set[_Key] = set()

    def visit(key: _Key) -> None:
        if key in visited:
            return
        visited.add(key)
        for source in reads.get(key, {}):
            visit(source)
        order[key] = len(order)

    visit(end)
    return [
        Block(
            _label(key, layers),
            key.kind,
            {order[k]: shape for k, shape in reads[key].items() if order[k] < order[key]},
        )
        for key in order
    ]


def _label(key: _Key, layers: dict[str, Any]) -> str:
    if key.kind != "layer":
        return key.label
    layer, sizes = layers[key.name], []
    for name, words in _SIZES.items():
        value = getattr(layer, name, None)
        if isinstance(value, list | tuple) and value:
            sizes.append(f"{'-'.join(map(str, value))} {words}".strip())
        elif isinstance(value, int):
            one = words.removesuffix("s") if value == 1 else words
            sizes.append(f"{value} {one}".strip())
    return "\n".join([key.label, *([", ".join(sizes)] if sizes else [])])
