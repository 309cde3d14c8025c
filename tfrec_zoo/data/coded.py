"""Coded columns: each distinct value is kept once, beside which of them every row has.

A log repeats its users and items many times. What is worked out of a value (its id in a vocabulary,
its attributes, a tensor of text) is worked out once per distinct value, and rows take it by number.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from tfrec_zoo.data.log import Log
from tfrec_zoo.features.request import distinct_values

#: Values of the rows of a table. A coded one is categorical, none of its codes missing.
Column: TypeAlias = np.ndarray | pd.Categorical


def coded(values: np.ndarray) -> pd.Categorical:
    """Codes a column of strings or whole numbers, none of them None or NaN.

    Example:

    >>> column = coded(np.array(["b", "a", "b"], object))
    >>> column.codes.tolist(), column.categories.tolist()
    ([0, 1, 0], ['b', 'a'])
    """
    return _coded(*distinct_values(values, "string" if values.dtype.kind in "OSU" else "int64"))


def interacted_items(log: Log) -> pd.Categorical:
    """The items of a log's interactions, [interactions], coded by their rows of `log.items`.

    Items that have no row there come after those that have.
    """
    ids, codes = log.items[log.roles.item].to_numpy(), log.item_codes
    is_unknown = codes < 0
    if is_unknown.any():
        unknown = log.interactions[log.roles.item].to_numpy()[is_unknown]
        more, distinct = pd.factorize(unknown)
        codes = codes.copy()
        codes[is_unknown] = len(ids) + more
        ids = np.append(ids, distinct)
    return _coded(codes, ids)


def mapped(column: Column, function: Callable[[np.ndarray], Any]) -> Any:
    """Applies a function to every value of a column, or to every distinct one if it is coded.

    Args:
        column: A column, [rows, …].
        function: From values, [n, …], to an array, [n, …].
    """
    if not isinstance(column, pd.Categorical):
        return function(column)
    return function(distinct_of(column))[column.codes]


def appended(column: Column, value: Any) -> Column:
    """A column with one more row.

    Args:
        column: A column, [rows].
        value: The value of that row, which no other row has.
    """
    if not isinstance(column, pd.Categorical):
        return np.append(column, np.array([value], column.dtype))
    distinct = appended(distinct_of(column), value)
    return _coded(np.append(column.codes, len(distinct) - 1), distinct)


def distinct_of(column: pd.Categorical) -> np.ndarray:
    """The distinct values of a coded column, in the order of their codes."""
    return column.categories.to_numpy()


def _coded(codes: np.ndarray, distinct: np.ndarray) -> pd.Categorical:
    # By default pandas would turn strings into a type of its own, and each back when it is read.
    return pd.Categorical.from_codes(codes, pd.Index(distinct, dtype=distinct.dtype))
