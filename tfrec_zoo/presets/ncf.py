"""Neural collaborative filtering and the baselines it has to beat, by the paper's own protocol.

He et al. (WWW 2017), tables 2 to 4 and figures 4 to 7.
"""

import dataclasses
from typing import Any

from tfrec_zoo.presets.preset import Preset
from tfrec_zoo.training import Training

#: Numbers of predictive factors.
FACTORS = (8, 16, 32, 64)

_PAPER = "He et al., WWW 2017, best epoch on test"
_REPRODUCTION = "independent reproduction, best epoch on test"
_DACREMA = "Ferrari Dacrema et al., TOIS 2021"
_PUBLISHED: dict[str, tuple[float, float, str]] = {
    "Popularity": (0.4533, 0.2542, _DACREMA),
    "ItemKNN": (0.6694, 0.3979, _DACREMA),
    "ItemKNN-candidate": (0.6694, 0.3979, _DACREMA),
    "EASE": (0.7192, 0.4494, _DACREMA),
    "iALS": (0.7109, 0.4382, _DACREMA),
    "MF-192": (0.7294, 0.4523, "Rendle et al., RecSys 2020"),
    "GMF-32": (0.708, 0.429, _REPRODUCTION),
    "MLP-8": (0.671, 0.399, _PAPER),
    "MLP-16": (0.684, 0.410, _PAPER),
    "MLP-32": (0.692, 0.425, _PAPER),
    "MLP-64": (0.702, 0.426, _PAPER),
    "NeuMF-8": (0.688, 0.410, _PAPER),
    "NeuMF-16": (0.696, 0.420, _PAPER),
    "NeuMF-32": (0.701, 0.425, _PAPER),
    "NeuMF-64": (0.705, 0.426, _PAPER),
    "NeuMF-pretrained-8": (0.684, 0.403, _PAPER),
    "NeuMF-pretrained-16": (0.707, 0.426, _PAPER),
    "NeuMF-pretrained-32": (0.726, 0.445, _PAPER),
    "NeuMF-pretrained-64": (0.730, 0.447, _PAPER),
}

#: The paper's own.
_PAPER_TRAINING = Training(
    epochs=20, batch_size=256, learning_rate=0.001, optimizer="fused_adam", decay=False
)
#: NDCG@10 of .4333 on the validation items of GMF-32 in half the time: the paper's has .4326.
_TRAINING = dataclasses.replace(
    _PAPER_TRAINING, batch_size=1024, learning_rate=0.002, averaging=0.999
)
#: From GMF and MLP to NeuMF. The loss is the mean of a batch: .1 / 256 for each pair.
_FINE_TUNING = dataclasses.replace(
    _PAPER_TRAINING, epochs=3, optimizer="sgd", learning_rate=0.1, pretraining=_TRAINING
)
#: As Rendle et al. train matrix factorization, whose rate is .002 for a pair, for 256 epochs: this
#: one falls from .04, in a tenth of them. The loss is the mean of a batch: 512 times as much.
_SGD = Training(epochs=24, batch_size=512, learning_rate=20.0, optimizer="sgd", patience=10)


def tower(factors: int, layers: int = 3) -> tuple[int, ...]:
    """The paper's tower, which halves from layer to layer and ends in the predictive factors."""
    return tuple(factors * 2**i for i in reversed(range(layers)))


def _preset(row: str, model: str, training: Training, **kwargs: Any) -> Preset:
    hit_rate, ndcg, source = _PUBLISHED.get(row, (None, None, ""))
    best = "best_on_test_" if source in (_PAPER, _REPRODUCTION) else ""
    published = {f"{best}sampled_hit_rate_at_10": hit_rate, f"{best}sampled_ndcg_at_10": ndcg}
    return Preset(
        f"ncf/{row}",
        model,
        "ncf",
        training=training,
        dataset="ncf/ml-1m",
        published={name: value for name, value in published.items() if value is not None},
        source=source,
        **kwargs,
    )


