"""Examples of who chose what: a user, an item, and the rating or the mere fact of the choice."""

import dataclasses
from typing import Literal

import numpy as np

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.coded import interacted_items
from tfrec_zoo.data.columns import table_columns
from tfrec_zoo.data.derived import HISTORY, HISTORY_AGE, MAX_HISTORY
from tfrec_zoo.data.entities import user_table
from tfrec_zoo.data.examples import Examples
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.sources import Rows, Windows
from tfrec_zoo.data.splits import user_bounds


def interaction_examples(
    log: Log,
    rows: np.ndarray,
    label: Literal["chosen", "weight", "item"] = "chosen",
    known: np.ndarray | None = None,
    max_history: int = MAX_HISTORY,
    before: bool = False,
) -> Examples:
    """Examples of a user and an item, whatever the order of their interactions.

    Query features: the columns of `log.users`, and `history`, items the user has chosen. Candidate
    features: the columns of `log.items`.

    Args:
        log: The log.
        rows: Rows of `log.interactions`, as a split gives them.
        label: Label of the examples: `"chosen"`, 1 (all examples are positives: train with
            `negatives`, see `Examples.dataset`); `"weight"`, the interaction's weight, such as a
            rating; or `"item"`, the item's id, for retrieval models.
        known: Rows of `log.interactions` that are known of each user when predicting, for splits
            that have no order in time: the training rows. They are the history and what the user
            has seen, but for the example itself if it is one of them. None takes the rows before
            each example, which is right for splits by time.
        max_history: Bag size of the history.
        before: Whether only those of the known rows that come before the example are its history,
            and what the user has seen. If the log has times, `history_age` then is a feature, too.

    Raises:
        ValueError: If weights are asked for and missing, an item has no row in `log.items`, a
            column is no feature, or `max_history` is not positive.

    Example:

    >>> import pandas as pd
    >>> from tfrec_zoo.data import Log
    >>> log = Log("mine", pd.DataFrame(
    ...     {"user_id": list("aaa"), "item_id": list("xyz"), "time": [0.0, 0.0, 0.0]}))
    >>> train, test = np.array([0, 2]), np.array([1])
    >>> interaction_examples(log, test, known=train, max_history=2).raw()["history"].tolist()
    [['x', 'z']]
    >>> interaction_examples(log, train, known=train, max_history=2).raw()["history"].tolist()
    [['', 'z'], ['', 'x']]
    >>> last = interaction_examples(log, np.array([2]), known=train, max_history=2, before=True)
    >>> last.raw()["history"].tolist()
    [['', 'x']]
    """
    r = log.roles
    if max_history < 1:
        raise ValueError(f"`max_history` must be positive. Received: {max_history}")
    rows = np.sort(np.asarray(rows, np.int64))
    interactions = log.interactions
    user = log.user_codes[rows]
    items = interacted_items(log)[rows]
    catalogue = Catalogue.of(log)
    index = catalogue.index(items)
    labels = np.ones(len(rows), np.float32)
    if label == "item":
        labels = np.asarray(items)
    elif label == "weight":
        if r.weight not in interactions:
            raise ValueError(
                f"`interactions` must have a column {r.weight!r}, or another one named in `roles`. "
                f"Received columns: {list(interactions.columns)}"
            )
        labels = interactions[r.weight].to_numpy(np.float32)[rows]
    elif label != "chosen":
        raise ValueError(f'`label` must be "chosen", "weight" or "item". Received: {label!r}')
    history = _history(log, rows, known, max_history, before)
    return Examples(
        (history, Rows(table_columns(user_table(log)), user)),
        label=labels,
        groups=user,
        seen=dataclasses.replace(history, length=1),
        candidates=catalogue.rows(index),
    )


def _history(
    log: Log, rows: np.ndarray, known: np.ndarray | None, length: int, before: bool
) -> Windows:
    """The rows of the user before each example, or all known ones but the example itself."""
    items = interacted_items(log)
    first, stop = (bound[rows] for bound in user_bounds(log))
    if known is None:
        return Windows({HISTORY: items}, first, rows, length)
    # The rows of one user are adjacent in the log, and so they are among the known.
    known = np.unique(np.asarray(known, np.int64))
    begin, at = np.searchsorted(known, first), np.searchsorted(known, rows)
    if before:
        history = Windows({HISTORY: items[known]}, begin, at, length)
        if not log.has_times:
            return history
        time = log.interactions[log.roles.time].to_numpy(np.float64)
        return dataclasses.replace(history, ages=HISTORY_AGE, time=time[known], now=time[rows])
    is_known = np.append(known, -1)[at] == rows
    return Windows(
        {HISTORY: items[known]},
        begin,
        np.searchsorted(known, stop),
        length,
        hide=np.where(is_known, at, -1),
    )
