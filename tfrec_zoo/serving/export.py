"""Export: trained models as SavedModels that answer raw requests without this package."""

import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tfrec_zoo.artifacts import MANIFEST, atomic_folder, read_manifest, write_manifest
from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.sharded import ShardedLog
from tfrec_zoo.features import RawFeature
from tfrec_zoo.models.base import RecommenderModel
from tfrec_zoo.models.ranking import RankingModel
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.needs import Need, tell_idle
from tfrec_zoo.serving.beam_index import BeamIndex
from tfrec_zoo.serving.filters import ItemFilters
from tfrec_zoo.serving.funnel import Funnel
from tfrec_zoo.serving.index import Index, IndexKind, build_index
from tfrec_zoo.serving.items import ItemTable, query_features
from tfrec_zoo.serving.served_model import (
    ALLOW,
    EXCLUDE,
    ServedModel,
    ServedRecommender,
    with_exclude,
)
from tfrec_zoo.serving.signatures import (
    answer_of,
    answer_of_examples,
    examples_signature,
    input_specs,
    signature,
)
from tfrec_zoo.serving.user_vectors import user_vectors
from tfrec_zoo.serving.version_folders import new_version_folder
from tfrec_zoo.serving.weights import (
    ServedWeights,
    allowed_rows,
    as_read,
    item_table,
    serving_inputs,
)
from tfrec_zoo.serving.whole_catalogue import ServedCatalogue

#: Share of the exact best items that an index finds where nothing else is asked for.
_TARGET_RECALL = 0.95


