"""Examples of click prediction: impressions or ratings, and whether each was a positive."""

from typing import Literal

import numpy as np
import pandas as pd

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.coded import coded, mapped
from tfrec_zoo.data.columns import table_columns
from tfrec_zoo.data.entities import event_columns, user_table
from tfrec_zoo.data.examples import Examples
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.sources import Rows


def labelled_examples(
    log: Log,
    label: str | None = None,
    threshold: float | None = None,
    count: Literal["clicked", "shown"] | None = None,
) -> Examples:
    """Examples labelled 1 above a threshold and 0 below it; those equal to it are left out.

    Features are the columns of `log.users`, those of the event itself, such as its time, and as
    candidate those of `log.items`. Groups are users.

    Args:
        log: The log; its impressions are taken if there are any, else its interactions.
        label: The column of the label; by default whether an impression was chosen, or the weight
            of an interaction, such as a rating.
        threshold: By default 0.5 of impressions and 3 of interactions: a rating of 3 says neither.
        count: Which examples count towards the vocabularies of the candidates' ids and columns: all
            that were `"shown"`, or those with the label 1, `"clicked"`. By default the latter for
            impressions (Covington et al. 2016, §4.1), and all for ratings, good or bad.

    Raises:
        ValueError: If there is no such column, it has gaps, an item has no row in `items`, or the
            labels are all alike.

    Example:

    >>> from tfrec_zoo.data import Log
    >>> log = Log("mine", pd.DataFrame({"user_id": list("aab"), "item_id": list("xyx"),
    ...                                 "time": [1.0, 2.0, 1.0], "weight": [5, 3, 1]}))
    >>> examples = labelled_examples(log)
    >>> examples.raw(["item_id"])["item_id"].tolist(), examples.label.tolist()
    (['x', 'x'], [1.0, 0.0])
    """
    r = log.roles
    is_shown = log.impressions is not None
    events = log.impressions if log.impressions is not None else log.interactions
    label = label or (r.label if is_shown else r.weight)
    threshold = (0.5 if is_shown else 3.0) if threshold is None else threshold
    if label not in events or not pd.api.types.is_numeric_dtype(events[label]):
        numeric = list(events.select_dtypes(["number", "bool"]).columns)
        raise ValueError(
            f"`label` must be a column of numbers, one of {numeric}. Received: {label!r}"
        )
    value = events[label].to_numpy(np.float64)
    wrong = np.flatnonzero(~np.isfinite(value))
    if len(wrong):
        raise ValueError(
            f"The label {label!r} must be finite. Received: {value[wrong[:5]].tolist()}, in row "
            f"{', '.join(map(str, wrong[:5]))} of {len(value)}"
        )
    rows = np.flatnonzero(value != threshold)
    if not len(value):
        raise ValueError(f"There must be events to label. Received a log {log.name!r} without")
    if len(np.unique(value[rows] > threshold)) < 2:
        raise ValueError(
            "There must be labels above and below `threshold`. "
            f"Received: threshold={threshold}, {label!r} from {value.min()} to {value.max()}"
        )
    events = events.iloc[rows]
    users, items = (coded(events[key].to_numpy()) for key in (r.user, r.item))
    user = mapped(users, pd.Index(log.users[r.user]).get_indexer)
    # What became of an event is no feature of it.
    outcomes = [r.user, r.item, r.label, r.weight, label, r.page]
    named = event_columns(log, events.drop(columns=outcomes, errors="ignore"))
    catalogue = Catalogue.of(log)
    return Examples(
        (
            Rows(table_columns(user_table(log)), user),
            Rows(table_columns(named), np.arange(len(events))),
        ),
        label=(value[rows] > threshold).astype(np.float32),
        groups=user,
        candidates=catalogue.rows(catalogue.index(items)),
        count=count or ("clicked" if is_shown else "shown"),
    )