def _of(factors: int) -> list[Preset]:
    """The rows of one number of predictive factors."""
    gmf = {"embedding_dim": factors}
    mlp = {"hidden_units": tower(factors)}
    return [
        _preset(f"GMF-{factors}", "GMF", _TRAINING, arguments=gmf),
        _preset(f"MLP-{factors}", "NCFMLP", _TRAINING, arguments=mlp),
        _preset(f"NeuMF-{factors}", "NeuMF", _TRAINING, arguments={**gmf, **mlp}),
        _preset(f"NeuMF-pretrained-{factors}", "NeuMF", _FINE_TUNING, arguments={**gmf, **mlp}),
    ]


NCF = (
    _preset("Popularity", "Popularity", Training()),
    _preset(
        "ItemKNN",
        "ItemKNN",
        Training(grid={"max_neighbors": (10, 20, 50, 100), "shrink": (0.0, 20.0)}),
    ),
    # In the form of the published number.
    _preset(
        "ItemKNN-candidate",
        "ItemKNN",
        Training(grid={"max_neighbors": (10, 20, 50, 100), "shrink": (0.0, 20.0)}),
        arguments={"neighbors_of": "candidate"},
    ),
    _preset("EASE", "EASE", Training(grid={"l2": (500.0, 1000.0, 1500.0, 2000.0)})),
    # As Rendle et al. (RecSys 2022) train it.
    _preset(
        "iALS",
        "iALS",
        Training(epochs=12),
        arguments={"embedding_dim": 192, "unobserved_weight": 0.3, "l2": 0.007},
    ),
    # As Rendle et al. (RecSys 2020) had it, with 192 dimensions.
    *(
        _preset(
            f"MF-{dimensions}",
            "MatrixFactorization",
            _SGD,
            arguments={
                "embedding_dim": dimensions,
                "loss": "logistic",
                "batch_l2": 0.0025,
                "bias_l2": 0.0025,
            },
            options={"negatives": 8, "reject": False},
        )
        for dimensions in (32, 192)
    ),
    *(preset for factors in FACTORS for preset in _of(factors)),
    _preset("GMF-adam-32", "GMF", _PAPER_TRAINING, arguments={"embedding_dim": 32}),
    _preset("MLP-adam-32", "NCFMLP", _PAPER_TRAINING, arguments={"hidden_units": tower(32)}),
)


def _ablation(row: str, model: str, training: Training, **kwargs: Any) -> Preset:
    """A row measured on the validation items: the test items are not looked at."""
    options = {"held_out": "validation", **kwargs.pop("options", {})}
    return Preset(
        f"ncf-ablations/{row}",
        model,
        "ncf",
        options,
        training=training,
        dataset="movielens/100k",
        **kwargs,
    )


_NEUMF: dict[str, Any] = {"embedding_dim": 8, "hidden_units": tower(8)}
_OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adam": {"optimizer": "adam"},
    "lazy-adam": {"optimizer": "lazy_adam", "learning_rate": 0.003},
    "averaging": {"averaging": 0.999},
}

#: What the paper claims of pre-training, negatives and depth (tables 2 to 4, figure 7), beside
#: NeuMF from scratch with 4 negatives; Adam in three ways, and averages of its weights. Lazy Adam,
#: under which rows rest between their turns, takes a higher learning rate.
ABLATIONS = (
    _ablation("NeuMF", "NeuMF", _PAPER_TRAINING, arguments=_NEUMF),
    *(
        _ablation(row, "NeuMF", dataclasses.replace(_PAPER_TRAINING, **changes), arguments=_NEUMF)
        for row, changes in _OPTIMIZERS.items()
    ),
    _ablation("GMF", "GMF", _PAPER_TRAINING, arguments={"embedding_dim": 8}),
    _ablation("MLP", "NCFMLP", _PAPER_TRAINING, arguments={"hidden_units": tower(8)}),
    _ablation(
        "NeuMF-pretrained",
        "NeuMF",
        dataclasses.replace(_FINE_TUNING, pretraining=_PAPER_TRAINING),
        arguments=_NEUMF,
    ),
    *(
        _ablation(
            f"negatives-{number}",
            "NeuMF",
            _PAPER_TRAINING,
            arguments=_NEUMF,
            options={"negatives": number},
        )
        for number in (1, 2, 7, 10)
    ),
    *(
        _ablation(
            f"MLP-{layers}-layers",
            "NCFMLP",
            _PAPER_TRAINING,
            arguments={"hidden_units": tower(16, layers)},
        )
        for layers in range(5)
    ),
)
