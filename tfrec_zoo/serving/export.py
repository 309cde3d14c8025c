"""Export: trained models as SavedModels that answer raw requests without this package."""

import inspect
import pathlib
from collections.abc import Mapping
from typing import Any, Literal

import tensorflow as tf

from tfrec_zoo.artifacts import MANIFEST, atomic_folder, write_manifest
from tfrec_zoo.features import RawFeature, parse_examples, raw_signature
from tfrec_zoo.models.base import RecommenderModel
from tfrec_zoo.models.ranking import RankingModel
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.serving.funnel import Funnel
from tfrec_zoo.serving.index import build_index
from tfrec_zoo.serving.weights import ServedWeights, item_table, serving_inputs, with_serving_values


class ServedModel(tf.Module):
    """Holds what is exported: the variables and lookup tables of a model, and named signatures.

    Attributes:
        request: Raw features of `serving_default`, by key.
        custom_ops: Operations that a process must register before it loads the export.
    """

    request: Mapping[str, RawFeature]
    custom_ops: tuple[str, ...] = ()

    def signatures(self) -> dict[str, Any]:
        """Returns the concrete functions to export, by name."""
        raise NotImplementedError


def _signature(function: Any, specs: Mapping[str, tf.TensorSpec]) -> Any:
    """Returns a concrete function with one named argument per raw feature."""
    # tf.function names arguments by the Python signature, so the function gets one.
    parameters = [inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD) for key in specs]

    def named(*args: Any, **kwargs: Any) -> Any:
        bound = named.__signature__.bind(*args, **kwargs)  # type: ignore[attr-defined]
        return function(**bound.arguments)

    named.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return tf.function(named, input_signature=list(specs.values())).get_concrete_function()


class ServedRetrieval(ServedModel):
    """Serves a retrieval model: raw query features and items to exclude in, the best items out.

    Args:
        model: Trained retrieval model.
        k: Number of items to return.
        index: Kind of index; see `build_index`.
    """

    def __init__(
        self, model: RetrievalModel, k: int = 100, index: Literal["auto", "exact", "scann"] = "auto"
    ) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"`k` must be positive. Received: {k!r}")
        self._model = ServedWeights(model)
        self.k = k
        self.index = build_index(model.candidates(), index, k=k)
        self.custom_ops = self.index.custom_ops
        self.items = item_table(model)
        item = model.item_column
        self.request = {
            **serving_inputs(model.features.spec.raw_query),
            "exclude": RawFeature("exclude", item.dtype, is_bag=True),
        }

        def query(**raw: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"query": model(with_serving_values(raw, model.features.spec.raw_query))}

        def serve(**raw: tf.Tensor) -> dict[str, tf.Tensor]:
            rows = model.preprocessor.ids(item, {item.key: raw["exclude"]}) - 1
            scores, rows = self.index.search(query(**raw)["query"], self.k, rows)
            return {"ids": tf.gather(self.items, rows + 1), "scores": scores}

        self._query, self._serve = query, serve

    def signatures(self) -> dict[str, Any]:
        """Returns `serving_default`, `examples` (from serialized `tf.Example`s) and `query`.

        `query` returns query vectors, or the scores of all items if the model has no item vectors.
        """
        query = {key: f for key, f in self.request.items() if key != "exclude"}
        signatures = {
            "serving_default": _signature(self._serve, raw_signature(self.request)),
            "examples": _from_examples(self._serve, self.request),
        }
        if query:
            signatures["query"] = _signature(self._query, raw_signature(query))
        return signatures


class ServedRanking(ServedModel):
    """Serves a ranking model: raw features of impressions in, predictions out.

    Args:
        model: Trained ranking model.
    """

    def __init__(self, model: RankingModel) -> None:
        super().__init__()
        self._model = ServedWeights(model)
        spec = model.features.spec
        self.request = serving_inputs(spec.raw)
        self._candidate = set(serving_inputs(spec.raw_candidate)) - set(spec.raw_query)

        def serve(**raw: tf.Tensor) -> dict[str, tf.Tensor]:
            raw = with_serving_values(raw, spec.raw)
            return {"predictions": model.predictions(model(raw))}

        self._serve = serve

    def signatures(self) -> dict[str, Any]:
        """Returns `serving_default` (rows of impressions), `rank` (lists) and `examples`."""
        specs = raw_signature(self.request)
        lists = {
            key: tf.TensorSpec([None, *spec.shape], spec.dtype, name=key)
            if key in self._candidate
            else spec
            for key, spec in specs.items()
        }
        return {
            "serving_default": _signature(self._serve, specs),
            "rank": _signature(self._serve, lists),
            "examples": _from_examples(self._serve, self.request),
        }


