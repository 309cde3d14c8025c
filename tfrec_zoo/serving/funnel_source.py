"""Funnel source: a retrieval model in a funnel, by the rows of the funnel's catalogue."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.log import Log
from tfrec_zoo.features import Vocabulary
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.serving.filters import ItemFilters
from tfrec_zoo.serving.index import build_index
from tfrec_zoo.serving.user_vectors import user_vectors
from tfrec_zoo.serving.weights import ServedWeights, as_read


class FunnelSource(tf.Module):
    """Finds the best items of a retrieval model, and says what it makes of others.

    Models that were trained on one log, but read it in different forms, know the same items in
    different orders. Each searches in its own, so that equal scores are as in training, and answers
    in rows of the funnel.

    Args:
        name: What the source is called.
        model: Trained retrieval model.
        vocabulary: The items in the order of the funnel.
        log: The log, on whose users an approximate index is measured.
        width: Number of items to find.
        filters: Columns of the items by whose values requests may restrict what they get.
        **kwargs: Arguments of `build_index`.

    Raises:
        ValueError: If the model knows other items.
    """

    def __init__(
        self,
        name: str,
        model: RetrievalModel,
        vocabulary: Vocabulary,
        log: Log,
        width: int,
        filters: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__()
        own = model.features.vocabularies[model.item_column.space]
        self._to_funnel: tf.Variable | None = None
        if own != vocabulary:
            rows = pd.Index(vocabulary.array()).get_indexer(own.array()).astype(np.int32)
            if len(own) != len(vocabulary) or (rows < 0).any():
                raise ValueError(
                    "All sources must know the same items: train them on the same task. "
                    f"Received one with others: {name!r}"
                )
            self._to_funnel = tf.Variable(rows, trainable=False, name="to_funnel")
            back = np.argsort(rows).astype(np.int32)
            self._to_own = tf.Variable(back, trainable=False, name="to_own")
        self.width = width
        self.index = build_index(
            model.candidates(), queries=functools.partial(user_vectors, model, log), k=width,
            **kwargs,
        )  # fmt: skip
        self._weights = ServedWeights(model)
        self._filters: ItemFilters | None = None
        if filters:
            self._filters = ItemFilters(Catalogue.of(log).of_vocabulary(own), filters)

        # A function, because Keras would save the whole of a model.
        def query(raw: Mapping[str, tf.Tensor]) -> tf.Tensor:
            return model(as_read(raw, model.raw_query, model.features.spec))

        #: Returns the query vectors of a request.
        self.query = query

    def search(
        self,
        query: tf.Tensor,
        excluded: tf.Tensor,
        allowed: tf.Tensor | None,
        raw: Mapping[str, tf.Tensor],
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the scores of the best items and their rows in the funnel, [batch, width].

        Args:
            query: What `query` returned.
            excluded: Rows of the funnel, as for `Index.search`.
            allowed: Rows of the funnel, as for `Index.search`.
            raw: The request, which may have bags of the filters.
        """
        keep = None
        if self._filters is not None and set(self._filters.request) <= set(raw):
            keep = self._filters.keep(raw)
        allowed = None if allowed is None else self._own(allowed)
        scores, rows = self.index.search(query, self.width, self._own(excluded), allowed, keep)
        return scores, rows if self._to_funnel is None else _moved(rows, self._to_funnel)

    def scores_of(self, query: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Returns what the model makes of items, [batch, n]; rows below 0 stand for any."""
        return self.index.scores_of(query, tf.maximum(self._own(rows), 0))

    def _own(self, rows: tf.Tensor) -> tf.Tensor:
        return rows if self._to_funnel is None else _moved(rows, self._to_own)


def _moved(rows: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """Rows in another order; those below 0 stay."""
    return tf.where(rows >= 0, tf.gather(table, tf.maximum(rows, 0)), rows)
