"""Loading of exported models, and requests to them from Python."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.artifacts import read_manifest
from tfrec_zoo.features import MISSING, RawFeature, raw_signature, request_arrays
from tfrec_zoo.scann_ops import load_scann_ops


class Served:
    """A served model: typed requests in, arrays or frames out.

    `load` makes it of an export, `serve` of a model in memory.

    Args:
        signatures: Functions of tensors by name.
        request: The raw features a request may give, by key.
        manifest: What the manifest of the export says; of a model in memory, its name.
    """

    def __init__(
        self,
        signatures: Mapping[str, Any],
        request: Mapping[str, RawFeature],
        manifest: Mapping[str, Any],
    ) -> None:
        self.signatures = signatures
        self.request = dict(request)
        self.manifest = dict(manifest)
        #: What holds the variables; the signatures do so only weakly.
        self.module: Any = None

    def __call__(self, request: Mapping[str, Any], signature: str = "serving_default") -> Any:
        """Answers a request.

        Args:
            request: Raw features by key, one value (or bag) per row: lists, arrays or a pandas
                frame. Features left out, None and NaN are missing.
            signature: Name of a signature that takes one row of raw features each. The other
                `signatures` take tensors and cannot be called here.

        Returns:
            The outputs by name, as arrays; strings are `str`.

        Raises:
            KeyError, TypeError, ValueError: If the request is malformed; the message says how.
        """
        if not isinstance(request, Mapping | pd.DataFrame):
            raise TypeError(f"Expected features by key. Received: {request!r:.80}")
        if signature not in self.signatures:
            raise KeyError(f"Expected one of {sorted(self.signatures)}. Received: {signature!r}")
        wanted = self.inputs(signature)
        raw = {key: feature for key, feature in self.request.items() if key in wanted}
        specs = raw_signature(raw)
        if any(wanted[key].shape.rank != specs[key].shape.rank for key in raw) or not raw:
            raise ValueError(
                "The signature is not over rows of raw features: give tensors to "
                f"`signatures[{signature!r}]`. Received: {signature!r}"
            )
        arrays = request_arrays(raw, request)
        outputs = self.signatures[signature](
            **{key: tf.constant(array, specs[key].dtype) for key, array in arrays.items()}
        )
        return {name: _as_given(value.numpy()) for name, value in outputs.items()}

    def inputs(self, signature: str) -> dict[str, tf.TensorSpec]:
        """The tensors a signature takes, by name."""
        positional, named = self.signatures[signature].structured_input_signature
        return {**{spec.name: spec for spec in positional}, **named}

    def recommend(self, request: Mapping[str, Any], k: int | None = None) -> pd.DataFrame:
        """Recommends items to each row of a request.

        Args:
            request: Raw features by key, one value (or bag) per row: lists, arrays or a pandas
                frame.
            k: Number of items to return, by default and at most that of the export.

        Returns:
            A frame with the columns `row` (of the request), `rank` (from 1), `id` and `score`. A
            request has fewer than k rows if there is nothing left to recommend.
        """
        if "ids" not in self.signatures["serving_default"].structured_outputs:
            raise TypeError(
                f"{self.manifest['model']} scores impressions and recommends nothing by itself: "
                "call it, or export a funnel."
            )
        outputs = self(request)
        ids, scores = outputs["ids"], outputs["scores"]
        if k is not None and not (isinstance(k, int) and 0 < k <= ids.shape[1]):
            raise ValueError(f"`k` must be a number in 1 … {ids.shape[1]}. Received: {k!r}")
        ids, scores = ids[:, :k], scores[:, :k]
        row, column = np.nonzero(ids != MISSING["string" if ids.dtype == object else "int64"])
        return pd.DataFrame(
            {
                "row": row,
                "rank": column + 1,
                "id": ids[row, column],
                "score": scores[row, column],
            }
        )


def _as_given(values: np.ndarray) -> np.ndarray:
    if values.dtype != object:
        return values
    decoded = [value.decode("utf-8") for value in values.ravel().tolist()]
    return np.array(decoded, object).reshape(values.shape)


def load(directory: str | pathlib.Path, verify: bool = False) -> Served:
    """Loads what `export` wrote.

    Args:
        directory: Folder of the export.
        verify: Whether to compare every file with its sha256 in the manifest first.

    Raises:
        FileNotFoundError: If there is no export.
        ValueError: If it is damaged.
        ImportError: If it needs ScaNN, and that does not load.

    Example:

    >>> import numpy as np, tempfile
    >>> from tfrec_zoo.features import *
    >>> from tfrec_zoo.models import Popularity
    >>> from tfrec_zoo.serving import export, load
    >>> spec = FeatureSpec(query=(NumericColumn("age"),),
    ...                    candidate=(VocabularyColumn("video_id"),))
    >>> x, y = {"age": np.array([20.0, 30.0, 40.0])}, np.array(["a", "b", "b"])
    >>> model = Popularity(Features.fit(spec, {**x, "video_id": y}))
    >>> model.compile()
    >>> _ = model.fit(x, y, verbose=0)
    >>> directory = export(model, tempfile.mkdtemp() + "/popularity", k=2)
    >>> load(directory).recommend({"exclude": [[], ["b"]]})["id"].tolist()
    ['b', 'a', 'a']
    """
    directory = pathlib.Path(directory)
    manifest = read_manifest(directory, verify)
    try:
        custom_ops = [str(op) for op in manifest["custom_ops"]]
        request = {f["key"]: RawFeature(**f) for f in manifest["request"]}
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"The manifest in {directory} is damaged: export the model again. {error!r}"
        ) from error
    if any(op.startswith("Scann>") for op in custom_ops):
        try:
            load_scann_ops()
        except ImportError as error:
            raise ImportError(
                f'{directory} searches with ScaNN: export it with index="exact", or repair '
                f"this environment. {error}"
            ) from error
    try:
        module = tf.saved_model.load(str(directory))
    except (OSError, ValueError, RuntimeError, LookupError, tf.errors.OpError) as error:
        raise ValueError(
            f"The SavedModel in {directory} is damaged: export it again. {error}"
        ) from error
    served = Served(module.signatures, request, manifest)
    served.module = module
    return served
