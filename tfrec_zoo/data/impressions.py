"""Examples for ranking: what was shown to whom, and what it was worth to them.

Covington et al. (2016), §4.1: features of the query (computed once per request) and of the
impression, among them the user's past with related items, and past impressions.
"""

import logging
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.coded import coded, interacted_items, mapped
from tfrec_zoo.data.columns import table_columns
from tfrec_zoo.data.derived import (
    EXAMPLE_AGE,
    HISTORY,
    HISTORY_AGE,
    ITEM_AGE,
    MAX_HISTORY,
    MAX_IMPRESSIONS,
    MAX_SEARCHES,
    POSITION,
    RECENT_IMPRESSIONS,
    item_age,
    last_before,
    moment_before,
    search_windows,
)
from tfrec_zoo.data.entities import user_table
from tfrec_zoo.data.examples import Examples
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.nominated import first_of_each
from tfrec_zoo.data.past_events import PastEvents
from tfrec_zoo.data.roles import UPLOAD_TIME
from tfrec_zoo.data.sources import Rows, Windows
from tfrec_zoo.data.splits import user_bounds

logger = logging.getLogger(__name__)


def impression_examples(
    log: Log,
    rows: np.ndarray | None = None,
    context: Sequence[str] = (),
    max_history: int = MAX_HISTORY,
    max_impressions: int = MAX_IMPRESSIONS,
    max_searches: int = MAX_SEARCHES,
    count: Literal["clicked", "shown"] = "clicked",
) -> Examples:
    """Examples that predict what an impression was worth, from what came strictly before it.

    Query features: `history`, `history_age`, `history_<attribute>`, `last_watched`, `since_last`,
    `num_before`, `search_tokens`, `example_age` (zero), `recent_impressions` (items shown before,
    watched or not: the paper's churn) and the columns of `log.users`. Candidate features: the
    item's id and its columns in `log.items`, `item_age` (time since its column `upload_time`, if it
    has one), the impression's `position`, if it has one, and `context`.

    Args:
        log: A log with impressions.
        rows: Rows of `log.impressions`; None for all.
        context: Columns of the impressions to use as candidate features, such as the candidate's
            source and score. (Not what is unknown when ranking, other than the position.)
        max_history: Bag size of the history.
        max_impressions: Bag size of the recent impressions.
        max_searches: Number of searches whose tokens are in the bag of search tokens.
        count: Which impressions count towards the vocabularies of the candidates' ids and columns.
            By default those that were chosen, as in the paper (§4.1): a value that never was is
            unknown, however often it was shown.

    Returns:
        Examples labelled with the impression's weight (such as watch time) if it was chosen and 0
        if not; grouped by page, or by user where there are no pages.

    Raises:
        ValueError: If the log has no impressions or no times, an item shown has no row in
            `log.items`, or a column is no feature.

    Example:

    >>> from tfrec_zoo.data import Log
    >>> shown = pd.DataFrame(
    ...     {"user_id": "a", "item_id": ["x", "y"], "time": [3.0, 3.0], "clicked": [0, 1]})
    >>> watches = pd.DataFrame({"user_id": ["a"], "item_id": ["x"], "time": [1.0]})
    >>> examples = impression_examples(Log("mine", watches, impressions=shown), max_history=2)
    >>> examples.label.tolist(), examples.raw()["history"].tolist()
    ([0.0, 1.0], [['', 'x'], ['', 'x']])
    """
    r = log.roles
    if log.impressions is None:
        raise ValueError(
            "Ranking needs impressions: give the log a frame of what was shown, or make one with "
            f"`sampled_impressions`. Received a log {log.name!r} without."
        )
    log.require_times("ranking by what came before")
    rows = np.arange(len(log.impressions)) if rows is None else np.asarray(rows, np.int64)
    shown = log.impressions
    now = shown[r.time].to_numpy(np.float64)[rows]
    users = pd.Index(log.users[r.user])
    user = mapped(coded(shown[r.user].to_numpy()), users.get_indexer)[rows]
    watches = log.interactions
    time = watches[r.time].to_numpy(np.float64)
    items = interacted_items(log)
    start, stop = PastEvents(watches, r.user, r.time, users).before(user, now)
    shown_start, shown_stop = PastEvents(shown, r.user, r.time, users).before(user, now)
    shown_items = coded(shown[r.item].to_numpy())
    catalogue = Catalogue.of(log)
    index = catalogue.index(shown_items[rows])
    history = Windows(
        {HISTORY: items, **catalogue.attributes_of(items)},
        start,
        stop,
        max_history,
        ages=HISTORY_AGE,
        time=time,
        now=now,
    )
    sources: list[Rows | Windows] = [
        history,
        last_before(items, start, stop),
        Rows(moment_before(time, now, start, stop, max_history), np.arange(len(rows))),
        *search_windows(log, users, user, now, max_searches),
        Windows({RECENT_IMPRESSIONS: shown_items}, shown_start, shown_stop, max_impressions),
        Rows(table_columns(user_table(log)), user),
        catalogue.rows(index, leave_out=(UPLOAD_TIME,)),
    ]
    if catalogue.upload_time is not None:
        age = item_age(now, catalogue.upload_time[index]).numpy()
        sources.append(Rows({ITEM_AGE: age}, np.arange(len(rows))))
    # An impression is a request being served.
    sources.append(Rows({EXAMPLE_AGE: np.zeros(1)}, np.zeros(len(rows), np.int64)))
    context = [*context, *([POSITION] if POSITION in shown and POSITION not in context else ())]
    if context:
        sources.append(Rows(table_columns(shown[context]), rows))
    chosen = shown[r.label].to_numpy(np.float32)[rows]
    label = chosen
    if r.weight in shown:
        worth = shown[r.weight].to_numpy(np.float32, na_value=np.nan)[rows]
        # What was not chosen is worth nothing, and often has no weight.
        label = np.where(chosen > 0, chosen * worth, 0)
    group = shown[r.page if r.page in shown else r.user].to_numpy()[rows]
    return Examples(
        tuple(sources),
        label=label.astype(np.float32),
        groups=pd.factorize(group)[0],
        seen=Windows({HISTORY: items}, start, stop, 1),
        count=count,
    )


