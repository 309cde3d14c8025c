"""What users have seen before each example, as classes to mask."""

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.derived import HISTORY
from tfrec_zoo.data.examples import Examples, item_ids
from tfrec_zoo.features import Preprocessor


class SeenClasses:
    """The classes of a model that the users of examples have seen before.

    Args:
        examples: The examples; without `seen` nothing was.
        preprocessor: Preprocessor of the model.
    """

    def __init__(self, examples: Examples, preprocessor: Preprocessor) -> None:
        self._windows = examples.seen
        if examples.seen is not None:
            self._ids = item_ids(preprocessor, examples.seen.values[HISTORY])

    def pairs(self, rows: np.ndarray) -> np.ndarray:
        """Returns int64 [pairs, 2]: a position in `rows`, and a class seen by its user.

        Args:
            rows: [n] numbers of examples.
        """
        if self._windows is None:
            return np.empty((0, 2), np.int64)
        windows, ids = self._windows, self._ids
        start, stop = windows.start[rows], windows.stop[rows]
        lengths = stop - start
        row = np.repeat(np.arange(len(rows)), lengths)
        at = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        classes = ids[at + np.repeat(start, lengths)].astype(np.int64) - 1
        is_seen = classes >= 0
        if windows.hide is not None:
            # What is hidden is the example's own: it counts as not seen.
            hide = windows.hide[rows]
            hidden = np.where((hide >= start) & (hide < stop), hide, len(ids))
            is_seen &= classes != np.append(ids, 0)[hidden][row] - 1
        return np.stack([row, classes], axis=1)[is_seen]


def masked(scores: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    """Returns scores, [n, items], in which some pairs have the lowest number.

    Args:
        scores: The scores.
        pairs: int64 [pairs, 2], as `SeenClasses.pairs` returns them.
    """
    lowest = tf.fill([tf.shape(pairs)[0]], scores.dtype.min)
    return tf.tensor_scatter_nd_update(scores, pairs, lowest)
