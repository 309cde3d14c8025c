"""Examples for retrieval: predict the next watch from what came before it.

Covington et al. (2016), §3.4 and figure 5b: a user's history is rolled back to before a watch, and
only what the user had done until then is fed.
"""

import numpy as np
import pandas as pd

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.coded import interacted_items
from tfrec_zoo.data.columns import table_columns
from tfrec_zoo.data.derived import (
    EXAMPLE_AGE,
    HISTORY,
    HISTORY_AGE,
    MAX_HISTORY,
    MAX_SEARCHES,
    last_before,
    moment_before,
    search_windows,
)
from tfrec_zoo.data.entities import user_table
from tfrec_zoo.data.examples import Examples
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.sources import Rows, Windows
from tfrec_zoo.data.splits import user_bounds


def next_watch_examples(
    log: Log,
    rows: np.ndarray,
    max_history: int = MAX_HISTORY,
    max_searches: int = MAX_SEARCHES,
    examples_per_user: int | None = None,
    serving: bool = False,
    seed: int = 0,
    last_search: bool = True,
    end: float | None = None,
) -> Examples:
    """Examples that predict a watch from the user's past alone.

    Query features: `history` (items watched before, oldest first), `history_age` (seconds since
    each), `history_<attribute>` for the items' univalent attributes, `last_watched`, `since_last`
    (seconds since that), `num_before` (number of items before, at most `max_history`),
    `search_tokens` (unigrams and bigrams of the latest searches), `example_age` (t_max − t in the
    log's unit of time), and the columns of `log.users`. Candidate features: the columns of
    `log.items`.

    The label is the item watched: what retrieval models are trained on. Ranking models are trained
    with negatives; see `Examples.dataset`.

    Args:
        log: The log.
        rows: Rows of `log.interactions` to predict, as a split gives them. All rows before one of
            them, of the same user, are its history.
        max_history: Bag size of the history.
        max_searches: Number of searches whose tokens are in the bag of search tokens.
        examples_per_user: Keep this many examples of each user, drawn at random. Users with fewer
            keep all, each weighing more: every user has the same weight in the loss, as in the
            paper. None keeps every watch with weight one.
        serving: Set `example_age` to zero, as when the model answers requests "at the very end of
            the training window". For validation and test.
        seed: Seed of the drawing.
        last_search: Whether the tokens of the latest search are fed. In the paper they are
            withheld (§3.4): what was searched for last mostly says what is watched next, and a
            recommender that learns this repeats the page of search results.
        end: Moment that `example_age` counts to; by default the latest of the rows.

    Raises:
        ValueError: If the log has no times, `max_history` or `examples_per_user` is not positive,
            an item to predict has no row in `log.items`, or a column is no feature.

    Example:

    >>> from tfrec_zoo.data import Log
    >>> log = Log("mine", pd.DataFrame(
    ...     {"user_id": list("aaa"), "item_id": list("xyz"), "time": [1.0, 2.0, 4.0]}))
    >>> examples = next_watch_examples(log, np.array([1, 2]), max_history=2)
    >>> examples.label.tolist(), examples.raw()["history"].tolist()
    (['y', 'z'], [['', 'x'], ['x', 'y']])
    """
    rows = np.sort(np.asarray(rows, np.int64))
    first, _ = user_bounds(log)
    return _examples(log, rows, first[rows], rows, None, max_history, max_searches,
                     examples_per_user, serving, seed, last_search, end)  # fmt: skip