class ServedRetrieval(ServedRecommender):
    """Serves a retrieval model.

    Args:
        model: Trained retrieval model.
        k: Number of items to return.
        index: Kind of index; see `build_index`. `"beam"` is a `BeamIndex`, for a model with a
            hierarchical softmax, whose query vectors are then its user vectors.
        log: The log whose items the export carries, and on whose users an index is measured.
        target_recall: Share of the exact best items that an approximate index must find.
        filters: Columns of the log's items by whose values requests may restrict what they get.

    Raises:
        ValueError: If `k` is not positive, there is no hierarchical softmax for a beam, or there is
            nothing to filter by.
    """

    def __init__(
        self,
        model: RetrievalModel,
        k: int = 100,
        index: IndexKind | Literal["beam"] = "auto",
        log: Log | None = None,
        target_recall: float = _TARGET_RECALL,
        filters: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"`k` must be positive. Received: {k!r}")
        of_recall = Need(
            ("target_recall",),
            lambda index: index not in ("exact", "beam"),
            "is for an approximate index: leave it out, or give another `index`",
        )
        given = {} if target_recall == _TARGET_RECALL else {"target_recall": target_recall}
        tell_idle([of_recall], given, index)
        self._model = ServedWeights(model)
        self.k = k
        self.index: Index
        if index == "beam":
            if model.hierarchy is None:
                raise ValueError(
                    'The index "beam" searches the tree of a hierarchical softmax. '
                    f"Received a model without: {type(model).__name__}"
                )
            self.index, vectors = BeamIndex(model.hierarchy), model.user_vectors
        else:
            queries = None if log is None else functools.partial(user_vectors, model, log)
            self.index = build_index(
                model.candidates(), index, queries, k=k, target_recall=target_recall
            )
            vectors = model
        self.indexes = {type(model).__name__: self.index.description}
        self.custom_ops = self.index.custom_ops
        self._ids = item_table(model)
        item, raw_query = model.item_column, model.raw_query
        self.item = RawFeature(item.key, item.dtype)
        self.num_items = model.num_items
        self.request = with_exclude(serving_inputs(raw_query), item.dtype)
        unread = set(serving_inputs(model.features.spec.raw_query))
        if log is not None:
            vocabulary = model.features.vocabularies[item.space]
            self.items = ItemTable.of(log, vocabulary, set(self.request)).or_none()
            unread |= query_features(log)
        self.ignored = frozenset(unread - set(self.request))
        self._filters: ItemFilters | None = None
        if filters and log is None:
            raise ValueError(
                "`filters` are columns of a log's items: give `log`. Received: no log, "
                f"filters={filters!r}"
            )
        if filters and log is not None:
            known = Catalogue.of(log).of_vocabulary(model.features.vocabularies[item.space])
            self._filters = ItemFilters(known, filters)
            self.filters = self._filters.request

        def query(**raw: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"query": vectors(as_read(raw, raw_query, model.features.spec))}

        def rows_of(items: tf.Tensor) -> tf.Tensor:
            return model.preprocessor.ids(item, {item.key: items}) - 1

        def answer(**raw: tf.Tensor) -> dict[str, tf.Tensor]:
            allowed = allowed_rows(raw[ALLOW], rows_of)
            query_vectors = query(**raw)["query"]
            keep = None if self._filters is None else self._filters.keep(raw)
            excluded = rows_of(raw[EXCLUDE])
            scores, rows = self.index.search(query_vectors, self.k, excluded, allowed, keep)
            return {"ids": tf.gather(self._ids, rows + 1), "scores": scores}

        self._query, self._answer = query, answer

    def answer(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `ids` and `scores`, [batch, k]: the missing id and -inf where there are fewer."""
        return self._answer(**raw)

    def signatures(self) -> dict[str, Any]:
        """Returns the signatures that recommend, and `query`.

        `query` returns query vectors, or the scores of all items if the model has no item vectors.
        """
        signatures = super().signatures()
        query = {key: f for key, f in self.request.items() if key != EXCLUDE}
        if query:
            specs = input_specs(query)
            signatures["query"] = signature(answer_of(self._query, specs), specs, self.names)
        return signatures


class ServedFunnel(ServedRecommender):
    """Serves both stages in one graph: raw user features and history in, recommended items out.

    Args:
        funnel: The two stages.
        log: The log they were trained on, which is the funnel's own.
    """

    excludes_history = True

    def __init__(self, funnel: Funnel, log: Log | None = None) -> None:
        super().__init__()
        self.funnel = funnel
        self.indexes = funnel.indexes
        self.custom_ops = funnel.custom_ops
        self.item = funnel.item
        self.num_items = funnel.num_items
        self.items = funnel.items
        self.request = dict(funnel.request)
        self.filters = dict(funnel.filters)
        self.nominations = dict(funnel.nominations)
        self.ignored = funnel.ignored

    def answer(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `ids` and `scores`, [batch, k]: the missing id and 0 where there are fewer."""
        return self.funnel.serve(**raw)


class ServedRanking(ServedModel):
    """Serves a ranking model: raw features of impressions in, predictions out.

    Args:
        model: Trained ranking model.
        log: The log whose items the export carries, so that candidates can be given by their ids.
    """

    def __init__(self, model: RankingModel, log: Log | None = None) -> None:
        super().__init__()
        self._model = ServedWeights(model)
        spec = model.features.spec
        self.request = serving_inputs(spec.raw)
        self.candidate = frozenset(serving_inputs(spec.raw_candidate)) - set(spec.raw_query)
        columns = {c.key: c for c in spec.vocabulary_columns if c.key in self.candidate}
        if log is not None:
            column = columns.get(log.roles.item)
            vocabulary = None if column is None else model.features.vocabularies[column.space]
            self.items = ItemTable.of(log, vocabulary, set(self.request))
            kind: Any = "int64" if self.items.catalogue.ids.dtype == np.int64 else "string"
            self.item = RawFeature(log.roles.item, kind)
            unread = query_features(log) | {str(key) for key in log.items.columns}
            self.ignored = frozenset(unread - set(self.request))
        elif set(columns) == self.candidate and len(columns) == 1:
            # There is nothing to know of the items but their ids.
            [column] = columns.values()
            vocabulary = model.features.vocabularies[column.space]
            self.items = ItemTable.of_vocabulary(column.key, vocabulary)
            self.item = RawFeature(column.key, column.dtype)

        def answer(**raw: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"predictions": model.predictions(model(as_read(raw, spec.raw, spec)))}

        self._answer = answer

    def signatures(self) -> dict[str, Any]:
        """Returns `serving_default` (rows of impressions), `rank` (lists), and rows as examples.

        `examples` and `regress` take serialized `tf.Example`s.
        """
        specs = input_specs(self.request)
        lists = input_specs(self.request, self.candidate)
        answer = answer_of(self._answer, specs)
        of_examples = answer_of_examples(self._answer, specs, answer)

        def numbers(outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {"outputs": outputs["predictions"]}

        return {
            "serving_default": signature(answer, specs, self.names),
            "rank": signature(answer_of(self._answer, lists), lists, self.names),
            "examples": examples_signature(of_examples, self.request),
            "regress": examples_signature(of_examples, self.request, "inputs", numbers),
        }


#: What is exported of a model, by its family.
_SERVED: dict[str, Any] = {"retrieval": ServedRetrieval, "ranking": ServedRanking}


def served(
    model: RecommenderModel | Funnel | ServedModel,
    log: Log | None = None,
    whole_catalogue: bool = False,
    **kwargs: Any,
) -> ServedModel:
    """Returns the served form of a model, which `export` writes.

    Args:
        model: A trained model, or a funnel.
        log: The log it was trained on, whose items' titles and features an export carries. A funnel
            has its own.
        whole_catalogue: Whether a ranking model recommends, by scoring every item.
        **kwargs: Arguments of `ServedRetrieval`, for retrieval models; of `ServedCatalogue`, for
            ranking models of a whole catalogue.
    """
    if isinstance(log, ShardedLog):
        log = log.at_end
    family = getattr(model, "family", None)
    if whole_catalogue:
        others = sorted(set(kwargs) - {"k", "filters"})
        if family != "ranking" or others:
            raise TypeError(
                "The whole catalogue is ranked by ranking models, which take `k` and `filters` and "
                f"need no index. Received: {type(model).__name__}, {others}"
            )
        return ServedCatalogue(model, log=log, **kwargs)
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
    return _SERVED[family](model, log=log, **kwargs)


def export(
    model: RecommenderModel | Funnel | ServedModel,
    directory: str | pathlib.Path,
    metadata: Mapping[str, Any] | None = None,
    log: Log | None = None,
    like: str | pathlib.Path | None = None,
    items: ItemTable | None = None,
    version: int | Literal["next"] | None = None,
    **kwargs: Any,
) -> pathlib.Path:
    """Writes a SavedModel with a `manifest.json`, atomically.

    Previous contents of `directory` are replaced at the end, or left alone if anything fails.
    Loading the SavedModel takes TensorFlow only, plus ScaNN's operations
    (`from scann import scann_ops`) if the index is a ScaNN one, as the manifest then says.

    Args:
        model: A trained model, or a funnel.
        directory: Folder to write; with a `version`, the folder that has all versions.
        metadata: Further entries of the manifest, such as metrics, data set, seed and command.
        log: The log the model was trained on. The titles of its items, and the features that a
            ranking model reads of them, are left beside the SavedModel in a Parquet file. A funnel
            has them without.
        like: Folder of an earlier export of the model, whose items are carried over in place of a
            log's.
        items: The items to carry, in place of those of `like`.
        version: Number of the version to write, in a folder of that name in `directory`, where a
            server that watches it finds it; or `"next"`, one more than the latest there.
        **kwargs: `k`, `index`, `target_recall` and `filters`, for retrieval models; for ranking
            models `whole_catalogue=True`, which makes them recommend the best of all items that
            they know, and then `k` and `filters`.

    Returns:
        The folder of the SavedModel.

    Raises:
        FileExistsError: If `directory` is a file, or a folder that contains something else; or if
            there is that version.
        FloatingPointError: If a weight is not finite, because training diverged.
    """
    if isinstance(model, RecommenderModel):
        model.require_finite()
    directory = pathlib.Path(directory)
    if version is not None:
        directory = new_version_folder(directory, version)
    if directory.is_dir() and any(directory.iterdir()):
        if not any((directory / name).is_file() for name in (MANIFEST, "saved_model.pb")):
            raise FileExistsError(
                "An export replaces the whole folder: give it one of its own. "
                f"Received one with other files: {directory}"
            )
    module = served(model, log, **kwargs)
    manifest = module.manifest()
    if like is not None:
        earlier = read_manifest(like)
        items = ItemTable.read(like, earlier) if items is None else items
        manifest.update((key, earlier[key]) for key in ("item", "ignored") if key in earlier)
    elif items is None:
        items = module.items
    name = type(model).__name__
    with atomic_folder(directory) as folder:
        options = tf.saved_model.SaveOptions(namespace_whitelist=["Scann"])
        tf.saved_model.save(module, str(folder), module.signatures(), options)
        if items is not None:
            manifest["items"] = items.write(folder)
        write_manifest(folder, {"model": name, **dict(metadata or {}), **manifest})
    return directory