class ServedFunnel(ServedModel):
    """Serves both stages in one graph: raw user features and history in, recommended items out.

    Args:
        funnel: The two stages.
    """

    def __init__(self, funnel: Funnel) -> None:
        super().__init__()
        self.funnel = funnel
        self.custom_ops = funnel.custom_ops
        self.request = funnel.request

    def signatures(self) -> dict[str, Any]:
        """Returns `serving_default` and the same from serialized `tf.Example`s."""
        specs = raw_signature(self.request)
        return {
            "serving_default": _signature(self.funnel.serve, specs),
            "examples": _from_examples(self.funnel.serve, self.request),
        }


def _from_examples(function: Any, raw: Mapping[str, RawFeature]) -> Any:
    def serve(examples: tf.Tensor) -> Any:
        return function(**parse_examples(examples, raw))

    return _signature(serve, {"examples": tf.TensorSpec([None], tf.string, name="examples")})


#: What is exported of a model, by its family.
_SERVED: dict[str, Any] = {"retrieval": ServedRetrieval, "ranking": ServedRanking}


def served(model: RecommenderModel | Funnel | ServedModel, **kwargs: Any) -> ServedModel:
    """Returns the served form of a model, which `export` writes.

    Args:
        model: A trained model, or a funnel.
        **kwargs: Arguments of `ServedRetrieval`, for retrieval models.
    """
    family = getattr(model, "family", None)
    if kwargs and family != "retrieval":
        raise TypeError(
            f"{sorted(kwargs)} are for retrieval models; a Funnel has its own. "
            f"Received: {type(model).__name__}"
        )
    if isinstance(model, ServedModel):
        return model
    if isinstance(model, Funnel):
        return ServedFunnel(model)
    if family not in _SERVED:
        raise TypeError(f"Expected a model of tfrec_zoo or a Funnel. Received: {type(model)}")
    return _SERVED[family](model, **kwargs)


def export(
    model: RecommenderModel | Funnel | ServedModel,
    directory: str | pathlib.Path,
    metadata: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> pathlib.Path:
    """Writes a SavedModel with a `manifest.json`, atomically.

    Previous contents of `directory` are replaced at the end, or left alone if anything fails.
    Loading the SavedModel takes TensorFlow only, plus ScaNN's operations
    (`from scann import scann_ops`) if the index is a ScaNN one, as the manifest then says.

    Args:
        model: A trained model, or a funnel.
        directory: Folder to write.
        metadata: Further entries of the manifest, such as metrics, data set, seed and command.
        **kwargs: `k` and `index`, for retrieval models.

    Returns:
        The directory.

    Raises:
        FileExistsError: If `directory` is a file, or a folder that contains something else.
        FloatingPointError: If a weight is not finite, because training diverged.
    """
    if isinstance(model, RecommenderModel):
        model.require_finite()
    directory = pathlib.Path(directory)
    if directory.is_dir() and any(directory.iterdir()):
        if not any((directory / name).is_file() for name in (MANIFEST, "saved_model.pb")):
            raise FileExistsError(
                "An export replaces the whole folder: give it one of its own. "
                f"Received one with other files: {directory}"
            )
    module = served(model, **kwargs)
    name = type(model).__name__
    with atomic_folder(directory) as folder:
        options = tf.saved_model.SaveOptions(namespace_whitelist=["Scann"])
        tf.saved_model.save(module, str(folder), module.signatures(), options)
        write_manifest(
            folder,
            {
                "model": name,
                **dict(metadata or {}),
                "request": [
                    {"key": f.key, "dtype": f.dtype, "is_bag": f.is_bag}
                    for f in module.request.values()
                ],
                "custom_ops": list(module.custom_ops),
            },
        )
    return directory
