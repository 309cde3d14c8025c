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

#: The paper's batches of 256 and rate of .001, by an Adam that moves the rows of a batch only.
_TRAINING = Training(
    epochs=20, batch_size=256, learning_rate=0.001, optimizer="lazy_adam", decay=False
)
#: Wide towers are bound by arithmetic, which large batches make the most of.
_LARGE = dataclasses.replace(_TRAINING, batch_size=1024, learning_rate=0.003)


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
    base = _LARGE if factors >= 64 else _TRAINING
    twelve = dataclasses.replace(base, epochs=12)
    # Plain SGD; the loss is the mean of a batch: a learning rate of .1 / 256 for each pair.
    pretrained = dataclasses.replace(
        _TRAINING, epochs=3, optimizer="sgd", learning_rate=0.1, pretraining=base
    )
    # Adam itself, as in the paper: slower than its lazy form.
    exact = dataclasses.replace(_TRAINING, optimizer="fused_adam")
    gmf = {"embedding_dim": factors}
    mlp = {"hidden_units": tower(factors)}
    return [
        _preset(f"GMF-{factors}", "GMF", base, arguments=gmf),
        _preset(f"MLP-{factors}", "NCFMLP", twelve, arguments=mlp),
        _preset(f"NeuMF-{factors}", "NeuMF", twelve, arguments={**gmf, **mlp}),
        _preset(f"NeuMF-pretrained-{factors}", "NeuMF", pretrained, arguments={**gmf, **mlp}),
        _preset(f"GMF-adam-{factors}", "GMF", exact, arguments=gmf),
        _preset(f"MLP-adam-{factors}", "NCFMLP", exact, arguments=mlp),
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
    # As Rendle et al. (RecSys 2020) had it, but for 256 epochs of SGD.
    _preset(
        "MF-192",
        "MatrixFactorization",
        Training(
            epochs=10, batch_size=1024, learning_rate=0.003, optimizer="lazy_adam", patience=10
        ),
        arguments={"embedding_dim": 192, "loss": "logistic", "batch_l2": 0.0025},
        options={"negatives": 8},
    ),
    *(preset for factors in FACTORS for preset in _of(factors)),
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


_TWELVE = dataclasses.replace(_TRAINING, epochs=12)
_NEUMF: dict[str, Any] = {"embedding_dim": 8, "hidden_units": tower(8)}

#: What the paper claims of pre-training, negatives and depth (tables 2 to 4, figure 7), and Adam in
#: three ways. Lazy Adam, under which rows rest between their turns, takes a higher learning rate.
ABLATIONS = (
    _ablation("adam", "NeuMF", dataclasses.replace(_TRAINING, optimizer="adam"), arguments=_NEUMF),
    _ablation(
        "fused-adam",
        "NeuMF",
        dataclasses.replace(_TRAINING, optimizer="fused_adam"),
        arguments=_NEUMF,
    ),
    _ablation(
        "lazy-adam",
        "NeuMF",
        dataclasses.replace(_TRAINING, learning_rate=0.003),
        arguments=_NEUMF,
    ),
    _ablation("GMF", "GMF", _TRAINING, arguments={"embedding_dim": 8}),
    _ablation("MLP", "NCFMLP", _TRAINING, arguments={"hidden_units": tower(8)}),
    _ablation(
        "NeuMF-pretrained",
        "NeuMF",
        dataclasses.replace(
            _TRAINING, epochs=3, optimizer="sgd", learning_rate=0.1, pretraining=_TRAINING
        ),
        arguments=_NEUMF,
    ),
    *(
        _ablation(
            f"negatives-{number}",
            "NeuMF",
            _TRAINING,
            arguments=_NEUMF,
            options={"negatives": number},
        )
        for number in (1, 2, 4, 7, 10)
    ),
    *(
        _ablation(
            f"MLP-{layers}-layers",
            "NCFMLP",
            _TRAINING,
            arguments={"hidden_units": tower(16, layers)},
        )
        for layers in range(5)
    ),
)
