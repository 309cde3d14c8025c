"""A small log of impressions, and what its bags hold."""

from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data import Log

NAN = np.nan
WATCHES = pd.DataFrame(
    {
        "user_id": list("aaab"),
        "item_id": list("pqrq"),
        "time": [10, 20, 30, 15],
        "weight": [5.0, 6.0, 7.0, 8.0],
    }
)
ITEMS = pd.DataFrame(
    {
        "item_id": list("pqrs"),
        "channel": list("kkmm"),
        "tags": [["u"], ["u", "v"], [], ["w"]],
        "length": [60.0, 70, 80, 90],
        "upload_time": [0.0, 5, NAN, 40],
    }
)
# Sorted: a's page 1 at 20 (q, s), page 2 at 20.5 (p, q, r); b's page 3 at 10; c's page 4 at 60.
IMPRESSIONS = pd.DataFrame(
    {
        "user_id": list("baacaa"),
        "item_id": list("qqspqp"),
        "time": [10.0, 20, 20, 60, 20.5, 20.5],
        "clicked": [1, 1, 0, 0, 0, 1],
        "weight": [4.0, 9.0, NAN, 3.0, NAN, 2.5],
        "page_id": ["x", "y", "y", "z", "w", "w"],
        "source": ["home", "home", "related", None, "home", "related"],
        "score": [1, 2, 3, 4, 5, 6],
    }
)
SEARCHES = pd.DataFrame({"user_id": ["a", "a"], "time": [20, 1], "query": ["now", "new york"]})
LOG = Log(
    "tiny",
    WATCHES,
    users=pd.DataFrame({"user_id": list("abc"), "age": [20, 30, 40]}),
    items=ITEMS,
    impressions=IMPRESSIONS,
    searches=SEARCHES,
)


def lists(bags: np.ndarray) -> list[list[Any]]:
    """Bags without what fills them up."""
    return [[v for v in bag if v != "" and v == v] for bag in bags.tolist()]
