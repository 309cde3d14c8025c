"""Catalogue: the items of a log and their features, for examples, retrieval and serving alike."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.data.coded import Column, coded, mapped
from tfrec_zoo.data.columns import table_columns
from tfrec_zoo.data.derived import attribute_tables
from tfrec_zoo.data.entities import item_table
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.roles import UPLOAD_TIME, Roles
from tfrec_zoo.data.sources import Rows
from tfrec_zoo.features import Encoded, Preprocessor, Vocabulary, request_arrays


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """The features of items, a row each, in the order of `log.items`.

    Args:
        key: The column of the ids.
        columns: [items] raw features by key, the ids among them; bags are [items, length].
        title: The column that is shown to people, if it is one.
        upload_time: [items] when each was uploaded, NaN where unknown; None if the log doesn't say.

    Example:

    >>> from tfrec_zoo.data import Log
    >>> log = Log("mine", pd.DataFrame({"user_id": ["a"], "item_id": ["y"], "time": [1.0]}),
    ...           items=pd.DataFrame({"item_id": ["x", "y"], "price": [3.0, 9.5]}))
    >>> catalogue = Catalogue.of(log)
    >>> catalogue.index(["y", "x", "y"]).tolist()
    [1, 0, 1]
    >>> catalogue.rows(np.array([1])).used({"price"})
    {'price': array([9.5])}
    """

    key: str
    columns: Mapping[str, np.ndarray]
    upload_time: np.ndarray | None = None
    title: str = Roles.title

    @classmethod
    def of(cls, log: Log) -> "Catalogue":
        """The catalogue of a log.

        Raises:
            ValueError: If a column of `log.items` is no feature; the message names it.
        """
        upload_time = None
        columns = table_columns(item_table(log))
        if UPLOAD_TIME in log.items:
            upload_time = log.items[UPLOAD_TIME].to_numpy(np.float64, na_value=np.nan)
        return cls(log.roles.item, columns, upload_time, log.roles.title)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ids(self) -> np.ndarray:
        """[items] the ids, text or whole numbers."""
        return self.columns[self.key]

    @property
    def titles(self) -> np.ndarray | None:
        """[items] what to show people, or None if the log doesn't say."""
        return self.columns.get(self.title)

    @functools.cached_property
    def _rows_by_id(self) -> pd.Index:
        return pd.Index(self.ids)

    def find(self, items: Any) -> np.ndarray:
        """The rows of item ids, which may be coded; -1 for those that are unknown."""
        return mapped(items, self._rows_by_id.get_indexer)

    def index(self, items: Any) -> np.ndarray:
        """The rows of item ids.

        Args:
            items: [n] item ids, which may be coded.

        Raises:
            ValueError: If an item is unknown; the message names it.
        """
        index = self.find(items)
        if (index < 0).any():
            unknown = np.asarray(items)[index < 0]
            raise ValueError(
                "Every item must have a row in `items`. "
                f"Received: {unknown.tolist()[0]!r}, one of {len(pd.unique(unknown))} without"
            )
        return index

    def rows(self, index: np.ndarray, leave_out: Sequence[str] = ()) -> Rows:
        """The features of items as a source of examples.

        Args:
            index: [examples] rows of the catalogue, as `index` gives them.
            leave_out: Columns that are not wanted.
        """
        columns = {key: column for key, column in self.columns.items() if key not in leave_out}
        return Rows(columns, index)

    @property
    def attribute_tables(self) -> dict[str, np.ndarray]:
        """[1 + items] what histories say of each item, by key; see `derived.attribute_tables`."""
        return attribute_tables(self.columns, (self.key, self.title))

    def attributes_of(self, items: Any) -> dict[str, Column]:
        """[n] what histories say of [n] item ids, by key, coded; of unknown ones nothing."""
        at = 1 + self.find(items)
        return {key: coded(table)[at] for key, table in self.attribute_tables.items()}

    def of_vocabulary(self, vocabulary: Vocabulary) -> "Catalogue":
        """The items of a vocabulary alone, in its order: row 0 is of id 1.

        Raises:
            ValueError: If an item of the vocabulary is unknown.
        """
        return self.take(self.index(vocabulary.array()))

    def take(self, index: np.ndarray) -> "Catalogue":
        """The items at the given rows, in their order."""
        return Catalogue(
            self.key,
            {key: column[index] for key, column in self.columns.items()},
            None if self.upload_time is None else self.upload_time[index],
            self.title,
        )

    def encoded(self, preprocessor: Preprocessor, leave_out: Sequence[str] = ()) -> Encoded:
        """The candidate features of a spec, encoded, one row per item.

        Args:
            preprocessor: Preprocessor of the model that reads the features.
            leave_out: Candidate features that come from elsewhere.

        Returns:
            `{"ids": {column name: [items]}, "values": {key: [items]}}`; bags are [items, length].

        Raises:
            ValueError: If the spec has a candidate feature that is no column of the catalogue.
        """
        raw = {
            key: feature
            for key, feature in preprocessor.features.spec.raw_candidate.items()
            if feature.serving is None and key not in leave_out
        }
        unknown = sorted(set(raw) - set(self.columns))
        if unknown:
            derived = f", or derived ({', '.join(leave_out)})" if leave_out else ""
            raise ValueError(
                f"Candidate features must be columns of `log.items`{derived}. "
                f"Received others: {unknown}"
            )
        if not raw:
            return {"ids": {}, "values": {}}
        arrays = request_arrays(raw, {key: self.columns[key] for key in raw})
        return preprocessor({key: tf.constant(value) for key, value in arrays.items()})
