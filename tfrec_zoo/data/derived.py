"""Derived features: what is worked out from a user's past and from the items in it."""

import re

import numpy as np
import pandas as pd

from tfrec_zoo.data.columns import is_text
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.past_events import PastEvents
from tfrec_zoo.data.sources import Rows, Windows

MAX_HISTORY = 50
MAX_TOKENS = 50


def search_tokens(query: str) -> list[str]:
    """Unigrams and bigrams of a query (Covington et al. 2016, §3.3).

    >>> search_tokens("Taylor Swift live")
    ['taylor', 'swift', 'live', 'taylor swift', 'swift live']
    """
    words = re.findall(r"\w+", query.lower())
    return words + [f"{a} {b}" for a, b in zip(words, words[1:], strict=False)]


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
