"""Title search: items by a part of their title or id."""

import functools
from typing import Any

import numpy as np


class TitleSearch:
    """Finds items for people to pick from.

    Args:
        ids: [items] ids.
        titles: [items] what to show people, or None.

    Example:

    >>> search = TitleSearch(np.array(["v1", "v2"], object), np.array(["Heat", "The Net"], object))
    >>> search.find("he", 10)
    [{'id': 'v1', 'title': 'Heat'}, {'id': 'v2', 'title': 'The Net'}]
    """

    def __init__(self, ids: np.ndarray, titles: np.ndarray | None) -> None:
        self._ids = ids
        self._titles = titles

    @functools.cached_property
    def _texts(self) -> list[str]:
        shown = self._ids if self._titles is None else self._titles
        return [str(text).casefold() for text in shown.tolist()]

    def find(self, text: str, limit: int) -> list[dict[str, Any]]:
        """The items with a text in their title: those that begin with it, then all others.

        Args:
            text: A part of a title, or of an id where there are no titles, or a whole id.
            limit: Number of items at most.
        """
        wanted = text.casefold()
        first: list[int] = []
        others: list[int] = []
        for row, (title, id_) in enumerate(zip(self._texts, self._ids.tolist(), strict=True)):
            if str(id_) == text or title.startswith(wanted):
                first.append(row)
                if len(first) == limit:
                    break
            elif wanted in title and len(others) < limit:
                others.append(row)
        return [self._item(row) for row in [*first, *others][:limit]]

    def _item(self, row: int) -> dict[str, Any]:
        id_ = self._ids[row]
        id_ = id_ if isinstance(id_, str) else int(id_)
        return {"id": id_, "title": str(id_ if self._titles is None else self._titles[row])}
