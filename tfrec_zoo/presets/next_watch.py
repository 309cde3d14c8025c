"""What to make of the history when predicting the next watch, against the whole catalogue.

Three tables: of each user's last watch, by the order that tensorflow-datasets gives watches of the
same second and by that of the original files; and of the last part of the whole log, which leaks
nothing.
"""

import dataclasses
from typing import Any

from tfrec_zoo.presets.preset import Preset
from tfrec_zoo.training import Training

#: Chosen on the validation items (each user's last watch but one) of MovieLens-1M.
_ARGUMENTS: dict[str, Any] = {"hidden_units": (512, 128), "dropout": 0.1, "tied": True}
_IALS: dict[str, Any] = {"embedding_dim": 256, "unobserved_weight": 1.0, "l2": 0.003}
_HISTORY_ALONE: dict[str, Any] = {"profile": False, "example_age": False}
_SASREC: dict[str, Any] = {"embedding_dim": 64, "max_history": 100, "dropout": 0.2}
#: HR@10 .2312 on the validation items of MovieLens-100K, and .2068 as by default.
_HSTU: dict[str, Any] = {"num_blocks": 3, "num_heads": 2, "temperature": 0.1}
#: In the order of the files: NDCG@10 .2012 on validation items, .1810 with 64 dimensions, and .1755
#: where what a user knows is not masked either.
_WIDER: dict[str, Any] = {
    "embedding_dim": 128,
    "negatives": {"kind": "log-uniform", "number": 1000, "mask_known": True},
}


def _youtube(row: str, bags: tuple[int, ...], epochs: int, **options: Any) -> Preset:
    return Preset(
        f"next-watch/{row}",
        "YouTubeRetrieval",
        "next-watch",
        {"bags": bags, **_HISTORY_ALONE, **options},
        _ARGUMENTS,
        Training(epochs=epochs),
    )


def _sasrec(row: str, options: dict[str, Any] | None = None, **arguments: Any) -> Preset:
    published = {}
    if not options and not arguments:
        published = {"hit_rate_at_10": 0.2853, "ndcg_at_10": 0.1603}
    return Preset(
        f"next-watch/{row}",
        "SASRec",
        "next-watch",
        {**_HISTORY_ALONE, **(options or {})},
        {**_SASREC, **arguments},
        Training(epochs=24, batch_size=64, learning_rate=0.002),
        published=published,
        source="Zhai et al., ICML 2024; ties in time in any order, as here" if published else "",
    )


def _hstu(row: str, options: dict[str, Any] | None = None, **kwargs: Any) -> Preset:
    negatives = {"kind": "log-uniform", "number": 1000}
    preset = _sasrec(row, options, negatives=negatives, **_HSTU)
    return dataclasses.replace(preset, model="HSTU", **kwargs)


def _two_tower(row: str, **options: Any) -> Preset:
    return Preset(
        f"next-watch/{row}",
        "TwoTower",
        "next-watch",
        {"example_age": False, **options},
        {
            "hidden_units": (512, 128),
            "temperature": 0.1,
            "negatives": {"kind": "mixed"},
            "dropout": 0.1,
        },
        Training(epochs=4),
    )


NEXT_WATCH = (
    Preset(
        "next-watch/popularity",
        "Popularity",
        "next-watch",
        _HISTORY_ALONE,
    ),
    Preset(
        "next-watch/ItemKNN",
        "ItemKNN",
        "next-watch",
        training=Training(grid={"max_neighbors": (5, 10, 20, 50), "shrink": (0.0, 20.0)}),
    ),
    Preset("next-watch/EASE", "EASE", "next-watch", training=Training(grid={"l2": (100.0, 500.0)})),
    Preset("next-watch/iALS", "iALS", "next-watch", arguments=_IALS, training=Training(epochs=16)),
    Preset(
        "next-watch/MF",
        "MatrixFactorization",
        "next-watch",
        arguments={"embedding_dim": 64, "batch_l2": 0.01},
        training=Training(epochs=5, learning_rate=0.005, optimizer="fused_adam"),
    ),
    # HR@10 .1739 on the validation items of MovieLens-100K, and .1527 with the paper's loss.
    Preset(
        "next-watch/LightGCN",
        "LightGCN",
        "next-watch",
        arguments={"num_layers": 2, "loss": "softmax", "batch_l2": 0.003},
        training=Training(epochs=20, batch_size=8192, learning_rate=0.01, optimizer="fused_adam"),
    ),
    _youtube("bag-50", (50,), 4),
    _youtube("bag-3", (3,), 3),
    _youtube("bag-10-and-last", (10,), 5, last_watched=True),
    _youtube("bags-1-3-10-50", (1, 3, 10, 50), 5),
    _youtube("bags-1-3-10-50-moment", (1, 3, 10, 50), 5, moment=True),
    _youtube("bags-1-3-10-50-ages", (1, 3, 10, 50), 5, half_lives=(3600.0,)),
    _two_tower("TwoTower"),
    _two_tower("TwoTower-moment", moment=True),
    _sasrec("SASRec"),
    _sasrec("SASRec-sampled", negatives={"kind": "log-uniform", "number": 1000}),
    _sasrec("SASRec-binary", loss="binary"),
    _sasrec("SASRec-moment", {"moment": True}, negatives={"kind": "log-uniform", "number": 1000}),
    _hstu("HSTU"),
    _hstu(
        "HSTU-moment",
        {"moment": True},
        published={"hit_rate_at_10": 0.3097, "ndcg_at_10": 0.1720},
        source="Zhai et al., ICML 2024; two units; ties in time in any order, as here",
    ),
)

_ROWS = {preset.row: preset for preset in NEXT_WATCH}
_MAIN = ("popularity", "ItemKNN", "EASE", "iALS", "MF", "bags-1-3-10-50", "TwoTower", "SASRec")


def _in_file_order(
    preset: Preset, published: tuple[float, float] | None = None, source: str = "", **arguments: Any
) -> Preset:
    names = ("hit_rate_at_10", "ndcg_at_10")
    return dataclasses.replace(
        preset,
        name=f"next-watch-in-file-order/{preset.row}",
        dataset="movielens-files/ml-1m",
        arguments={**preset.arguments, **arguments},
        published=dict(zip(names, published, strict=True)) if published else {},
        source=source,
    )


IN_FILE_ORDER = (
    _in_file_order(_ROWS["popularity"], (0.0369, 0.0180), "popularity of all time"),
    *(_in_file_order(_ROWS[row]) for row in _MAIN[1:-1]),
    _in_file_order(_ROWS["bags-1-3-10-50-moment"]),
    _in_file_order(_ROWS["SASRec"], (0.3058, 0.1779), "RecTools", embedding_dim=128),
    _in_file_order(
        _ROWS["SASRec-sampled"], (0.3159, 0.1857), "3,000 negatives, the last 200 watches", **_WIDER
    ),
    _in_file_order(_ROWS["SASRec-binary"], (0.245, 0.130), "binary loss"),
    _in_file_order(_ROWS["SASRec-moment"], **_WIDER),
    _in_file_order(_ROWS["HSTU"], **_WIDER),
    _in_file_order(
        _ROWS["HSTU-moment"], (0.3227, 0.1879), "RecTools, which reads the time, too", **_WIDER
    ),
)
BY_TIME = tuple(
    dataclasses.replace(
        _ROWS[row],
        name=f"next-watch-by-time/{row}",
        options={**_ROWS[row].options, "split": "time"},
        published={},
        source="",
    )
    for row in _MAIN
)