def sampled_impressions(
    log: Log,
    negatives: int = 4,
    seed: int = 0,
    nominated: np.ndarray | None = None,
    rows: np.ndarray | None = None,
) -> pd.DataFrame:
    """Makes impressions for a log that has none: each interaction beside items not chosen.

    A page is one interaction and `negatives` items that the user had not interacted with until
    then, drawn in proportion to popularity or from what was nominated at that moment. What it can
    teach is what a user picks, not what they would click where; say so where you report it. A page
    for which there are no such items, because its user has chosen everything, is left out; a
    warning counts them.

    Args:
        log: The log.
        negatives: Items not chosen per interaction.
        seed: Seed of the drawing.
        nominated: [rows, n] items to draw from, such as the best of retrieval models: what a
            ranker will have to rank. Each is drawn once at most, and what several models nominate
            is no likelier than the rest. Interactions that weren't
            nominated themselves are left out: they would teach that a bad nomination is a good
            sign. None draws from the whole catalogue.
        rows: Rows of `log.interactions` to make pages of, ascending; None for all.

    Returns:
        A frame of impressions: user, item, time, label, page (the row of the interaction), and the
        weight if the interactions have one.

    Raises:
        ValueError: If `negatives` is not positive, the log has no times, or no page is left.

    Example:

    >>> from tfrec_zoo.data import Log
    >>> log = Log("mine", pd.DataFrame(
    ...     {"user_id": ["a", "b"], "item_id": ["x", "y"], "time": [1.0, 2.0]}))
    >>> sampled_impressions(log, negatives=1)[["user_id", "item_id", "clicked"]].values.tolist()
    [['a', 'x', 1], ['a', 'y', 0], ['b', 'y', 1], ['b', 'x', 0]]
    """
    if negatives < 1:
        raise ValueError(f"`negatives` must be positive. Received: {negatives}")
    r = log.roles
    watches = log.interactions
    log.require_times("sampling impressions from what users had not chosen until then")
    rng = np.random.default_rng(seed)
    rows = np.arange(len(watches)) if rows is None else np.asarray(rows, np.int64)
    user = user_bounds(log)[0]
    codes, items = pd.factorize(watches[r.item])
    own, first = np.unique(user * len(items) + codes, return_index=True)

    def is_taken(draws: np.ndarray) -> np.ndarray:
        """Which [rows, n] draws their users had chosen until then, or nobody knows."""
        key = user[rows, None] * len(items) + draws
        at = np.minimum(np.searchsorted(own, key), len(own) - 1)
        return (own[at] == key) & (first[at] <= rows[:, None]) | (draws < 0)

    if nominated is None:
        # A random interaction's item is one drawn by popularity.
        draws = codes[rng.integers(len(codes), size=(len(rows), negatives))]
        for _ in range(20):
            taken = is_taken(draws)
            if not taken.any():
                break
            draws[taken] = codes[rng.integers(len(codes), size=taken.sum())]
        is_drawn = ~taken
        is_page = np.ones(len(rows), bool)
    else:
        draws = pd.Index(items).get_indexer(nominated.ravel()).reshape(nominated.shape)
        draws = first_of_each(draws)
        is_page = (draws == codes[rows, None]).any(axis=1)
        draws = rng.permuted(draws, axis=1)
        is_drawn = ~is_taken(draws)
        is_drawn &= is_drawn.cumsum(axis=1) <= negatives
    is_alone = is_page & ~is_drawn.any(axis=1)
    is_page &= ~is_alone
    if is_alone.any():
        logger.warning(
            "%d of %d interactions are left out of the sampled impressions: their users have "
            "chosen everything that there is to show beside them",
            is_alone.sum(),
            len(rows),
        )
    if not is_page.any():
        raise ValueError(
            "There must be items that a user has not chosen, to be shown beside those that were. "
            f"Received: no such page for {len(rows)} interactions and {len(items)} items"
        )
    keep = np.concatenate([np.ones((len(rows), 1), bool), is_drawn], axis=1) & is_page[:, None]
    row = np.repeat(rows, keep.sum(axis=1))
    shown = np.concatenate([codes[rows, None], draws], axis=1)[keep]
    chosen = np.zeros(keep.shape, np.int64)
    chosen[:, 0] = 1
    frame = watches[[r.user, r.time]].iloc[row].reset_index(drop=True)
    frame[r.item] = np.asarray(items)[shown]
    frame[r.label] = chosen[keep]
    frame[r.page] = row
    if r.weight in watches:
        frame[r.weight] = watches[r.weight].to_numpy()[row] * frame[r.label]
    return frame