def held_out_watch_examples(
    log: Log,
    rows: np.ndarray,
    max_history: int = MAX_HISTORY,
    max_searches: int = MAX_SEARCHES,
    examples_per_user: int | None = None,
    seed: int = 0,
    last_search: bool = True,
    end: float | None = None,
) -> Examples:
    """Examples that predict a random held-out watch from the others: leaks the future.

    Figure 5a of the paper, to compare with: the history holds what the user watched before and
    after it, up to the user's last one among `rows`; `last_watched`, `since_last`,
    `num_before` and `seen` are of before it.

    Args:
        log: The log.
        rows: Rows of `log.interactions` to predict, as a split gives them.
        max_history: Bag size of the history.
        max_searches: Number of searches whose tokens are in the bag of search tokens.
        examples_per_user: As for `next_watch_examples`.
        seed: Seed of the drawing.
        last_search: As for `next_watch_examples`.
        end: As for `next_watch_examples`.

    Raises:
        ValueError: As `next_watch_examples`.

    Example:

    >>> from tfrec_zoo.data import Log
    >>> log = Log("mine", pd.DataFrame(
    ...     {"user_id": list("aaa"), "item_id": list("xyz"), "time": [1.0, 2.0, 4.0]}))
    >>> held_out_watch_examples(log, np.arange(3), max_history=2).raw()["history"].tolist()
    [['', 'y'], ['x', 'z'], ['x', 'y']]
    """
    rows = np.sort(np.asarray(rows, np.int64))
    first, _ = user_bounds(log)
    start = first[rows]
    # The last of the given rows of the same user.
    is_last = np.append(start[1:] != start[:-1], True)[: len(rows)]
    stop = rows[is_last][np.cumsum(is_last) - is_last] + 1
    # Around the watch, so that a longer history than the bag still has both sides of it.
    stop = np.minimum(stop, rows + max_history // 2 + 1)
    return _examples(log, rows, start, stop, rows, max_history, max_searches,
                     examples_per_user, False, seed, last_search, end)  # fmt: skip


def _examples(
    log: Log,
    rows: np.ndarray,
    start: np.ndarray,
    stop: np.ndarray,
    hide: np.ndarray | None,
    max_history: int,
    max_searches: int,
    examples_per_user: int | None,
    serving: bool,
    seed: int,
    last_search: bool,
    end: float | None,
) -> Examples:
    r = log.roles
    log.require_times("what comes next")
    if max_history < 1 or (examples_per_user is not None and examples_per_user < 1):
        raise ValueError(
            "`max_history` and `examples_per_user` must be positive. "
            f"Received: {max_history}, {examples_per_user}"
        )
    watches = log.interactions
    time = watches[r.time].to_numpy(np.float64)
    if end is None:
        end = time[rows].max() if len(rows) else 0.0
    weight = None
    if examples_per_user is not None:
        kept, weight = _fixed_number_per_user(start, examples_per_user, seed)
        rows, start, stop = rows[kept], start[kept], stop[kept]
        hide = None if hide is None else hide[kept]
    now = time[rows]
    user = log.user_codes[rows]
    items = interacted_items(log)
    catalogue = Catalogue.of(log)
    history = Windows(
        {HISTORY: items, **catalogue.attributes_of(items)},
        start,
        stop,
        max_history,
        hide=hide,
        ages=HISTORY_AGE,
        time=time,
        now=now,
    )
    example_age = np.zeros(len(rows)) if serving else end - now
    sources: tuple[Rows | Windows, ...] = (
        history,
        last_before(items, start, rows),
        *search_windows(log, pd.Index(log.users[r.user]), user, now, max_searches, last_search),
        Rows(table_columns(user_table(log)), user),
        Rows(
            {EXAMPLE_AGE: example_age, **moment_before(time, now, start, rows, max_history)},
            np.arange(len(rows)),
        ),
    )
    return Examples(
        sources,
        label=np.asarray(items[rows]),
        weight=weight,
        groups=user,
        seen=Windows({HISTORY: items}, start, rows, 1),
        candidates=catalogue.rows(catalogue.index(items[rows])),
    )


def _fixed_number_per_user(
    user: np.ndarray, number: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which examples to keep, and weights that give every user the same total weight."""
    order = np.lexsort([np.random.default_rng(seed).random(len(user)), user])
    is_first = np.append(True, user[order][1:] != user[order][:-1])
    begin = np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
    kept = np.sort(order[np.arange(len(order)) - begin < number])
    _, inverse, counts = np.unique(user[kept], return_inverse=True, return_counts=True)
    return kept, (number / counts[inverse]).astype(np.float32)
