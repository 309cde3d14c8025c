"""Item features: what the models of a graph read of items, of the history's and of candidates."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.derived import HISTORY, ITEM_AGE, LAST_WATCHED, item_age, last_of
from tfrec_zoo.data.log import Log
from tfrec_zoo.features import Encoded, RawFeature, serving_value
from tfrec_zoo.models.base import RecommenderModel
from tfrec_zoo.models.ranking import RankingModel
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.serving.weights import as_read, serving_inputs


@dataclasses.dataclass(frozen=True)
class Stages:
    """Holds models where TensorFlow doesn't look: their `ServedWeights` are saved, not they.

    Args:
        sources: Retrieval models by name.
        ranking: The ranking model, or None.
    """

    sources: Mapping[str, RetrievalModel]
    ranking: RankingModel | None

    @property
    def models(self) -> tuple[RecommenderModel, ...]:
        """All models, in the order in which they answer."""
        return (*self.sources.values(), *(() if self.ranking is None else (self.ranking,)))


class ItemFeatures(tf.Module):
    """The features of items in a graph, encoded once for the ranking model.

    From `history` follow `last_watched` and the attributes `history_<column>` of its items, from
    `time` follows the age of candidates.

    Args:
        stages: The models.
        catalogue: The items that may be recommended, in order.
        log: The log, whose end is "now" where a request has no time; or None.
        elsewhere: Candidate features of the ranking model that the caller gives.

    Attributes:
        request: What requests give of what the models read, by key, and the `history` if anything
            follows from it.
        elsewhere: What the caller gives.

    Raises:
        ValueError: If the catalogue lacks a column that the ranking model reads, or models declare
            a feature differently.
    """

    def __init__(
        self,
        stages: Stages,
        catalogue: Catalogue,
        log: Log | None = None,
        elsewhere: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.elsewhere = elsewhere
        self._stages = stages
        self._catalogue: dict[str, dict[str, tf.Variable]] = {}
        self._upload_time, self._now = None, -1
        if stages.ranking is not None:
            derived = (*((ITEM_AGE,) if log is not None else ()), *elsewhere)
            encoded = catalogue.encoded(stages.ranking.preprocessor, leave_out=derived)
            self._catalogue = {
                group: {key: _constant(value, "catalogue") for key, value in values.items()}
                for group, values in encoded.items()
            }
            if catalogue.upload_time is not None and log is not None:
                self._upload_time = _constant(catalogue.upload_time, "upload_time")
                self._now = int(log.interactions[log.roles.time].max())
        self._attributes = self._attribute_tables(catalogue)
        self.request = self._request(catalogue.ids.dtype.kind)

    def _request(self, kind: str) -> dict[str, RawFeature]:
        raw: dict[str, RawFeature] = {}
        for model in self._stages.models:
            for key, feature in serving_inputs(model.raw_query).items():
                if raw.setdefault(key, feature) != feature:
                    raise ValueError(
                        f"Both stages must declare {key!r} alike. "
                        f"Received: {raw[key]!r} and {feature!r}"
                    )
        follows = {LAST_WATCHED, ITEM_AGE, *self._attributes}
        given = {key: feature for key, feature in raw.items() if key not in follows}
        if {LAST_WATCHED, *self._attributes} & set(raw):
            dtype: Any = "string" if kind == "O" else "int64"
            given.setdefault(HISTORY, RawFeature(HISTORY, dtype, is_bag=True))
        if self._upload_time is not None:
            given["time"] = RawFeature("time", "int64")
        return given

    def _attribute_tables(self, catalogue: Catalogue) -> dict[str, tf.Variable]:
        """The tables of those attributes of the history that the models read."""
        read = {
            key
            for model in self._stages.models
            for key, feature in model.raw_query.items()
            if feature.is_bag and feature.dtype == "string"
        }
        tables = catalogue.attribute_tables
        return {key: _constant(table, "attributes") for key, table in tables.items() if key in read}

    def with_history(self, raw: Mapping[str, tf.Tensor], rows: tf.Tensor) -> dict[str, tf.Tensor]:
        """Adds to a request what follows from its history.

        Args:
            raw: Raw features by key, the history among them.
            rows: [batch, length] rows of the history's items in the catalogue, −1 for unknown ones.
        """
        raw = {**raw, LAST_WATCHED: last_of(raw[HISTORY])}
        raw.update((key, tf.gather(table, rows + 1)) for key, table in self._attributes.items())
        return raw

    def query(self, raw: Mapping[str, tf.Tensor]) -> Encoded:
        """The query's features of the ranking model, encoded, of a request with what follows."""
        ranking = self._ranking
        spec = ranking.features.spec
        read = as_read(raw, ranking.raw_query, spec)
        query = {key: read[key] for key in spec.raw_query if key in read}
        return ranking.preprocessor(query) if query else {"ids": {}, "values": {}}

    def with_candidates(
        self,
        query: Encoded,
        raw: Mapping[str, tf.Tensor],
        rows: tf.Tensor,
        given: Mapping[str, tf.Tensor] = MappingProxyType({}),
    ) -> Encoded:
        """The query's features together with those of candidates.

        Args:
            query: What `query` returned.
            raw: The request.
            rows: [batch, n] rows of the candidates in the catalogue; those below 0 get the features
                of another item.
            given: [batch, n, ...] candidate features that come from elsewhere, by key; what the
                ranking model doesn't read has no effect.
        """
        ranking, at = self._ranking, tf.maximum(rows, 0)
        spec = ranking.features.spec
        own = {
            key: tf.fill(tf.shape(rows), serving_value(feature))
            for key, feature in spec.raw_candidate.items()
            if feature.serving is not None and key not in spec.raw_query
        }
        own.update((key, value) for key, value in given.items() if key in spec.raw_candidate)
        if ITEM_AGE in spec.raw_candidate:
            own[ITEM_AGE] = self._age(raw, at)
        encoded = ranking.preprocessor(own) if own else {"ids": {}, "values": {}}
        return {
            group: {
                **query[group],
                **{key: tf.gather(table, at) for key, table in self._catalogue[group].items()},
                **encoded[group],
            }
            for group in encoded
        }

    def _age(self, raw: Mapping[str, tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
        if self._upload_time is None:
            return tf.fill(tf.shape(rows), tf.constant(float("nan"), tf.float64))
        now = tf.cast(tf.where(raw["time"] >= 0, raw["time"], self._now), tf.float64)
        return item_age(now[:, None], tf.gather(self._upload_time, rows))

    @property
    def _ranking(self) -> RankingModel:
        assert self._stages.ranking is not None
        return self._stages.ranking


def _constant(values: Any, name: str) -> tf.Variable:
    """A variable that isn't trained: constants of its size would be part of the exported graph."""
    return tf.Variable(tf.constant(values), trainable=False, name=name)
