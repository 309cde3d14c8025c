"""Funnel: hundreds of candidates are retrieved, then ranked, in one graph.

Covington, Adams & Sargin (RecSys 2016), figure 2.
"""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.data.columns import table_columns
from tfrec_zoo.data.log import Log
from tfrec_zoo.features import (
    MISSING,
    RawFeature,
    request_arrays,
)
from tfrec_zoo.models.ranking import RankingModel
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.serving.index import build_index
from tfrec_zoo.serving.parts import Parts, item_table, serving_inputs, with_serving_values

#: Features that the funnel derives itself, so requests do not give them.
_DERIVED = ("last_watched", "candidate_source", "candidate_score", "item_age")


@dataclasses.dataclass(frozen=True)
class _Stages:
    """Hides the models from TensorFlow's tracking, because only their `Parts` are saved."""

    sources: Mapping[str, RetrievalModel]
    ranking: RankingModel


class Funnel(tf.Module):
    """Combines trained retrieval and ranking models with a catalogue: raw features in, items out.

    A request gives the raw query features of both stages, `history` (item ids, oldest first),
    `exclude` (items not to recommend) and, if items have an `upload_time`, `time` (now, in whole
    units of the log; a negative value means the end of the log). From these the funnel derives the
    other features that the models were trained on: `last_watched`, `history_<column>` (the items'
    columns, looked up) and `item_age`. It also sets, for each candidate, `candidate_source`, the
    name of the model that nominated it, and `candidate_score`, its score by the first source
    (scores of different sources are not comparable). Items in `history` or `exclude` are never
    recommended.

    Args:
        sources: Trained retrieval models by name, with the same item vocabulary; the first
            nominates first. The names are the values of `candidate_source`.
        ranking: Trained ranking model.
        log: Log whose `items` give the features of the candidates.
        num_candidates: Number of candidates that each source nominates.
        k: Number of items to return.
        index: Kind of index; see `build_index`.

    Attributes:
        request: Raw features of a request, by key.
        custom_ops: Operations that a process must register before it loads the exported funnel.

    Raises:
        ValueError: If there is no source, `k` is out of range, the models are incompatible, or the
            log lacks an item or a column that they need.
    """

    def __init__(
        self,
        sources: Mapping[str, RetrievalModel],
        ranking: RankingModel,
        log: Log,
        num_candidates: int = 200,
        k: int = 20,
        index: Literal["auto", "exact", "scann"] = "auto",
    ) -> None:
        super().__init__()
        if not sources:
            raise ValueError("`sources` must name at least one retrieval model. Received: {}")
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
        self._parts = [Parts(model) for model in (*sources.values(), ranking)]
        # Each source also excludes the candidates of the sources before it, hence the larger spare.
        self._indexes = [
            build_index(
                source.candidates(), index, k=num_candidates, spare=200 + i * num_candidates
            )
            for i, source in enumerate(sources.values())
        ]
        self.custom_ops = tuple(dict.fromkeys(op for i in self._indexes for op in i.custom_ops))
        self._ids = item_table(first)

        items = _item_rows(log, vocabulary.array())
        columns = table_columns(items, ("upload_time",))
        self._catalogue = self._encode_catalogue(columns)
        self._attributes = self._history_attributes(columns)
        self._upload_time = None
        if "upload_time" in items:
            times = items["upload_time"].to_numpy(np.float64, na_value=np.nan)
            self._upload_time = tf.Variable(times, trainable=False, name="upload_time")
            # The end of the log is "now" for requests that do not give a time.
            self._now = int(log.interactions[log.roles.time].max())
        self.request = self._request()

    def _request(self) -> dict[str, RawFeature]:
        raw: dict[str, RawFeature] = {}
        for model in (*self._stages.sources.values(), self._stages.ranking):
            for key, feature in serving_inputs(model.features.spec.raw_query).items():
                if raw.setdefault(key, feature) != feature:
                    raise ValueError(
                        f"Both stages must declare {key!r} alike. "
                        f"Received: {raw[key]!r} and {feature!r}"
                    )
        raw = {k: f for k, f in raw.items() if k not in _DERIVED and k not in self._attributes}
        dtype = self._item.dtype
        raw["history"] = RawFeature("history", dtype, is_bag=True)
        raw["exclude"] = RawFeature("exclude", dtype, is_bag=True)
        if self._upload_time is not None:
            raw["time"] = RawFeature("time", "int64")
        return raw

    def _encode_catalogue(
        self, columns: Mapping[str, np.ndarray]
    ) -> dict[str, dict[str, tf.Variable]]:
        """Returns the encoded candidate features of the ranker, one row per vocabulary item."""
        spec = self._stages.ranking.features.spec
        raw = {
            key: feature
            for key, feature in serving_inputs(spec.raw_candidate).items()
            if key not in _DERIVED
        }
        unknown = sorted(set(raw) - set(columns))
        if unknown:
            raise ValueError(
                "The ranker's candidate features must be columns of `log.items`, or what a funnel "
                f"derives {_DERIVED}. Received others: {unknown}"
            )
        encoded: dict[str, dict[str, tf.Tensor]] = {"ids": {}, "values": {}}
        if raw:
            arrays = request_arrays(raw, {key: columns[key] for key in raw})
            tensors = {key: tf.constant(value) for key, value in arrays.items()}
            encoded = self._stages.ranking.preprocessor(tensors)
        return {
            group: {
                key: tf.Variable(value, trainable=False, name=f"catalogue/{key}")
                for key, value in encoded[group].items()
            }
            for group in ("ids", "values")
        }

    def _history_attributes(self, columns: Mapping[str, np.ndarray]) -> dict[str, tf.Variable]:
        """Returns what `history_<column>` looks up, [1 + items], first the missing value."""
        tables = {}
        for model in (*self._stages.sources.values(), self._stages.ranking):
            for key, feature in model.features.spec.raw_query.items():
                values = columns.get(key.removeprefix("history_"), np.empty([0, 0]))
                is_attribute = key.startswith("history_") and values.ndim == 1
                if is_attribute and feature.is_bag and feature.dtype != "float32":
                    raw = {key: RawFeature(key, feature.dtype)}
                    values = request_arrays(raw, {key: values})[key]
                    values = np.append(np.array([MISSING[feature.dtype]], values.dtype), values)
                    tables[key] = tf.Variable(tf.constant(values), trainable=False, name=key)
        return tables

    def serve(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Recommends items to each row of a request.

        Args:
            **raw: Raw features by key, as in `request`: [batch], or [batch, length] for bags.

        Returns:
            `ids`, the original item ids, [batch, k], best first, and `scores`, the ranker's
            predictions, [batch, k]. If fewer than k items can be recommended, the rest are the
            missing id and score 0.
        """
        history = self._rows(raw["history"])
        excluded = tf.concat([history, self._rows(raw["exclude"])], axis=1)
        raw = {**raw, "last_watched": _last(raw["history"])}
        raw.update((key, tf.gather(t, history + 1)) for key, t in self._attributes.items())

        # Candidate generation.
        queries, rows_of, names = [], [], []
        for (name, source), index in zip(self._stages.sources.items(), self._indexes, strict=True):
            features = with_serving_values(raw, source.features.spec.raw_query)
            queries.append(source(features))
            _, rows = index.search(queries[-1], self.num_candidates, excluded)
            excluded = tf.concat([excluded, rows], axis=1)
            rows_of.append(rows)
            names.append(tf.fill(tf.shape(rows), name))
        rows = tf.concat(rows_of, axis=1)  # [batch, candidates]

        # Ranking.
        encoded = self._ranker_input(raw, rows)
        given = {
            "candidate_source": tf.concat(names, axis=1),
            "candidate_score": self._score(queries[0], rows),
            "item_age": self._item_age(raw, rows),
        }
        wanted = self._stages.ranking.features.spec.raw_candidate
        given = {key: value for key, value in given.items() if key in wanted}
        if given:
            nominated = self._stages.ranking.preprocessor(given)
            for group, values in nominated.items():
                encoded[group].update(values)
        logits = tf.where(rows >= 0, self._stages.ranking(encoded), -float("inf"))
        logits, best = tf.math.top_k(logits, self.k)
        rows = tf.gather(rows, best, batch_dims=1)
        return {
            "ids": tf.gather(self._ids, rows + 1),
            "scores": self._stages.ranking.predictions(logits),
        }

    def _score(self, query: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Returns the first source's scores of all candidates, whichever source nominated them."""
        first = next(iter(self._stages.sources.values()))
        candidates = first.candidates()
        if candidates is None:
            return tf.gather(query, tf.maximum(rows, 0), batch_dims=1)
        vectors = tf.gather(candidates, tf.maximum(rows, 0))
        return tf.einsum("bd,bnd->bn", tf.cast(query, vectors.dtype), vectors)

    def _rows(self, items: tf.Tensor) -> tf.Tensor:
        first = next(iter(self._stages.sources.values()))
        return first.preprocessor.ids(self._item, {self._item.key: items}) - 1

    def _ranker_input(
        self, raw: Mapping[str, tf.Tensor], rows: tf.Tensor
    ) -> dict[str, dict[str, tf.Tensor]]:
        """Returns the query's encoded features together with the candidates' encoded ones."""
        spec = self._stages.ranking.features.spec
        query = with_serving_values(raw, spec.raw_query)
        query = {key: query[key] for key in spec.raw_query if key in query}
        encoded = self._stages.ranking.preprocessor(query)
        at = tf.maximum(rows, 0)
        return {
            group: {**values, **{k: tf.gather(t, at) for k, t in self._catalogue[group].items()}}
            for group, values in encoded.items()
        }

    def _item_age(self, raw: Mapping[str, tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
        if self._upload_time is None:
            return tf.fill(tf.shape(rows), float("nan"))
        now = tf.cast(tf.where(raw["time"] >= 0, raw["time"], self._now), tf.float64)
        age = now[:, None] - tf.gather(self._upload_time, tf.maximum(rows, 0))
        return tf.cast(age, tf.float32)


def _item_rows(log: Log, tokens: np.ndarray) -> pd.DataFrame:
    items = log.items.set_index(log.roles.item, drop=False)
    missing = ~pd.Index(tokens).isin(items.index)
    if missing.any():
        raise ValueError(
            "Every item that the sources know must have a row in `log.items`. "
            f"Received none for {int(missing.sum())}, such as {tokens[missing][0]!r}"
        )
    return items.loc[tokens].reset_index(drop=True)


def _last(history: tf.Tensor) -> tf.Tensor:
    """Returns the last non-missing value of each history."""
    missing = tf.constant(MISSING["string" if history.dtype == tf.string else "int64"])
    missing = tf.cast(missing, history.dtype)
    padded = tf.concat([tf.fill([tf.shape(history)[0], 1], missing), history], axis=1)
    present = padded != missing if history.dtype == tf.string else padded >= 0
    # Column 0, the missing value, is selected if no value is present.
    at = tf.reduce_max(tf.where(present, tf.range(tf.shape(padded)[1]), 0), axis=1)
    return tf.gather(padded, at, batch_dims=1)
