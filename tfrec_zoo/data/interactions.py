"""Examples of who chose what: a user, an item, and the rating or the mere fact of the choice."""

from typing import Literal

import numpy as np
import pandas as pd

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.columns import table_columns
from tfrec_zoo.data.derived import HISTORY
from tfrec_zoo.data.examples import Examples
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.sources import Rows, Windows
from tfrec_zoo.data.splits import user_bounds


def interaction_examples(
    log: Log, rows: np.ndarray, label: Literal["chosen", "weight", "item"] = "chosen"
) -> Examples:
    """Examples whose features are the columns of `log.users` and, as candidate, of `log.items`.

    Args:
        log: The log.
        rows: Rows of `log.interactions`, as a split gives them.
        label: What is to be predicted: `"chosen"`, 1 (all examples are positives: train with
            `negatives`, see `Examples.dataset`); `"weight"`, the interaction's weight, such as a
            rating; or `"item"`, the item's id, for retrieval models.

    Raises:
        ValueError: If weights are asked for and missing, or an item has no row in `items`.
    """
    r = log.roles
    rows = np.sort(np.asarray(rows, np.int64))
    interactions = log.interactions
    user = pd.Index(log.users[r.user]).get_indexer(interactions[r.user].to_numpy()[rows])
    items = interactions[r.item].to_numpy()
    catalogue = Catalogue.of(log)
    labels = np.ones(len(rows), np.float32)
    if label == "item":
        labels = items[rows]
    elif label == "weight":
        if r.weight not in interactions or interactions[r.weight].isna().any():
            raise ValueError(f"`interactions` must have a column {r.weight!r} without gaps.")
        labels = interactions[r.weight].to_numpy(np.float32)[rows]
    elif label != "chosen":
        raise ValueError(f'`label` must be "chosen", "weight" or "item". Received: {label!r}')
    first, _ = user_bounds(log)
    return Examples(
        (Rows(table_columns(log.users), user),),
        label=labels,
        groups=user,
        seen=Windows({HISTORY: items}, first[rows], rows, 1),
        candidates=catalogue.rows(catalogue.index(items[rows])),
    )
