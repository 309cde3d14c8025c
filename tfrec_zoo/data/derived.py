"""Derived features: their names, and how each is worked out, for training and for serving alike.

Training works on the rows of a log, serving on the tensors of a request. Where that takes two
functions they stand side by side, and a test holds them to the same values.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.data.coded import Column, appended
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.past_events import PastEvents
from tfrec_zoo.data.sources import Rows, Windows
from tfrec_zoo.features import MISSING, BagColumn, FeatureSpec

#: The items a user has interacted with, oldest first.
HISTORY = "history"
#: How long ago each was, in the log's unit of time.
HISTORY_AGE = "history_age"
#: From the latest item of the history to the moment, in the log's unit of time.
SINCE_LAST = "since_last"
#: The number of items in the history, at most as many as its longest bag holds.
NUM_BEFORE = "num_before"
#: The latest item of the history.
LAST_WATCHED = "last_watched"
#: Unigrams and bigrams of the latest searches, oldest first.
SEARCH_TOKENS = "search_tokens"
#: The items shown before, chosen or not, oldest first.
RECENT_IMPRESSIONS = "recent_impressions"
#: From the example to the end of the training data; zero when serving.
EXAMPLE_AGE = "example_age"
#: From the upload of the candidate to the moment it is shown.
ITEM_AGE = "item_age"

#: Where on the page an impression was shown, a column of the impressions; fixed when serving.
POSITION = "position"

#: The column of `log.items` that is shown to people.
TITLE = "title"

#: Default bag sizes.
MAX_HISTORY = 50
MAX_IMPRESSIONS = 50
MAX_SEARCHES = 50
#: Default size of the bag of the tokens of so many searches: nineteen of ten words each.
MAX_TOKENS = 1000


def attribute_key(column: str) -> str:
    """The key of a column of `log.items`, looked up for each item of the history.

    >>> attribute_key("channel")
    'history_channel'
    """
    return f"{HISTORY}_{column}"


def attribute_tables(
    columns: Mapping[str, np.ndarray], leave_out: Sequence[str] = (TITLE,)
) -> dict[str, np.ndarray]:
    """What the history says of each item, by `attribute_key`: the univalent columns of text.

    Training looks histories up in these tables with NumPy, serving with `tf.gather`.

    Args:
        columns: Raw features of the items, [items] or, for bags, [items, length].
        leave_out: Columns that are no attributes, such as the ids.

    Returns:
        [1 + items] values: first the missing value, for items that are unknown, then those of item
        0, 1, ...

    Example:

    >>> tables = attribute_tables({"channel": np.array(["news", "chess"], object)})
    >>> tables["history_channel"].tolist()
    ['', 'news', 'chess']
    """
    missing = np.array([MISSING["string"]], object)
    return {
        attribute_key(name): np.append(missing, values)
        for name, values in columns.items()
        if values.dtype == object and values.ndim == 1 and name not in leave_out
    }


def last_before(items: Column, start: np.ndarray, stop: np.ndarray) -> Rows:
    """`last_watched` of examples: the latest item of their histories, or the missing value.

    Args:
        items: [rows] items of a log's interactions, which may be coded.
        start: [examples] first row of each history.
        stop: [examples] row after its last.
    """
    ids = items.categories if isinstance(items, pd.Categorical) else items
    values = appended(items, MISSING["int64" if ids.dtype.kind in "iu" else "string"])
    return Rows({LAST_WATCHED: values}, np.where(stop > start, stop - 1, len(items)))


def last_of(history: tf.Tensor) -> tf.Tensor:
    """`last_watched` of requests: the last value of each history that is not missing.

    Args:
        history: [batch, length] items, text or whole numbers.

    Returns:
        [batch] items, the missing value for an empty history.

    Example:

    >>> last_of(tf.constant([[3, 7, -1], [-1, -1, -1]])).numpy().tolist()
    [7, -1]
    """
    missing = MISSING["string" if history.dtype == tf.string else "int64"]
    missing = tf.cast(tf.constant(missing), history.dtype)
    padded = tf.concat([tf.fill([tf.shape(history)[0], 1], missing), history], axis=1)
    # Column 0, the missing value, is the last one present where there is no other.
    at = tf.reduce_max(tf.where(_is_present(padded), tf.range(tf.shape(padded)[1]), 0), axis=1)
    return tf.gather(padded, at, batch_dims=1)


def _is_present(items: tf.Tensor) -> tf.Tensor:
    """Returns which items are not the missing value."""
    return items != "" if items.dtype == tf.string else items >= 0


def moment_before(
    time: np.ndarray, now: np.ndarray, start: np.ndarray, stop: np.ndarray, longest: int
) -> dict[str, np.ndarray]:
    """`since_last` and `num_before` of examples: how long ago their histories end, and their size.

    Args:
        time: [rows] times of a log's interactions.
        now: [examples] moments.
        start: [examples] first row of each history.
        stop: [examples] row after its last.
        longest: Size of the longest bag of history.

    Returns:
        [examples] numbers by key; `since_last` is NaN for an empty history.

    Example:

    >>> found = moment_before(np.array([10.0, 20.0, 50.0]), np.array([10.0, 50.0]),
    ...                       np.array([0, 0]), np.array([0, 2]), 50)
    >>> found["since_last"].tolist(), found["num_before"].tolist()
    ([nan, 30.0], [0.0, 2.0])
    """
    latest = np.append(time, np.nan)[np.where(stop > start, stop - 1, len(time))]
    number = np.minimum(np.maximum(stop - start, 0), longest)
    return {SINCE_LAST: now - latest, NUM_BEFORE: number.astype(np.float64)}


def moment_of(
    ages: tf.Tensor, history: tf.Tensor | None = None, longest: int = 0
) -> dict[str, tf.Tensor]:
    """`since_last` and `num_before` of requests: the least age, and the number of items.

    Args:
        ages: [batch, length] how long ago each item of the history was; NaN where unknown.
        history: [batch, length] the items, text or whole numbers. The age of one that is missing
            does not count.
        longest: Size of the longest bag of history.

    Returns:
        [batch] numbers by key, of the type of the ages; `since_last` is NaN without any age, and
        `num_before` is there if the items are.

    Example:

    >>> found = moment_of(tf.constant([[30.0, 20.0], [float("nan"), float("nan")]]),
    ...                   tf.constant([[3, 7], [5, -1]]), 50)
    >>> found["since_last"].numpy().tolist(), found["num_before"].numpy().tolist()
    ([20.0, nan], [2.0, 1.0])
    """
    has_age = tf.math.is_finite(ages)
    found = {}
    if history is not None:
        is_present = _is_present(history)
        number = tf.minimum(tf.reduce_sum(tf.cast(is_present, tf.int32), axis=1), longest)
        found[NUM_BEFORE] = tf.cast(number, ages.dtype)
        # Ages beyond the end of the history are none of an item.
        width = tf.shape(ages)[1]
        beyond = tf.maximum(width - tf.shape(history)[1], 0)
        has_age &= tf.pad(is_present, [[0, 0], [0, beyond]])[:, :width]
    never = tf.constant(float("inf"), ages.dtype)
    least = tf.reduce_min(tf.where(has_age, ages, never), axis=1)
    found[SINCE_LAST] = tf.where(least < never, least, tf.constant(float("nan"), ages.dtype))
    return found


def longest_bag(spec: FeatureSpec) -> int:
    """The size of the longest bag that a spec reads of the history or its attributes, or 0.

    >>> from tfrec_zoo.features import VocabularyColumn
    >>> longest_bag(FeatureSpec((BagColumn(VocabularyColumn("history"), 20),)))
    20
    """
    bags = [c for c in spec.categorical if isinstance(c, BagColumn)]
    of_history = [b for b in bags if b.key == HISTORY or b.key.startswith(attribute_key(""))]
    return max((bag.max_length for bag in of_history), default=0)


def item_age(now: Any, upload_time: Any) -> tf.Tensor:
    """`item_age` of examples and of requests: float64, NaN where the upload is unknown.

    Args:
        now: Moments, in the log's unit of time.
        upload_time: When the items were uploaded, of a shape that broadcasts with `now`.

    Example:

    >>> item_age(np.array([10, 12]), np.array([4.0, np.nan])).numpy().tolist()
    [6.0, nan]
    """
    return tf.cast(now, tf.float64) - tf.cast(upload_time, tf.float64)


def search_tokens(query: str) -> list[str]:
    """Unigrams and bigrams of a query (Covington et al. 2016, §3.3).

    >>> search_tokens("Taylor Swift live")
    ['taylor', 'swift', 'live', 'taylor swift', 'swift live']
    """
    words = re.findall(r"\w+", query.lower())
    return words + [f"{a} {b}" for a, b in zip(words, words[1:], strict=False)]


def search_windows(
    log: Log,
    users: pd.Index,
    user: np.ndarray,
    now: np.ndarray,
    max_searches: int,
    last_search: bool = True,
) -> tuple[Windows, ...]:
    """`search_tokens` of examples: those of the last searches before each moment.

    Nothing where the log has no searches.

    Args:
        log: The log.
        users: All user ids.
        user: [examples] positions in `users`.
        now: [examples] moments.
        max_searches: Number of searches whose tokens are in a bag.
        last_search: Whether the latest of them is among them.
    """
    if log.searches is None:
        return ()
    r = log.roles
    tokens = [search_tokens(query) for query in log.searches[r.query]]
    # Where the tokens of each search begin in the table of all.
    first = np.append(0, np.cumsum([len(bag) for bag in tokens], dtype=np.int64))
    start, stop = PastEvents(log.searches, r.user, r.time, users).before(user, now)
    stop = stop if last_search else np.maximum(stop - 1, start)
    start, stop = first[np.maximum(start, stop - max_searches)], first[stop]
    values = {SEARCH_TOKENS: np.array([token for bag in tokens for token in bag], object)}
    return (Windows(values, start, stop, max(int((stop - start).max(initial=0)), 1)),)


def first_position(log: Log) -> int | float | None:
    """The least position of the impressions, which is every candidate's when serving.

    None where the impressions have no positions, or not as numbers.
    """
    if log.impressions is None or POSITION not in log.impressions:
        return None
    positions = log.impressions[POSITION]
    if not pd.api.types.is_numeric_dtype(positions) or positions.isna().all():
        return None
    return positions.min().item()
