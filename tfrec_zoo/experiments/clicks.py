"""Tables: click prediction, with the ids of users and items among the features, and without.

The protocol of Song et al., "AutoInt", CIKM 2019, §5.1 on MovieLens-1M: ratings above 3 are
positives, those of 3 are dropped, and the rest is split 8:1:1 at random. Training ends when the AUC
on validation has not risen for two epochs, and is measured with the weights of the best. The split
is random, as in the published numbers, and so leaks the future; it is the same for every seed.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from sklearn.metrics import log_loss

from tfrec_zoo import recipes, registry
from tfrec_zoo.data import Examples, Log, labelled_examples
from tfrec_zoo.evaluation import Result, pointwise_metrics, predict
from tfrec_zoo.features import Features, FeatureSpec
from tfrec_zoo.models import RankingModel, WideDeep
from tfrec_zoo.training import Training, fit

#: What the features are, by name: arguments of `recipes.click_spec`.
SETTINGS: dict[str, dict[str, Any]] = {
    "ids-alone": {"profile": False},
    "with-ids": {},
    "with-ids-crossed": {"crosses": 20_000},
    "without-ids": {"ids": False},
    "without-ids-crossed": {"ids": False, "crosses": 20_000},
}
SPLIT_SEED = 0


@dataclasses.dataclass(frozen=True)
class ClickData:
    """Labelled examples, split 8:1:1 at random with a fixed seed.

    Args:
        log: Where they are from.
        label: The column of the label; None for the log's own.
        threshold: What labels are compared with; see `labelled_examples`.
        spec: The features; None for all columns, with ids and without.
    """

    log: Log
    label: str | None = None
    threshold: float | None = None
    spec: FeatureSpec | None = None

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.log.name

    @property
    def checksum(self) -> str:
        """Of the log, and of what else was given: other labels are other data."""
        given = self.label, self.threshold, self.spec and self.spec.to_json()
        if given == (None, None, None):
            return self.log.checksum
        return hashlib.sha256(f"{self.log.checksum} {given}".encode()).hexdigest()

    @functools.cached_property
    def parts(self) -> tuple[Examples, Examples, Examples]:
        """Examples to train on, to validate on and to test on."""
        examples = labelled_examples(self.log, self.label, self.threshold)
        order = np.random.default_rng(SPLIT_SEED).permutation(len(examples))
        cuts = [len(order) * 8 // 10, len(order) * 9 // 10]
        train, validation, test = (examples.take(np.sort(part)) for part in np.split(order, cuts))
        return train, validation, test

    def features(self, setting: str) -> Features:
        """The features of a setting, learned from the training examples."""
        if setting not in self._fitted:
            spec = self.spec or recipes.click_spec(self.log, **SETTINGS[setting])
            self._fitted[setting] = self.parts[0].fit_features(spec)
        return self._fitted[setting]

    @functools.cached_property
    def _fitted(self) -> dict[str, Features]:
        return {}

    def protocol(self, setting: str) -> str:
        """How the examples were made and split, in words."""
        features = "with features given" if self.spec else setting.replace("-", " ")
        sizes = "/".join(str(len(part)) for part in self.parts)
        return (
            f"click prediction {features}, random 8:1:1 of seed {SPLIT_SEED} (leaks the future), "
            f"{sizes} examples"
        )


def measure(predictions: np.ndarray, examples: Examples) -> dict[str, float]:
    """AUC, log loss and AUC within users (GAUC) of [examples] probabilities."""
    found = pointwise_metrics(predictions, examples.label, examples.groups)
    logloss = float(log_loss(examples.label, predictions.astype(np.float64)))
    return {"auc": found["auc"], "logloss": logloss, "gauc": found["gauc"]}


def evaluate(model: RankingModel, data: ClickData) -> dict[str, float]:
    """What `measure` finds on the test examples."""
    return measure(predict(model, data.parts[2]), data.parts[2])


def item_rates(setting: str, damping: float = 10.0) -> "_Row":
    """The baseline that knows the item alone: its share of positives, damped."""

    def run(data: ClickData, seed: int) -> Result:
        train, _, test = data.parts
        index = [part.candidates.index for part in (train, test) if part.candidates is not None]
        size = max(part.max() for part in index) + 1
        positives = np.bincount(index[0], train.label, size)
        shown = np.bincount(index[0], minlength=size)
        rate = (positives + damping * train.label.mean()) / (shown + damping)
        return Result.of(
            data,
            model="item rates",
            metrics=measure(rate[index[1]], test),
            protocol=data.protocol(setting),
            seed=seed,
            config={"damping": damping},
        )

    return run


def train(
    name: str, data: ClickData, training: Training, setting: str = "with-ids", **arguments: Any
) -> recipes.Trained:
    """Trains a registered model; it is returned as it was best on validation.

    Args:
        name: Name of the model.
        data: The examples.
        training: How to train.
        setting: What the features are, unless `data` has a spec; one of `SETTINGS`.
        **arguments: Of the model.
    """
    if setting not in SETTINGS:
        raise ValueError(f"`setting` must be one of {list(SETTINGS)}. Received: {setting!r}")
    tf.keras.utils.set_random_seed(training.seed)
    train, validation, _ = data.parts
    model = registry.get(name).load()(
        data.features(setting), **{"seed": training.seed, **arguments}
    )
    history = fit(model, train, training, validation=validation).history
    metrics: dict[str, Any] = {
        **evaluate(model, data),
        "epochs": int(np.argmax(history["val_auc"])) + 1,
        "parameters": sum(int(np.prod(v.shape)) for v in model.trainable_variables),
    }
    if isinstance(model, WideDeep) and model.wide_variables:
        metrics["wide_zeros"] = float(model.zeros()["zeros"].sum() / model.zeros()["weights"].sum())
    return recipes.Trained(model, metrics, data.protocol(setting))


#: A row of a table: from the data and a seed to a result.
_Row = Callable[[ClickData, int], Result]


def _row(name: str, setting: str, training: Training, **arguments: Any) -> _Row:
    def run(data: ClickData, seed: int) -> Result:
        seeded = dataclasses.replace(training, seed=seed)
        trained = train(name, data, seeded, setting, **arguments)
        config = {k: v for k, v in trained.model.get_config().items() if k != "features"}
        return Result.of(
            data,
            model=name,
            metrics=trained.metrics,
            protocol=trained.protocol,
            seed=seed,
            config={**config, **dataclasses.asdict(seeded)},
        )

    return run


#: As all rows with ids are trained, but where they say otherwise.
TRAINING = Training(
    epochs=30, batch_size=1024, learning_rate=0.001, optimizer="fused_adam", plateau=0.2, verbose=2
)
#: Without ids there is less to overfit on.
WITHOUT_IDS_TRAINING = dataclasses.replace(TRAINING, batch_size=2048, learning_rate=0.002)
#: What has nothing but weights and factors.
LINEAR = dataclasses.replace(TRAINING, learning_rate=0.003)
FACTORS = dataclasses.replace(TRAINING, learning_rate=0.002)
WIDE_AND_DEEP = dataclasses.replace(
    TRAINING, learning_rate=0.02, optimizer="ftrl+adagrad", wide={"learning_rate": 0.05}
)


def _rows(
    setting: str, training: Training, factors: dict[str, Any], deep: dict[str, Any]
) -> dict[str, _Row]:
    """The rows of all architectures, with widths as alike as they go."""
    tower = {"embedding_dim": 16, **deep}
    without_dropout = {key: value for key, value in tower.items() if key != "dropout"}
    attention = {key: tower[key] for key in ("embedding_dim", "batch_l2")} | {"attention_dim": 32}
    return {
        "LogisticRegression": _row("LogisticRegression", setting, LINEAR),
        "FactorizationMachine": _row(
            "FactorizationMachine", setting, FACTORS, embedding_dim=16, **factors
        ),
        "WideDeep": _row("WideDeep", f"{setting}-crossed", WIDE_AND_DEEP, **tower),
        "DeepFM": _row("DeepFM", setting, training, **tower),
        "DCN": _row("DCN", setting, training, num_cross_layers=3, **tower),
        "DCNV2": _row("DCNV2", setting, training, num_cross_layers=2, **tower),
        "xDeepFM": _row("xDeepFM", setting, training, cin_units=(64, 64), **tower),
        "AutoInt": _row("AutoInt", setting, training, **attention),
        "AutoInt+": _row("AutoInt", setting, training, attention_dim=32, **tower),
        "FiBiNET": _row("FiBiNET", setting, training, **tower),
        "DLRM": _row("DLRM", setting, training, bottom_units=(64,), **tower),
        "DeepCrossing": _row("DeepCrossing", setting, training, **without_dropout),
    }


WITH_IDS: dict[str, _Row] = {
    "item-rates": item_rates("with-ids"),
    "MF": _row("FactorizationMachine", "ids-alone", FACTORS, embedding_dim=16, batch_l2=0.01),
    **_rows(
        "with-ids",
        TRAINING,
        factors={"batch_l2": 0.01},
        deep={"hidden_units": (128, 128, 128), "dropout": 0.2, "batch_l2": 0.001},
    ),
}
WITHOUT_IDS: dict[str, _Row] = _rows(
    "without-ids",
    WITHOUT_IDS_TRAINING,
    factors={"batch_l2": 0.001},
    deep={"hidden_units": (256, 256), "dropout": 0.2, "batch_l2": 0.001},
)


def _wide_deep(training: Training, sides: str = "both") -> _Row:
    tower = {"embedding_dim": 16, "hidden_units": (128, 128, 128), "dropout": 0.2}
    return _row("WideDeep", "with-ids-crossed", training, sides=sides, batch_l2=0.001, **tower)


#: Which side does what, which optimizer, and what L1 leaves of the wide weights.
WIDE_DEEP: dict[str, _Row] = {
    "wide": _wide_deep(WIDE_AND_DEEP, "wide"),
    "deep": _wide_deep(WIDE_AND_DEEP, "deep"),
    "both": _wide_deep(WIDE_AND_DEEP),
    "wide-adam": _wide_deep(TRAINING, "wide"),
    "deep-adam": _wide_deep(TRAINING, "deep"),
    "both-adam": _wide_deep(TRAINING),
    **{
        f"both-l1-{l1:g}": _wide_deep(
            dataclasses.replace(
                WIDE_AND_DEEP, wide={**WIDE_AND_DEEP.wide, "l1_regularization_strength": l1}
            )
        )
        for l1 in (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    },
}
