"""What every video of the simulated site was truly worth on some pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfrec_zoo.data.simulated_world import Floats, sigmoid


@dataclass(frozen=True)
class TrueValues:
    """True values of all videos on some pages, to measure lists by that were never shown.

    Args:
        pages: [pages] page ids.
        items: [videos] video ids.
        click_logit: [pages, videos] logit of a click at the top of the page; −∞ before the upload.
        seconds: [pages, videos] expected seconds of a watch.
        position_bias: How much lower the logit is with each place further down.
    """

    pages: NDArray[Any]
    items: NDArray[Any]
    click_logit: Floats
    seconds: Floats
    position_bias: float

    def watch_time(self, lists: NDArray[Any], k: int = 10) -> Floats:
        """The [pages] expected seconds that are watched of lists of videos.

        Args:
            lists: [pages, n] video ids, best first; what is no video is worth nothing.
            k: How many of each list are shown.
        """
        at = pd.Index(self.items).get_indexer(lists[:, :k].ravel()).reshape(len(lists), -1)
        row = np.arange(len(lists))[:, None]
        logit = self.click_logit[row, at] - self.position_bias * np.arange(at.shape[1])
        return np.asarray(np.where(at >= 0, sigmoid(logit) * self.seconds[row, at], 0).sum(axis=1))
