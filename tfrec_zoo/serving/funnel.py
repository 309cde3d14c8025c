"""Funnel: hundreds of candidates are retrieved, then ranked, in one graph.

Covington, Adams & Sargin (RecSys 2016), figure 2.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.derived import (
    CANDIDATE_SCORE,
    CANDIDATE_SOURCE,
    DERIVED,
    HISTORY,
    ITEM_AGE,
    LAST_WATCHED,
    NOMINATED,
    item_age,
    last_of,
    relative_score,
)
from tfrec_zoo.data.log import Log
from tfrec_zoo.features import RawFeature, serving_value
from tfrec_zoo.models.base import RecommenderModel
from tfrec_zoo.models.ranking import RankingModel
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.serving.filters import ItemFilters
from tfrec_zoo.serving.index import IndexKind, build_index
from tfrec_zoo.serving.items import ItemTable, query_features
from tfrec_zoo.serving.user_vectors import user_vectors
from tfrec_zoo.serving.weights import (
    ServedWeights,
    allowed_rows,
    as_read,
    item_table,
    serving_inputs,
)


@dataclasses.dataclass(frozen=True)
class _Stages:
    """Holds the models where TensorFlow doesn't look: their `ServedWeights` are saved, not they."""

    sources: Mapping[str, RetrievalModel]
    ranking: RankingModel | None

    @property
    def models(self) -> tuple[RecommenderModel, ...]:
        """All models, in the order in which they answer."""
        return (*self.sources.values(), *(() if self.ranking is None else (self.ranking,)))


