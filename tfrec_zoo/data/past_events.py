"""Past events: what each user had done before a moment, looked up for many examples at once."""

import numpy as np
import pandas as pd


class PastEvents:
    """The events of one frame of a log, looked up by user and moment.

    Args:
        frame: Events sorted by user, then time.
        user: Column of user ids.
        time: Column of times.
        users: All user ids, in any order.
    """

    def __init__(self, frame: pd.DataFrame, user: str, time: str, users: pd.Index) -> None:
        self.time = frame[time].to_numpy(np.float64)
        codes, distinct = pd.factorize(frame[user])
        position = users.get_indexer(distinct)
        # Rows of one user are adjacent; where each user's begin and end.
        self._start = np.zeros(len(users), np.int64)
        self._stop = np.zeros(len(users), np.int64)
        first = np.flatnonzero(np.diff(codes, prepend=-1))
        self._start[position[codes[first]]] = first
        self._stop[position[codes[first]]] = np.append(first[1:], len(codes))[: len(first)]

    def before(self, user: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows `[start, stop)` of each user's events strictly before a moment.

        Args:
            user: [examples] positions in `users`.
            now: [examples] times.
        """
        start, high = self._start[user], self._stop[user]
        low = start.copy()
        # Binary search of all examples at once; those with a short past are done soon.
        searched = np.flatnonzero(low < high)
        while len(searched):
            middle = (low[searched] + high[searched]) // 2
            is_before = self.time[middle] < now[searched]
            low[searched[is_before]] = middle[is_before] + 1
            high[searched[~is_before]] = middle[~is_before]
            searched = searched[low[searched] < high[searched]]
        return start, low
