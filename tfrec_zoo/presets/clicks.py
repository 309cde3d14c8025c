"""Click prediction, with the ids of users and items among the features, and without.

The two settings of the literature, which must never share a table.
"""

import dataclasses
from typing import Any

from tfrec_zoo.presets.preset import Preset
from tfrec_zoo.training import Training

#: As all rows are trained, but where they say otherwise.
TRAINING = Training(
    epochs=30, batch_size=1024, learning_rate=0.001, optimizer="fused_adam", plateau=0.2
)
_DEEP = dataclasses.replace(TRAINING, batch_size=2048)
#: What has nothing but weights, and what has nothing but factors.
_LINEAR = dataclasses.replace(TRAINING, learning_rate=0.003)
_FACTORS = dataclasses.replace(TRAINING, learning_rate=0.002)
WIDE_AND_DEEP = dataclasses.replace(
    TRAINING, learning_rate=0.02, optimizer="ftrl+adagrad", wide={"learning_rate": 0.05}
)
#: Combinations kept of each cross.
_CROSSES = 20_000

_RECBOLE = "RecBole, embeddings of 16"
_SONG = "Song et al., CIKM 2019"
_PUBLISHED = {
    "ctr": (
        _RECBOLE,
        {
            "LogisticRegression": 0.8699,
            "FactorizationMachine": 0.8935,
            "WideDeep": 0.8987,
            "DeepFM": 0.8997,
            "DCN": 0.8994,
            "DCNV2": 0.9000,
            "xDeepFM": 0.8986,
            # RecBole's AutoInt has a tower beside the attention.
            "AutoInt+": 0.8987,
        },
    ),
    "ctr-without-ids": (
        _SONG,
        {
            "LogisticRegression": 0.7716,
            "FactorizationMachine": 0.8252,
            "WideDeep": 0.8300,
            "DeepFM": 0.8437,
            "DCN": 0.8446,
            "xDeepFM": 0.8463,
            "AutoInt": 0.8456,
            "AutoInt+": 0.8488,
            "DeepCrossing": 0.8448,
        },
    ),
}


def _row(
    table: str, row: str, model: str, training: Training, options: Any = None, **arguments: Any
) -> Preset:
    options = {**({"ids": False} if table == "ctr-without-ids" else {}), **(options or {})}
    source, published = _PUBLISHED.get(table, ("", {}))
    return Preset(
        f"{table}/{row}",
        model,
        "clicks",
        options,
        arguments,
        training,
        published={"auc": published[row]} if row in published else {},
        source=source if row in published else "",
        moves_split=True,
    )


def _rows(table: str, training: Training, batch_l2: float) -> list[Preset]:
    """The rows of all architectures, with widths as alike as they go.

    Args:
        table: The table.
        training: How the deep ones are trained.
        batch_l2: L2 penalty of the factorization machine.
    """
    vectors = {"embedding_dim": 16}
    tower = {**vectors, "hidden_units": (400, 400, 400)}
    attention = {"attention_dim": 32}
    return [
        _row(table, "LogisticRegression", "LogisticRegression", _LINEAR),
        _row(
            table,
            "FactorizationMachine",
            "FactorizationMachine",
            _FACTORS,
            **vectors,
            batch_l2=batch_l2,
        ),
        _row(table, "WideDeep", "WideDeep", WIDE_AND_DEEP, {"crosses": _CROSSES}, **tower),
        _row(table, "DeepFM", "DeepFM", training, dropout=0.0, **tower),
        _row(table, "DCN", "DCN", training, num_cross_layers=3, **tower),
        _row(table, "DCNV2", "DCNV2", training, num_cross_layers=3, **tower),
        _row(table, "xDeepFM", "xDeepFM", training, cin_units=(64, 64), **tower),
        _row(table, "AutoInt", "AutoInt", training, **vectors, **attention),
        _row(table, "AutoInt+", "AutoInt", training, **attention, **tower),
        _row(table, "FiBiNET", "FiBiNET", training, dropout=0.0, **tower),
        _row(table, "DLRM", "DLRM", training, bottom_units=(64,), **tower),
        _row(table, "DeepCrossing", "DeepCrossing", training, **tower),
    ]


WITH_IDS = (
    _row("ctr", "item-rates", "item-rates", TRAINING),
    _row(
        "ctr",
        "MF",
        "FactorizationMachine",
        _FACTORS,
        {"profile": False},
        embedding_dim=16,
        batch_l2=0.01,
    ),
    # Towers of 400-400-400 that stop early need neither dropout nor a penalty.
    *_rows("ctr", _DEEP, batch_l2=0.01),
)
WITHOUT_IDS = (
    _row("ctr-without-ids", "item-rates", "item-rates", TRAINING),
    # AUC .8445 on the validation examples of DCN; not averaged, .8418, and .8401 of 256-256 with
    # dropout of .2, a penalty of .001 and a rate of .002.
    *_rows("ctr-without-ids", dataclasses.replace(_DEEP, averaging=0.998), batch_l2=0.001),
    _row(
        "ctr-without-ids",
        "DCN-not-averaged",
        "DCN",
        _DEEP,
        embedding_dim=16,
        hidden_units=(400, 400, 400),
        num_cross_layers=3,
    ),
)


def _wide_deep(row: str, training: Training, sides: str = "both") -> Preset:
    deep: dict[str, Any] = {"embedding_dim": 16, "hidden_units": (128, 128, 128)}
    deep.update(dropout=0.2, batch_l2=0.001)
    crossed = {"crosses": _CROSSES}
    own = {} if sides == "wide" else deep
    return _row("wide-deep", row, "WideDeep", training, crossed, sides=sides, **own)


def _with_l1(l1: float) -> Training:
    wide = {**WIDE_AND_DEEP.wide, "l1_regularization_strength": l1}
    return dataclasses.replace(WIDE_AND_DEEP, wide=wide)


#: Which side does what, which optimizer, and what L1 leaves of the wide weights.
WIDE_DEEP = (
    _wide_deep("wide", WIDE_AND_DEEP, "wide"),
    _wide_deep("deep", WIDE_AND_DEEP, "deep"),
    _wide_deep("both", WIDE_AND_DEEP),
    _wide_deep("wide-adam", TRAINING, "wide"),
    _wide_deep("deep-adam", TRAINING, "deep"),
    _wide_deep("both-adam", TRAINING),
    *(_wide_deep(f"both-l1-{l1:g}", _with_l1(l1)) for l1 in (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)),
)
