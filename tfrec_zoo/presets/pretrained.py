"""The models that come trained with the package, on MovieLens-100K."""

from typing import Any

from tfrec_zoo.presets.preset import Preset
from tfrec_zoo.training import Training

_TOWER: dict[str, Any] = {"embedding_dim": 16, "hidden_units": (64, 64), "dropout": 0.2}
_CLICKS = Training(epochs=30, batch_size=256, learning_rate=0.02, optimizer="adagrad", plateau=0.2)
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
    _preset("ease", "EASE", "next-watch", Training(), l2=100.0, max_neighbors=100),
    _preset(
        "mf",
        "MatrixFactorization",
        "next-watch",
        Training(epochs=12, learning_rate=0.01),
        embedding_dim=64,
        batch_l2=0.03,
    ),
    _preset(
        "neumf",
        "NeuMF",
        "choice",
        Training(epochs=8, batch_size=256, learning_rate=0.003, optimizer="lazy_adam"),
    ),
    _preset(
        "wide_deep", "WideDeep", "clicks", _WIDE_DEEP, {"crosses": 1000}, batch_l2=0.01, **_TOWER
    ),
    _preset("deepfm", "DeepFM", "clicks", _CLICKS, batch_l2=0.01, **_TOWER),
    _preset("dcnv2", "DCNV2", "clicks", _CLICKS, batch_l2=0.01, **_TOWER),
    _preset(
        "autoint", "AutoInt", "clicks", _CLICKS, embedding_dim=16, attention_dim=32, batch_l2=0.01
    ),
)
