"""Filters: requests name values of an item's attributes that what is recommended must have."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.features import RawFeature
from tfrec_zoo.serving.index import Keep
from tfrec_zoo.serving.requests import is_missing

#: What the keys of filters begin with; the name of the column follows.
FILTER = "filter_"


class ItemFilters(tf.Module):
    """The values of some columns of the items, looked up in requests.

    A request may have, by the key `filter_<column>`, a bag of values: the items it gets have at
    least one of them. An empty bag asks for nothing in particular. Bags of several columns must all
    be satisfied. A value that no item has is a value all the same, which no item has.

    Args:
        catalogue: The items that may be recommended, in order.
        columns: Columns of text or of whole numbers, or of bags of them.

    Raises:
        ValueError: If there is no such column, or it has values of another type.
    """

    def __init__(self, catalogue: Catalogue, columns: Sequence[str]) -> None:
        super().__init__()
        #: The bags of values in requests, by key.
        self.request: dict[str, RawFeature] = {}
        self._tables: dict[str, tf.lookup.StaticHashTable] = {}
        self._codes: dict[str, tf.Variable] = {}
        self._depths: dict[str, int] = {}
        for column in dict.fromkeys(columns):
            values = catalogue.columns.get(column)
            if values is None or values.dtype.kind not in "Oi":
                raise ValueError(
                    "`filters` must name columns of the items, of text or whole numbers. "
                    f"Received: {column!r}, of {sorted(catalogue.columns)}"
                )
            codes, distinct = pd.factorize(values.ravel())
            # Code 0 is that of missing values, which have no place among the others.
            place = np.where(is_missing(distinct), 0, np.cumsum(~is_missing(distinct)))
            codes = place[codes].reshape(len(values), -1).astype(np.int32)
            known = distinct[place > 0]
            key = FILTER + column
            dtype: Any = "string" if values.dtype.kind == "O" else "int64"
            self.request[key] = RawFeature(key, dtype, is_bag=True)
            self._codes[key] = tf.Variable(codes, trainable=False, name="filter")
            self._depths[key] = len(known) + 1
            pairs = tf.lookup.KeyValueTensorInitializer(
                tf.constant(known.tolist(), dtype), tf.range(1, len(known) + 1), dtype, tf.int32
            )
            self._tables[key] = tf.lookup.StaticHashTable(pairs, default_value=-1)

    def keep(self, raw: Mapping[str, tf.Tensor]) -> Keep:
        """What a request keeps.

        Args:
            raw: The bags of values by key, [batch, length], padded with the missing value.
        """
        wanted = []
        for key, table in self._tables.items():
            bag = raw[key]
            is_given = bag != "" if bag.dtype == tf.string else bag >= 0
            codes = tf.where(is_given, table.lookup(bag), -1)
            # [batch, length, codes]: −1 is nowhere.
            named = tf.reduce_any(tf.one_hot(codes, self._depths[key], True, False, dtype=bool), 1)
            wanted.append(named | ~tf.reduce_any(is_given, axis=1, keepdims=True))
        return Keep(list(self._codes.values()), wanted)
