"""Outcomes: what became of each test example, of which the figures of a report are drawn."""

import dataclasses

import numpy as np


@dataclasses.dataclass
class Outcomes:
    """Keeps what metrics are means of, one value for each test example.

    Args:
        ranks: Arrays of the 0-based ranks of held-out items among all items, in the order of the
            examples; `MISS` where the item can't be found.
        predictions: Predictions of labels, [examples]; None where nothing is predicted but an
            order.
        labels: What was predicted, [examples].
        num_items: Number of items that are ranked.
    """

    ranks: list[np.ndarray] = dataclasses.field(default_factory=list)
    predictions: np.ndarray | None = None
    labels: np.ndarray | None = None
    num_items: int | None = None
