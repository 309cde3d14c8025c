"""Funnel: hundreds of candidates are retrieved, then ranked, in one graph.

Covington, Adams & Sargin (RecSys 2016), figure 2.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.derived import HISTORY
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.nominated import (
    CANDIDATE_SOURCES,
    NOMINATE,
    NOMINATED,
    REQUEST,
    nominations_of_requests,
    rank_key,
    ranks_among,
    relative_score,
    score_key,
    union,
)
from tfrec_zoo.features import RawFeature
from tfrec_zoo.models.ranking import RankingModel
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.serving.filters import ItemFilters
from tfrec_zoo.serving.funnel_source import FunnelSource
from tfrec_zoo.serving.index import IndexKind, may_be_returned
from tfrec_zoo.serving.item_features import ItemFeatures, Stages
from tfrec_zoo.serving.items import ItemTable, query_features
from tfrec_zoo.serving.weights import ServedWeights, allowed_rows, item_table


class Funnel(tf.Module):
    """Combines trained retrieval and ranking models with a catalogue: raw features in, items out.

    A request gives the raw query features of both stages, `history` (item ids, oldest first),
    `exclude` (items not to recommend) and, if items have an `upload_time`, `time` (now, in whole
    units of the log; a negative one is the log's end). Each source nominates its best items, and
    the caller may nominate others by `nominate`; what several nominate is one candidate. Nothing
    from `history` or `exclude` is ever recommended, and nothing but what is in `allow`, where a
    request has it.

    From a request the funnel works out what else the models were trained on: `last_watched`,
    `history_<column>` (the items' univalent columns of text, looked up), `item_age`, and of each
    candidate `candidate_sources`, the names of all that nominated it, in their order; and by each
    source `candidate_score_<name>`, relative to the source's best nominations, whether it nominated
    the candidate or not, and `candidate_reciprocal_rank_<name>`, 1 / rank where it did and 0 where
    it did not. What the caller nominates has the source `request`, whose rank is the place in the
    list and which has no score; a ranking model that was taught nothing of that source takes the
    name for unknown.

    Args:
        sources: Trained retrieval models by name, which know the same items. The names are the
            values of `candidate_sources`.
        ranking: Trained ranking model; None returns the nominations of the only source as they are.
        log: Log whose `items` give the features of the candidates.
        num_candidates: Number of candidates that each source nominates, as in training.
        k: Number of items to return, at most `num_candidates`.
        index: Kind of index; see `build_index`.
        target_recall: Share of the exact best items that an approximate index must find.
        filters: Columns of the log's items by whose values requests may restrict what they get.

    Attributes:
        request: Raw features of a request, by key.
        nominations: The bag of items that a request may nominate, by key; none without a ranking
            model.
        filters: Bags of values that recommended items must have, by key.
        ignored: Keys of what else the log says of who asks, which neither stage reads.
        item: Key and type of the item ids.
        items: The items' titles, or None.
        num_items: Number of items that may be recommended.
        custom_ops: Operations that a process must register before it loads the exported funnel.

    Raises:
        ValueError: If there is no source, or no ranking model for several, a source has the name of
            the caller's nominations, `k` is out of range, the models are incompatible, or the log
            lacks an item or a column that they need.
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
        if REQUEST in sources:
            raise ValueError(
                f"{REQUEST!r} is what candidates have as their source that a request nominates: "
                f"call the source otherwise. Received: sources {list(sources)}"
            )
        if not 0 < k <= num_candidates:
            raise ValueError(
                "`k` must be positive and at most the number of candidates. "
                f"Received: k={k}, num_candidates={num_candidates}"
            )
        first = next(iter(sources.values()))
        vocabulary = first.features.vocabularies[first.item_column.space]
        self.k = k
        self.num_candidates = num_candidates
        self._stages = Stages(dict(sources), ranking)
        self._item = first.item_column
        self._ranking = None if ranking is None else ServedWeights(ranking)
        # Scores are relative to as many as in training.
        width = max(num_candidates, NOMINATED)
        self._sources = {
            name: FunnelSource(
                name, source, vocabulary, log, width, filters,
                kind=index, target_recall=target_recall,
            )
            for name, source in sources.items()
        }  # fmt: skip
        ops = [op for source in self._sources.values() for op in source.index.custom_ops]
        self.custom_ops = tuple(dict.fromkeys(ops))
        self._ids = item_table(first)

        self.item = RawFeature(self._item.key, self._item.dtype)
        self.items = ItemTable.of(log, vocabulary).or_none()
        self.num_items = len(vocabulary)
        catalogue = Catalogue.of(log).of_vocabulary(vocabulary)
        self._filters = ItemFilters(catalogue, filters) if filters else None
        self.filters = {} if self._filters is None else self._filters.request
        named = [key(name) for key in (score_key, rank_key) for name in sources]
        elsewhere = (CANDIDATE_SOURCES, *named, rank_key(REQUEST))
        self._features = ItemFeatures(self._stages, catalogue, log, elsewhere)
        bags = [RawFeature(key, self._item.dtype, is_bag=True) for key in (HISTORY, "exclude")]
        self.request = {**self._features.request, **{bag.key: bag for bag in bags}}
        bag = RawFeature(NOMINATE, self._item.dtype, is_bag=True)
        self.nominations = {} if ranking is None else {NOMINATE: bag}
        self.ignored = query_features(log) - set(self.request)

    @property
    def indexes(self) -> dict[str, dict[str, Any]]:
        """The index of each source by name: its kind and measured recall, JSON-able."""
        return {name: source.index.description for name, source in self._sources.items()}

    def serve(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Recommends items to each row of a request.

        Args:
            **raw: Raw features by key, as in `request`: [batch], or [batch, length] for bags; and
                perhaps `allow`, bags of the only items to recommend, `nominate`, bags of further
                candidates, and bags of `filters`.

        Returns:
            `ids`, the original item ids, [batch, k], best first, and `scores`, the ranker's
            predictions, [batch, k]. If fewer than k items can be recommended, the rest are the
            missing id and score 0.
        """
        history = self._rows(raw[HISTORY])
        excluded = tf.concat([history, self._rows(raw["exclude"])], axis=1)
        allowed = allowed_rows(raw["allow"], self._rows) if "allow" in raw else None
        raw = self._features.with_history(raw, history)

        # Candidate generation.
        queries, best, nominated = {}, {}, {}
        for name, source in self._sources.items():
            queries[name] = source.query(raw)
            best[name], rows = source.search(queries[name], excluded, allowed, raw)
            nominated[name] = rows[:, : self.num_candidates]
        ranking = self._stages.ranking
        if ranking is None:
            [rows], [scores] = nominated.values(), best.values()
            rows, scores = rows[:, : self.k], scores[:, : self.k]
            ids = tf.gather(self._ids, rows + 1)
            return {"ids": ids, "scores": tf.where(rows >= 0, scores, tf.zeros_like(scores))}
        nominated[REQUEST] = history[:, :0]
        if NOMINATE in raw:
            rows, keep = self._rows(raw[NOMINATE]), None
            if self._filters is not None and set(self.filters) <= set(raw):
                keep = self._filters.keep(raw)
            kept = may_be_returned(rows, excluded, allowed, keep)
            nominated[REQUEST] = tf.where(kept, rows, -1)
        rows = union(tf.concat([*nominated.values()], axis=1), self.k)  # [batch, candidates]

        # Ranking.
        wanted, given = ranking.features.spec.raw_candidate, {}
        if any(key in wanted for key in self._features.elsewhere):
            ranks = {name: ranks_among(rows, own) for name, own in nominated.items()}
            scores = {
                name: self._score(name, query, rows, best[name])
                for name, query in queries.items()
                if score_key(name) in wanted
            }
            given = nominations_of_requests(ranks, scores)
        query = self._features.query(raw)
        encoded = self._features.with_candidates(query, raw, rows, given)
        logits = tf.where(rows >= 0, ranking(encoded), -float("inf"))
        logits, at = tf.math.top_k(logits, self.k)
        rows = tf.gather(rows, at, batch_dims=1)
        return {"ids": tf.gather(self._ids, rows + 1), "scores": ranking.predictions(logits)}

    def _score(self, name: str, query: tf.Tensor, rows: tf.Tensor, best: tf.Tensor) -> tf.Tensor:
        """Returns what a source makes of all candidates, whichever nominated them."""
        scores = self._sources[name].scores_of(query, rows)
        scores, best = (tf.cast(values, tf.float32) for values in (scores, best[:, :NOMINATED]))
        return relative_score(scores, best)

    def _rows(self, items: tf.Tensor) -> tf.Tensor:
        first = next(iter(self._stages.sources.values()))
        return first.preprocessor.ids(self._item, {self._item.key: items}) - 1
