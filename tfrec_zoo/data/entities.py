"""Entities: the users and items of a log under the names that their columns have as features.

A feature has one name in all of a model: columns of users and of items that are called alike, or as
a derived feature is, get the name of their table before theirs.
"""

from collections.abc import Collection

import pandas as pd

from tfrec_zoo.data.derived import (
    EXAMPLE_AGE,
    HISTORY,
    HISTORY_AGE,
    ITEM_AGE,
    LAST_WATCHED,
    NUM_BEFORE,
    POSITION,
    RECENT_IMPRESSIONS,
    SEARCH_TOKENS,
    SINCE_LAST,
    attribute_key,
)
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.nominated import NOMINATE, is_nomination_key
from tfrec_zoo.data.roles import UPLOAD_TIME

#: Names of features that are no columns, and of what else a request may hold.
_TAKEN = (
    *(HISTORY, HISTORY_AGE, LAST_WATCHED, SINCE_LAST, NUM_BEFORE, SEARCH_TOKENS),
    *(RECENT_IMPRESSIONS, EXAMPLE_AGE, ITEM_AGE),
    *("exclude", "allow", NOMINATE, "time"),
)


def user_table(log: Log) -> pd.DataFrame:
    """`log.users`, its columns called as features are: `user_history` for a column `history`.

    Args:
        log: The log.
    """
    r = log.roles
    attributes = [attribute_key(column) for column in log.items.columns]
    shown = [name for name in (r.title, UPLOAD_TIME) if name in log.items]
    taken = (*_TAKEN, *_position(log), *attributes, *shown, r.item, r.time)
    return _renamed(log.users, "user", (r.user,), taken)


def item_table(log: Log) -> pd.DataFrame:
    """`log.items`, its columns called as features are: `item_country` where users have one, too.

    Args:
        log: The log.

    Example:

    >>> events = pd.DataFrame({"user_id": ["a"], "item_id": ["x"], "time": [1]})
    >>> log = Log("mine", events, users=pd.DataFrame({"user_id": ["a"], "country": ["DE"]}),
    ...           items=pd.DataFrame({"country": ["FR"], "item_id": ["x"], "history": ["long"]}))
    >>> item_table(log).columns.tolist()
    ['item_country', 'item_id', 'item_history']
    """
    r = log.roles
    kept = (r.item, r.title, UPLOAD_TIME)
    taken = (*_TAKEN, *_position(log), *user_table(log).columns, r.time)
    return _renamed(log.items, "item", kept, taken)


def event_columns(log: Log, frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of events, its columns called as features are: `event_country` for a `country`.

    Args:
        log: The log, whose users and items have their names first.
        frame: The interactions or impressions of the log.
    """
    r = log.roles
    taken = (*user_table(log).columns, *item_table(log).columns)
    return _renamed(frame, "event", (r.user, r.item, r.time), (*_TAKEN, *taken))


def _position(log: Log) -> tuple[str, ...]:
    """The name of the position, where impressions have one."""
    return (POSITION,) if log.impressions is not None and POSITION in log.impressions else ()


def _renamed(
    frame: pd.DataFrame, prefix: str, kept: Collection[str], taken: Collection[str]
) -> pd.DataFrame:
    used = {*taken, *frame.columns}
    names = []
    for column in frame.columns:
        name = column
        if (column in taken or is_nomination_key(str(column))) and column not in kept:
            while name in used:
                name = f"{prefix}_{name}"
            used.add(name)
        names.append(name)
    return frame if names == [*frame.columns] else frame.set_axis(names, axis=1)
