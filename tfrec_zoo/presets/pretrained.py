"""The models that come trained with the package, on MovieLens-100K: every architecture once.

They are small, train in a minute or two on a core, and read no columns of items that would have to
be stored with them. Settings of `ItemKNN`, `EASE`, `iALS`, `YouTubeRetrieval`, `SASRec` and
`TwoTower` were compared on validation examples; others are plain, or as in the larger tables.
"""

from typing import Any

from tfrec_zoo.presets.preset import Preset
from tfrec_zoo.training import Training

_HISTORY_ALONE: dict[str, Any] = {"profile": False, "example_age": False}
_TOWER: dict[str, Any] = {"embedding_dim": 16, "hidden_units": (64, 64), "dropout": 0.2}
_CLICKS = Training(epochs=30, batch_size=256, learning_rate=0.02, optimizer="adagrad", plateau=0.2)
_CHOICE = Training(epochs=8, batch_size=256, learning_rate=0.003, optimizer="lazy_adam")
_WIDE_DEEP = Training(
    epochs=30,
    batch_size=256,
    learning_rate=0.02,
    optimizer="ftrl+adagrad",
    wide={"learning_rate": 0.02, "l1_regularization_strength": 0.01},
    plateau=0.2,
)


def _preset(
    row: str, model: str, task: str, training: Training, options: Any = None, **arguments: Any
) -> Preset:
    return Preset(
        f"movielens-100k/{row}",
        model,
        task,
        options or {},
        arguments,
        training,
        dataset="movielens/100k",
    )


PRETRAINED = (
    _preset("popularity", "Popularity", "next-watch", Training(), _HISTORY_ALONE),
    _preset("item_knn", "ItemKNN", "next-watch", Training(), max_neighbors=20),
    _preset("ease", "EASE", "next-watch", Training(), l2=100.0, max_neighbors=50),
    _preset(
        "ials",
        "iALS",
        "next-watch",
        Training(epochs=12),
        embedding_dim=64,
        unobserved_weight=1.0,
        l2=0.003,
    ),
    _preset(
        "mf",
        "MatrixFactorization",
        "next-watch",
        Training(epochs=12, learning_rate=0.01),
        embedding_dim=64,
        batch_l2=0.03,
    ),
    _preset(
        "lightgcn",
        "LightGCN",
        "next-watch",
        Training(epochs=20, learning_rate=0.01),
        embedding_dim=32,
        num_layers=2,
        loss="softmax",
        batch_l2=0.003,
    ),
    _preset(
        "youtube_retrieval",
        "YouTubeRetrieval",
        "next-watch",
        Training(epochs=8, batch_size=256, learning_rate=0.005),
        _HISTORY_ALONE,
        hidden_units=(64, 32),
        dropout=0.1,
        tied=True,
    ),
    _preset(
        "sasrec",
        "SASRec",
        "next-watch",
        Training(epochs=20, batch_size=64, learning_rate=0.005),
        _HISTORY_ALONE,
        embedding_dim=32,
        max_history=50,
        dropout=0.2,
    ),
    _preset(
        "hstu",
        "HSTU",
        "next-watch",
        Training(epochs=20, batch_size=64, learning_rate=0.005),
        _HISTORY_ALONE,
        embedding_dim=32,
        max_history=50,
        num_blocks=3,
        num_heads=2,
        temperature=0.1,
    ),
    _preset(
        "two_tower",
        "TwoTower",
        "next-watch",
        Training(epochs=8, batch_size=512, learning_rate=0.005),
        _HISTORY_ALONE,
        hidden_units=(64, 32),
        dropout=0.1,
        temperature=0.1,
        negatives={"kind": "mixed"},
    ),
    _preset("logistic_regression", "LogisticRegression", "clicks", _CLICKS),
    _preset("fm", "FactorizationMachine", "clicks", _CLICKS, embedding_dim=16, batch_l2=0.01),
    _preset(
        "wide_deep", "WideDeep", "clicks", _WIDE_DEEP, {"crosses": 1000}, batch_l2=0.01, **_TOWER
    ),
    _preset("deepfm", "DeepFM", "clicks", _CLICKS, batch_l2=0.01, **_TOWER),
    _preset("dcn", "DCN", "clicks", _CLICKS, batch_l2=0.01, **_TOWER),
    _preset("dcnv2", "DCNV2", "clicks", _CLICKS, batch_l2=0.01, **_TOWER),
    _preset("dlrm", "DLRM", "clicks", _CLICKS, batch_l2=0.01, bottom_units=(64,), **_TOWER),
    _preset(
        "deep_crossing",
        "DeepCrossing",
        "clicks",
        _CLICKS,
        embedding_dim=16,
        hidden_units=(64, 64),
        batch_l2=0.01,
    ),
    _preset("fibinet", "FiBiNET", "clicks", _CLICKS, batch_l2=0.01, **_TOWER),
    _preset("xdeepfm", "xDeepFM", "clicks", _CLICKS, batch_l2=0.01, cin_units=(32, 32), **_TOWER),
    _preset(
        "autoint", "AutoInt", "clicks", _CLICKS, embedding_dim=16, attention_dim=32, batch_l2=0.01
    ),
    _preset("gmf", "GMF", "choice", _CHOICE, embedding_dim=16),
    _preset("ncf_mlp", "NCFMLP", "choice", _CHOICE, hidden_units=(32, 16, 8)),
    _preset("neumf", "NeuMF", "choice", _CHOICE),
    _preset(
        "youtube_ranking",
        "YouTubeRanking",
        "watch-time",
        Training(epochs=3),
        hidden_units=(64, 32),
        dropout=0.2,
    ),
    # Movies have no length here: they are one group.
    _preset(
        "d2q",
        "D2Q",
        "watch-time",
        Training(epochs=3),
        embedding_dim=8,
        hidden_units=(64, 32),
        dropout=0.2,
        num_groups=1,
        num_quantiles=100,
    ),
)