class Funnel(tf.Module):
    """Combines trained retrieval and ranking models with a catalogue: raw features in, items out.

    A request gives the raw query features of both stages, `history` (item ids, oldest first),
    `exclude` (items not to recommend) and, if items have an `upload_time`, `time` (now, in whole
    units of the log; a negative one is the log's end). From these the funnel works out what else
    the models were trained on: `last_watched`, `history_<column>` (the items' univalent columns of
    text, looked up), `item_age`, and of each candidate `candidate_source`, who nominated it, and
    `candidate_score`, what the first source makes of it (scores of different sources can't be
    compared), relative to its best nominations. Nothing from `history` or `exclude` is ever
    recommended, and nothing but what is in `allow`, where a request has it.

    Args:
        sources: Trained retrieval models by name, with the same item vocabulary; the first
            nominates first. The names are the values of `candidate_source`.
        ranking: Trained ranking model; None returns the nominations of the only source as they are.
        log: Log whose `items` give the features of the candidates.
        num_candidates: Number of candidates that each source nominates.
        k: Number of items to return.
        index: Kind of index; see `build_index`.
        target_recall: Share of the exact best items that an approximate index must find.
        filters: Columns of the log's items by whose values requests may restrict what they get.

    Attributes:
        request: Raw features of a request, by key.
        filters: Bags of values that recommended items must have, by key.
        ignored: Keys of what else the log says of who asks, which neither stage reads.
        item: Key and type of the item ids.
        items: The items' titles, or None.
        num_items: Number of items that may be recommended.
        custom_ops: Operations that a process must register before it loads the exported funnel.

    Raises:
        ValueError: If there is no source, or no ranking model for several, `k` is out of range, the
            models are incompatible, or the log lacks an item or a column that they need.
    """

    def __init__(
        self,
        sources: Mapping[str, RetrievalModel],
        ranking: RankingModel | None,
        log: Log,
        num_candidates: int = 200,
        k: int = 20,
        index: IndexKind = "auto",
        target_recall: float = 0.95,
        filters: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if not sources:
            raise ValueError("`sources` must name at least one retrieval model. Received: {}")
        if ranking is None and len(sources) > 1:
            raise ValueError(
                "Nominations of several `sources` need a ranking model to be put in order. "
                f"Received: ranking=None, sources {list(sources)}"
            )
        if not 0 < k <= num_candidates * len(sources):
            raise ValueError(
                "`k` must be positive and at most the number of candidates. "
                f"Received: k={k}, num_candidates={num_candidates}"
            )
        first = next(iter(sources.values()))
        vocabulary = first.features.vocabularies[first.item_column.space]
        for name, source in sources.items():
            if source.features.vocabularies[source.item_column.space] != vocabulary:
                raise ValueError(
                    f"All sources must have the same item vocabulary. Received another: {name!r}"
                )
        self.k = k
        self.num_candidates = num_candidates
        self._stages = _Stages(dict(sources), ranking)
        self._item = first.item_column
        self._weights = [ServedWeights(model) for model in self._stages.models]
        # The first source's scores are relative to as many as in training. What earlier sources
        # nominate is left out of the others'.
        self._widths = [max(num_candidates, NOMINATED), *[num_candidates] * (len(sources) - 1)]
        self._indexes = [
            build_index(
                source.candidates(),
                index,
                functools.partial(user_vectors, source, log),
                k=width,
                spare=200 + i * num_candidates,
                target_recall=target_recall,
            )
            for i, (source, width) in enumerate(zip(sources.values(), self._widths, strict=True))
        ]
        self.custom_ops = tuple(dict.fromkeys(op for i in self._indexes for op in i.custom_ops))
        self._ids = item_table(first)

        self.item = RawFeature(self._item.key, self._item.dtype)
        self.items = ItemTable.of(log, vocabulary).or_none()
        self.num_items = len(vocabulary)
        catalogue = Catalogue.of(log).of_vocabulary(vocabulary)
        self._filters = ItemFilters(catalogue, filters) if filters else None
        self.filters = {} if self._filters is None else self._filters.request
        self._catalogue = {}
        if ranking is not None:
            encoded = catalogue.encoded(ranking.preprocessor, leave_out=DERIVED)
            self._catalogue = {
                group: {key: _constant(value, "catalogue") for key, value in values.items()}
                for group, values in encoded.items()
            }
        self._attributes = self._attribute_tables(catalogue)
        self._upload_time = None
        if ranking is not None and catalogue.upload_time is not None:
            self._upload_time = _constant(catalogue.upload_time, "upload_time")
            # What "now" is where a request doesn't say: the end of the log.
            self._now = int(log.interactions[log.roles.time].max())
        self.request = self._request()
        self.ignored = query_features(log) - set(self.request)

    @property
    def indexes(self) -> dict[str, dict[str, Any]]:
        """The index of each source by name: its kind and measured recall, JSON-able."""
        described = [index.description for index in self._indexes]
        return dict(zip(self._stages.sources, described, strict=True))

    def _request(self) -> dict[str, RawFeature]:
        raw: dict[str, RawFeature] = {}
        for model in self._stages.models:
            for key, feature in serving_inputs(model.raw_query).items():
                if raw.setdefault(key, feature) != feature:
                    raise ValueError(
                        f"Both stages must declare {key!r} alike. "
                        f"Received: {raw[key]!r} and {feature!r}"
                    )
        raw = {k: f for k, f in raw.items() if k not in DERIVED and k not in self._attributes}
        dtype = self._item.dtype
        raw[HISTORY] = RawFeature(HISTORY, dtype, is_bag=True)
        raw["exclude"] = RawFeature("exclude", dtype, is_bag=True)
        if self._upload_time is not None:
            raw["time"] = RawFeature("time", "int64")
        return raw

    def _attribute_tables(self, catalogue: Catalogue) -> dict[str, tf.Variable]:
        """The tables of those attributes of the history that the stages read."""
        tables = catalogue.attribute_tables
        read = {
            key
            for model in self._stages.models
            for key, feature in model.raw_query.items()
            if feature.is_bag and feature.dtype == "string"
        }
        return {key: _constant(table, "attributes") for key, table in tables.items() if key in read}

    def serve(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Recommends items to each row of a request.

        Args:
            **raw: Raw features by key, as in `request`: [batch], or [batch, length] for bags; and
                perhaps `allow`, bags of the only items to recommend, and bags of `filters`.

        Returns:
            `ids`, the original item ids, [batch, k], best first, and `scores`, the ranker's
            predictions, [batch, k]. If fewer than k items can be recommended, the rest are the
            missing id and score 0.
        """
        history = self._rows(raw[HISTORY])
        excluded = tf.concat([history, self._rows(raw["exclude"])], axis=1)
        allowed = allowed_rows(raw["allow"], self._rows) if "allow" in raw else None
        keep = None
        if self._filters is not None and set(self.filters) <= set(raw):
            keep = self._filters.keep(raw)
        raw = {**raw, LAST_WATCHED: last_of(raw[HISTORY])}
        raw.update((key, tf.gather(t, history + 1)) for key, t in self._attributes.items())

        # Candidate generation.
        queries, found, rows_of, names = [], [], [], []
        for (name, source), index, width in zip(
            self._stages.sources.items(), self._indexes, self._widths, strict=True
        ):
            spec = source.features.spec
            queries.append(source(as_read(raw, source.raw_query, spec)))
            scores, rows = index.search(queries[-1], width, excluded, allowed, keep)
            found.append(scores)
            rows_of.append(rows[:, : self.num_candidates])
            excluded = tf.concat([excluded, rows_of[-1]], axis=1)
            names.append(tf.fill(tf.shape(rows_of[-1]), name))
        rows = tf.concat(rows_of, axis=1)  # [batch, candidates]
        ranking = self._stages.ranking
        if ranking is None:
            rows, scores = rows[:, : self.k], found[0][:, : self.k]
            ids = tf.gather(self._ids, rows + 1)
            return {"ids": ids, "scores": tf.where(rows >= 0, scores, tf.zeros_like(scores))}

        # Ranking.
        encoded = self._ranker_input(ranking, raw, rows)
        given = {
            CANDIDATE_SOURCE: tf.concat(names, axis=1),
            CANDIDATE_SCORE: self._score(queries[0], rows, found[0][:, :NOMINATED]),
            ITEM_AGE: self._item_age(raw, rows),
        }
        wanted = ranking.features.spec.raw_candidate
        given = {key: value for key, value in given.items() if key in wanted}
        given.update(
            (key, tf.fill(tf.shape(rows), serving_value(feature)))
            for key, feature in wanted.items()
            if feature.serving is not None and key not in ranking.features.spec.raw_query
        )
        if given:
            nominated = ranking.preprocessor(given)
            for group, values in nominated.items():
                encoded[group].update(values)
        logits = tf.where(rows >= 0, ranking(encoded), -float("inf"))
        logits, best = tf.math.top_k(logits, self.k)
        rows = tf.gather(rows, best, batch_dims=1)
        return {"ids": tf.gather(self._ids, rows + 1), "scores": ranking.predictions(logits)}

    def _score(self, query: tf.Tensor, rows: tf.Tensor, best: tf.Tensor) -> tf.Tensor:
        """Returns what the first source makes of all candidates, whichever nominated them."""
        first = next(iter(self._stages.sources.values()))
        candidates = first.candidates()
        if candidates is None:
            scores = tf.gather(query, tf.maximum(rows, 0), batch_dims=1)
        else:
            vectors = tf.gather(candidates, tf.maximum(rows, 0))
            scores = tf.einsum("bd,bnd->bn", tf.cast(query, vectors.dtype), vectors)
        return relative_score(tf.cast(scores, tf.float32), tf.cast(best, tf.float32))

    def _rows(self, items: tf.Tensor) -> tf.Tensor:
        first = next(iter(self._stages.sources.values()))
        return first.preprocessor.ids(self._item, {self._item.key: items}) - 1

    def _ranker_input(
        self, ranking: RankingModel, raw: Mapping[str, tf.Tensor], rows: tf.Tensor
    ) -> dict[str, dict[str, tf.Tensor]]:
        """Returns the query's encoded features together with the candidates' encoded ones."""
        spec = ranking.features.spec
        query = as_read(raw, ranking.raw_query, spec)
        query = {key: query[key] for key in spec.raw_query if key in query}
        encoded = ranking.preprocessor(query)
        at = tf.maximum(rows, 0)
        return {
            group: {**values, **{k: tf.gather(t, at) for k, t in self._catalogue[group].items()}}
            for group, values in encoded.items()
        }

    def _item_age(self, raw: Mapping[str, tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
        if self._upload_time is None:
            return tf.fill(tf.shape(rows), float("nan"))
        now = tf.cast(tf.where(raw["time"] >= 0, raw["time"], self._now), tf.float64)
        return item_age(now[:, None], tf.gather(self._upload_time, tf.maximum(rows, 0)))


def _constant(values: Any, name: str) -> tf.Variable:
    """A variable that isn't trained: constants of its size would be part of the exported graph."""
    return tf.Variable(tf.constant(values), trainable=False, name=name)
