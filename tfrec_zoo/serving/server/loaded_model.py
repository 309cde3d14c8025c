"""Loaded models: one version of a model in memory, an export or any other SavedModel."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2

from tfrec_zoo.artifacts import MANIFEST
from tfrec_zoo.features import MISSING
from tfrec_zoo.serving.client import Served
from tfrec_zoo.serving.server.errors import RequestError
from tfrec_zoo.serving.server.title_search import TitleSearch
from tfrec_zoo.serving.version_folders import SAVED_MODEL

#: Scores of items that are held in memory at once.
_SCORES = 1 << 24
#: Missing values by the type of a tensor.
_MISSING = {tf.as_dtype(name): value for name, value in MISSING.items()} | {tf.string: b""}


@dataclasses.dataclass(frozen=True, eq=False)
class Signature:
    """A signature of a SavedModel.

    Args:
        function: What answers.
        inputs: What it takes, by name.
        outputs: What it returns, by name.
        rows_are_apart: Whether each row is answered by itself, as the signatures of exports do.
        rows_at_once: Rows that are answered at once where rows are apart.
    """

    function: Callable[..., Mapping[str, tf.Tensor]]
    inputs: Mapping[str, tf.TensorSpec]
    outputs: Mapping[str, tf.TensorSpec]
    rows_are_apart: bool = False
    rows_at_once: int = 1

    @property
    def may_be_padded(self) -> bool:
        """Whether bags may get missing values at their ends without a change of the answer."""
        return self.rows_are_apart and all(
            None not in spec.shape.as_list()[1:] for spec in self.outputs.values()
        )

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answers arrays by name with arrays by name."""
        rows = len(next(iter(arrays.values()))) if self.rows_are_apart else 0
        if rows <= self.rows_at_once:
            return self._run(arrays)
        parts = [
            self._run({name: array[at : at + self.rows_at_once] for name, array in arrays.items()})
            for at in range(0, rows, self.rows_at_once)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _run(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        tensors = {
            name: tf.constant(array, self.inputs[name].dtype) for name, array in arrays.items()
        }
        return {name: tensor.numpy() for name, tensor in self.function(**tensors).items()}

    def missing(self) -> dict[str, np.ndarray]:
        """A row of missing values, by the names of the inputs."""
        return {
            name: np.full(
                [1, *(size or 0 for size in spec.shape.as_list()[1:])],
                _MISSING.get(spec.dtype, 0),
                object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype,
            )
            for name, spec in self.inputs.items()
        }


class LoadedModel:
    """A SavedModel in memory.

    Args:
        number: Number of the version.
        module: The SavedModel.
        served: What answers requests by key, if the SavedModel is an export.
        signature_defs: What the SavedModel says of its signatures, as JSON.
    """

    def __init__(
        self, number: int, module: Any, served: Served | None, signature_defs: Mapping[str, Any]
    ) -> None:
        self.number = number
        self.served = served
        self.signature_defs = dict(signature_defs)
        self._module = module
        num_items = None if served is None else served.manifest.get("num_items")
        at_once = 1024 if num_items is None else max(_SCORES // max(num_items, 1), 1)
        self.signatures = {
            name: _signature(function, served is not None, at_once)
            for name, function in module.signatures.items()
        }

    @classmethod
    def read(
        cls, folder: pathlib.Path, number: int, load: Callable[[pathlib.Path], Served]
    ) -> "LoadedModel":
        """Reads a version, and asks it once where it is an export.

        Args:
            folder: Folder of the SavedModel.
            number: Number of the version.
            load: Loads an export.

        Raises:
            OSError, ValueError, ImportError: If it can't be loaded.
        """
        saved = saved_model_pb2.SavedModel.FromString((folder / SAVED_MODEL).read_bytes())
        definitions = {
            name: json_format.MessageToDict(
                definition,
                always_print_fields_with_no_presence=True,
                preserving_proto_field_name=True,
            )
            for name, definition in saved.meta_graphs[0].signature_def.items()
        }
        served = load(folder) if (folder / MANIFEST).is_file() else None
        module = tf.saved_model.load(str(folder)) if served is None else served.module
        model = cls(number, module, served, definitions)
        if served is not None:
            # All that is read late is read here, and the first request finds everything warm.
            _ = model.titles
            default = model.signatures["serving_default"]
            default(default.missing())
        return model

    @functools.cached_property
    def titles(self) -> TitleSearch | None:
        """The items that people may search for; None if the export carries none."""
        items = None if self.served is None else self.served.items
        if items is None:
            return None
        known = slice(items.known)
        titles = None if items.titles is None else items.titles[known]
        return TitleSearch(items.catalogue.ids[known], titles)

    @property
    def title(self) -> str:
        """What to call the model."""
        return "SavedModel" if self.served is None else str(self.served.manifest["model"])

    def signature(self, name: Any) -> Signature:
        """A signature by name; `serving_default` for None and the empty name.

        Raises:
            RequestError: If there is no such signature.
        """
        if name is not None and not isinstance(name, str):
            raise RequestError(400, "'signature_name' key must be a string value.")
        name = name or "serving_default"
        if name not in self.signatures:
            raise RequestError(
                400,
                f'Serving signature name: "{name:.80}" not found in signature def. '
                f"There are: {', '.join(sorted(self.signatures))}",
            )
        return self.signatures[name]

    def asked(self) -> Served:
        """What answers requests by key.

        Raises:
            RequestError: If the SavedModel is no export.
        """
        if self.served is None:
            raise RequestError(
                501,
                "The SavedModel has no manifest.json, which says what a request holds: "
                "ask its signatures by :predict.",
            )
        return self.served


def _signature(function: Any, is_export: bool, rows_at_once: int) -> Signature:
    positional, named = function.structured_input_signature
    inputs = {**{spec.name: spec for spec in positional}, **named}
    outputs = {
        name: tf.TensorSpec(tensor.shape, tensor.dtype)
        for name, tensor in function.structured_outputs.items()
    }
    has_rows = all(
        spec.shape.rank and spec.shape[0] is None for spec in (*inputs.values(), *outputs.values())
    )
    apart = is_export and has_rows and bool(inputs)
    return Signature(function, inputs, outputs, apart, rows_at_once)
