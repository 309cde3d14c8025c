"""Expected watch time on simulated impressions and on those of KuaiRand-Pure.

Weighted against unweighted training as in Covington et al. (RecSys 2016), §4.2 and table 1; on
KuaiRand also against regressions of the watch time, as in Zhan et al. (KDD 2022).
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
    _youtube("no-hidden-layers", hidden_units=(), dropout=0.0),
)

#: A day in the whole data, midnight of 1 May 2022 where the app is used, in Unix time. The last
#: share before it, to validate on, is about a day.
_MAY = {"test_from": 1651334400.0, "validation_fraction": 0.22}
_KUAIRAND = "kuairand-pure"


def _kuairand(row: str, model: str, training: Training, **arguments: Any) -> Preset:
    return Preset(
        f"kuairand/{row}",
        model,
        "watch-time",
        options=_MAY,
        arguments=arguments,
        training=training,
        dataset=_KUAIRAND,
    )


def _network(row: str, model: str, learning_rate: float, **arguments: Any) -> Preset:
    """A row whose learning rate was the better one of 0.001 and 0.003, by XAUC on the last day.

    That of the linear model is 0.01; the unweighted network has the weighted one's.
    """
    training = Training(epochs=4, learning_rate=learning_rate)
    return _kuairand(
        row, model, training, **{"hidden_units": (128, 64), "dropout": 0.2, **arguments}
    )


KUAIRAND = (
    _kuairand("mean", "mean", Training()),
    _kuairand("median", "median", Training()),
    _kuairand("duration-means", "duration-means", Training()),
    _kuairand("item-means", "item-means", Training()),
    _network("no-hidden-layers", "YouTubeRanking", 0.01, hidden_units=(), dropout=0.0),
    _network("unweighted", "YouTubeRanking", 0.003, weighted=False),
    _network("weighted", "YouTubeRanking", 0.003),
    _network("weighted-exact-odds", "YouTubeRanking", 0.003, exact_odds=True),
    _network("seconds", "D2Q", 0.003, target="seconds", embedding_dim=32),
    _network("completion", "D2Q", 0.001, target="completion", embedding_dim=32),
    _network("D2Q", "D2Q", 0.001, target="quantile", embedding_dim=32),
)
