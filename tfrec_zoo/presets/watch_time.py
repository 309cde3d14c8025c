"""Expected watch time on simulated impressions, weighted against unweighted training.

Covington et al. (RecSys 2016), §4.2 and table 1.
"""

from typing import Any

from tfrec_zoo.presets.preset import Preset
from tfrec_zoo.training import Training

_DATASET = "simulated"


def _youtube(row: str, **arguments: Any) -> Preset:
    return Preset(
        f"watch-time/{row}",
        "YouTubeRanking",
        "watch-time",
        arguments={"hidden_units": (128, 64), "dropout": 0.2, **arguments},
        training=Training(epochs=2, learning_rate=0.001),
        dataset=_DATASET,
    )


WATCH_TIME = (
    Preset("watch-time/truth", "truth", "watch-time", dataset=_DATASET),
    _youtube("weighted"),
    _youtube("weighted-exact-odds", exact_odds=True),
    _youtube("unweighted", weighted=False),
    _youtube("no-hidden-layers", hidden_units=()),
)
