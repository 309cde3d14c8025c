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
        order = users.get_indexer(frame[user])
        # Rows of one user are adjacent; where each user's begin and end.
        self._start = np.zeros(len(users), np.int64)
        self._stop = np.zeros(len(users), np.int64)
        first = np.flatnonzero(np.diff(order, prepend=-1))
        self._start[order[first]] = first
        self._stop[order[first]] = np.append(first[1:], len(order))[: len(first)]

    def before(self, user: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows `[start, stop)` of each user's events strictly before a moment.

        Args:
            user: [examples] positions in `users`.
            now: [examples] times.
        """
        low, high = self._start[user].copy(), self._stop[user].copy()
        start = low.copy()
        # Binary search of all examples at once.
        while (open_ := low < high).any():
            middle = (low + high) // 2
            earlier = np.zeros(len(low), bool)
            earlier[open_] = self.time[middle[open_]] < now[open_]
            low = np.where(open_ & earlier, middle + 1, low)
            high = np.where(open_ & ~earlier, middle, high)
        return start, low
