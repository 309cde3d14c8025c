"""What a user had done before a moment: histories, search tokens and shown items as windows."""

import re
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data.log import Log, is_list
from tfrec_zoo.data.sources import Rows, Windows
from tfrec_zoo.features import raw_array

MAX_HISTORY = 50
MAX_TOKENS = 50


def search_tokens(query: str) -> list[str]:
    """Unigrams and bigrams of a query (Covington et al. 2016, §3.3).

    >>> search_tokens("Taylor Swift live")
    ['taylor', 'swift', 'live', 'taylor swift', 'swift live']
    """
    words = re.findall(r"\w+", query.lower())
    return words + [f"{a} {b}" for a, b in zip(words, words[1:], strict=False)]


class PastEvents:
    """The events of one frame of a log, looked up by user and moment.

    Args:
        frame: Events sorted by user, then time.
        user: Column of user ids.
        time: Column of times.
        users: All user ids, in any order.
    """

    def __init__(self, frame: pd.DataFrame, user: str, time: str, users: pd.Index) -> None:
        self.time = frame[time].to_numpy(np.float64)
        order = users.get_indexer(frame[user])
        # Rows of one user are adjacent; where each user's begin and end.
        self._start = np.zeros(len(users), np.int64)
        self._stop = np.zeros(len(users), np.int64)
        first = np.flatnonzero(np.diff(order, prepend=-1))
        self._start[order[first]] = first
        self._stop[order[first]] = np.append(first[1:], len(order))[: len(first)]

    def before(self, user: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows `[start, stop)` of each user's events strictly before a moment.

        Args:
            user: [examples] positions in `users`.
            now: [examples] times.
        """
        low, high = self._start[user].copy(), self._stop[user].copy()
        start = low.copy()
        # Binary search of all examples at once.
        while (open_ := low < high).any():
            middle = (low + high) // 2
            earlier = np.zeros(len(low), bool)
            earlier[open_] = self.time[middle[open_]] < now[open_]
            low = np.where(open_ & earlier, middle + 1, low)
            high = np.where(open_ & ~earlier, middle, high)
        return start, low


def last_before(items: np.ndarray, start: np.ndarray, stop: np.ndarray) -> Rows:
    """`last_watched`: the item of row `stop - 1`, or missing where `[start, stop)` is empty."""
    missing = -1 if items.dtype.kind in "iu" else ""
    values = np.append(items, np.array([missing], items.dtype))
    return Rows({"last_watched": values}, np.where(stop > start, stop - 1, len(items)))


def item_attributes(log: Log, items: pd.Series) -> dict[str, np.ndarray]:
    """Attributes of the items of events, by key `history_<attribute>`: the univalent strings."""
    table = log.items.set_index(log.roles.item)
    rows = table.index.get_indexer(items)
    columns = {}
    for name in table.columns:
        values = table[name]
        if is_text(values) and name != "title":
            column = values.fillna("").to_numpy(object)
            columns[f"history_{name}"] = np.where(rows >= 0, column[rows], "")
    return columns


def is_bag(values: pd.Series) -> bool:
    """Whether a column holds a list per row."""
    return values.dtype == object and bool(values.map(is_list).any())


def is_text(values: pd.Series) -> bool:
    """Whether a column holds strings, missing ones allowed."""
    if values.dtype == object:
        return pd.api.types.infer_dtype(values, skipna=True) in ("string", "empty")
    return pd.api.types.is_string_dtype(values)


def table_columns(frame: pd.DataFrame, leave_out: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """The columns of a frame as raw features: strings, int64, float32, and bags of them.

    Raises:
        ValueError: If a column holds something else; the message names it.
    """
    columns: dict[str, np.ndarray] = {}
    for name in frame.columns:
        if name in leave_out:
            continue
        try:
            columns[name] = _raw_feature(frame[name])
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"Column {name!r} must hold strings, numbers, or lists of one of them; convert or "
                f"drop it. Received {frame[name].dtype}: {error}"
            ) from error
    return columns


def _raw_feature(values: pd.Series) -> np.ndarray:
    if is_bag(values):
        flat = [value for bag in values if is_list(bag) for value in bag]
        kinds = {"integer": "int64", "floating": "float32", "mixed-integer-float": "float32"}
        dtype: Any = kinds.get(pd.api.types.infer_dtype(flat, skipna=True), "string")
        return raw_array(values.to_list(), dtype, is_bag=True)
    if is_text(values):
        return values.fillna("").to_numpy(object)
    if pd.api.types.is_integer_dtype(values) and not values.isna().any():
        return values.to_numpy(np.int64)
    if values.dtype != object and not pd.api.types.is_numeric_dtype(values):
        raise TypeError("neither text nor numbers")
    return values.to_numpy(np.float32, na_value=np.nan)


def user_rows(log: Log, user: np.ndarray) -> Rows:
    """The features of the users of examples, by the names of their columns.

    Args:
        log: The log.
        user: [examples] positions in `log.users`.
    """
    return Rows(table_columns(log.users), user)


def search_windows(
    log: Log, users: pd.Index, user: np.ndarray, now: np.ndarray, max_tokens: int
) -> tuple[Windows, ...]:
    """The last `max_tokens` search tokens before each moment, as `search_tokens`; none without."""
    if log.searches is None:
        return ()
    r = log.roles
    tokens = log.searches.assign(search_tokens=log.searches[r.query].map(search_tokens))
    tokens = tokens[[r.user, r.time, "search_tokens"]].explode("search_tokens").dropna()
    events = PastEvents(tokens, r.user, r.time, users)
    start, stop = events.before(user, now)
    values = {"search_tokens": tokens["search_tokens"].to_numpy(object)}
    return (Windows(values, start, stop, max_tokens),)
