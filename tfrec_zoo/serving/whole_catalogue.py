"""Whole catalogue: a ranking model that recommends by scoring every item, in one graph."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.derived import HISTORY
from tfrec_zoo.data.log import Log
from tfrec_zoo.features import MISSING, RawFeature, VocabularyColumn
from tfrec_zoo.models.ranking import RankingModel
from tfrec_zoo.serving.filters import ItemFilters
from tfrec_zoo.serving.index import may_be_returned
from tfrec_zoo.serving.item_features import ItemFeatures, Stages
from tfrec_zoo.serving.items import ItemTable, query_features
from tfrec_zoo.serving.served_model import ALLOW, EXCLUDE, ServedRecommender, with_exclude
from tfrec_zoo.serving.weights import ServedWeights, allowed_rows

logger = logging.getLogger(__name__)

#: Scores that are computed at a time.
_AT_ONCE = 1 << 14
#: Number of items from which on a request takes so long that a funnel is the better choice.
_MANY = 100_000


class ServedCatalogue(ServedRecommender):
    """Serves a ranking model that ranks all items that it knows: no retrieval comes before it.

    The items' features are encoded once, when it is made; what follows from the history, and the
    age of the items, is worked out of each request as by a `Funnel`. Items are scored in blocks,
    so that memory does not grow with the catalogue, and time does: up to some 100,000 items.

    Args:
        model: Trained ranking model.
        k: Number of items to return.
        log: The log whose items are ranked; not needed by a model of ids alone.
        filters: Columns of the log's items by whose values requests may restrict what they get.

    Raises:
        ValueError: If `k` is not positive, or what the model reads of the items isn't known.
    """

    def __init__(
        self,
        model: RankingModel,
        k: int = 100,
        log: Log | None = None,
        filters: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"`k` must be positive. Received: {k!r}")
        self.k = k
        self._model = ServedWeights(model)
        catalogue, table = _known_items(model, log)
        self.num_items = len(catalogue)
        if self.num_items > _MANY:
            logger.warning(
                "Every request scores %d items: above %d or so a funnel is faster",
                self.num_items,
                _MANY,
            )
        self._features = ItemFeatures(Stages({}, model), catalogue, log)
        dtype: Any = "string" if catalogue.ids.dtype.kind == "O" else "int64"
        self.item = RawFeature(catalogue.key, dtype)
        self.request = with_exclude(self._features.request, dtype)
        if log is not None:
            self.items = table
            self.ignored = query_features(log) - set(self.request)
        self._filters = ItemFilters(catalogue, filters) if filters else None
        self.filters = {} if self._filters is None else self._filters.request
        missing = np.array([MISSING[dtype]], catalogue.ids.dtype)
        ids = tf.constant(np.append(missing, catalogue.ids))
        self._ids = tf.Variable(ids, trainable=False, name="ids")
        pairs = tf.lookup.KeyValueTensorInitializer(
            ids[1:], tf.range(self.num_items), ids.dtype, tf.int32
        )
        self._rows = tf.lookup.StaticHashTable(pairs, default_value=-1)

        # A function, because Keras would save the whole of a model.
        def best(raw: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            logits, rows = self._best(model, raw)
            return tf.where(rows >= 0, model.predictions(logits), -float("inf")), rows

        self._answer = best

    def answer(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `ids` and `scores`, [batch, k]: the missing id and -inf where there are fewer."""
        scores, rows = self._answer(raw)
        return {"ids": tf.gather(self._ids, rows + 1), "scores": scores}

    def _best(self, model: RankingModel, raw: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the best logits and their rows, [batch, k]; of equal ones the first wins."""
        excluded, allowed = self._rows.lookup(raw[EXCLUDE]), None
        if ALLOW in raw:
            allowed = allowed_rows(raw[ALLOW], self._rows.lookup)
        keep = None
        if self._filters is not None and set(self.filters) <= set(raw):
            keep = self._filters.keep(raw)
        if HISTORY in raw:
            raw = self._features.with_history(raw, self._rows.lookup(raw[HISTORY]))
        query = self._features.query(raw)
        batch = tf.shape(excluded)[0]
        width = tf.maximum(_AT_ONCE // tf.maximum(batch, 1), 1)

        def with_block(
            left: tf.Tensor, logits: tf.Tensor, rows: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            block = tf.range(left, tf.minimum(left + width, self.num_items))
            block = tf.tile(block[None], [batch, 1])  # [batch, width]
            own = tf.cast(model(self._features.with_candidates(query, raw, block)), tf.float32)
            kept = may_be_returned(block, excluded, allowed, keep)
            block, own = tf.where(kept, block, -1), tf.where(kept, own, -float("inf"))
            logits, at = tf.math.top_k(tf.concat([logits, own], axis=1), self.k)
            rows = tf.gather(tf.concat([rows, block], axis=1), at, batch_dims=1)
            return left + width, logits, rows

        _, logits, rows = tf.while_loop(
            lambda left, logits, rows: left < self.num_items,
            with_block,
            (0, tf.fill([batch, self.k], -float("inf")), tf.fill([batch, self.k], -1)),
            parallel_iterations=1,
        )
        return logits, rows


def _known_items(model: RankingModel, log: Log | None) -> tuple[Catalogue, ItemTable | None]:
    """The items that a model knows, and what an export carries of the items."""
    spec = model.features.spec
    own = set(spec.raw_candidate) - set(spec.raw_query)
    columns = {c.key: c for c in spec.vocabulary_columns if c.key in own}
    if log is not None:
        column = columns.get(log.roles.item)
        vocabulary = None if column is None else model.features.vocabularies[column.space]
        table = ItemTable.of(log, vocabulary)
        every = Catalogue.of(log)
        return every.take(every.index(table.catalogue.ids[: table.known])), table.or_none()
    if len(own) == 1 and own == set(columns):
        [only] = columns.values()
        assert isinstance(only, VocabularyColumn)
        ids = model.features.vocabularies[only.space].array()
        return Catalogue(only.key, {only.key: ids}), None
    raise ValueError(
        f"{type(model).__name__} reads features of the items: give the `log` that has them. "
        f"Received: no log, candidate features {sorted(own)}"
    )
