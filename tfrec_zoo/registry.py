"""The registry: every architecture by name. A new model joins by one line here."""

import dataclasses
import importlib
from typing import Any


@dataclasses.dataclass(frozen=True)
class Entry:
    """One architecture of the zoo.

    Args:
        name: Name of the class.
        family: `"retrieval"` (a query vector against all items) or `"ranking"` (a logit per
            impression).
        paper: Where it was published.
        module: Where its class is.
    """

    name: str
    family: str
    paper: str
    module: str

    def load(self) -> Any:
        """Imports and returns the class."""
        return getattr(importlib.import_module(f"tfrec_zoo.models.{self.module}"), self.name)


_YOUTUBE = (
    "Covington, Adams & Sargin: Deep Neural Networks for YouTube Recommendations, RecSys 2016"
)

MODELS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "Popularity",
            "retrieval",
            "Baseline: most interactions, all-time or recent",
            "popularity",
        ),  # fmt: skip
        Entry("YouTubeRetrieval", "retrieval", _YOUTUBE, "youtube_retrieval"),
        Entry("YouTubeRanking", "ranking", _YOUTUBE, "youtube_ranking"),
    )
}


def get(name: str) -> Entry:
    """Returns the entry of a name.

    Raises:
        KeyError: If there is none; names the ones there are.
    """
    if name not in MODELS:
        raise KeyError(f"There is no model of that name, only {sorted(MODELS)}. Received: {name!r}")
    return MODELS[name]
