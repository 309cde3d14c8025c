"""A registered model together with its reference and data: what the tests of every model share."""

import dataclasses
import functools
import inspect
from typing import Any

import numpy as np
import pytest

from tfrec_zoo.features import request_arrays
from tfrec_zoo.metrics import MRR, HitRate
from tfrec_zoo.needs import allow_idle
from tfrec_zoo.registry import MODELS, Entry

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


def each(*families: str) -> Any:
    """Runs a test for all models of families; all tests of a model in a row, which share models."""
    names = [name for name, entry in MODELS.items() if entry.family in families]
    return pytest.mark.parametrize("name", names, scope="module")


EACH, RETRIEVAL, RANKING = each("retrieval", "ranking"), each("retrieval"), each("ranking")
KNOWN = 10
UNKNOWN = {"string": "never seen", "int64": 777, "float64": np.nan}


def variables(model):
    """All that training leaves behind in a model."""
    of_metrics = {id(v) for metric in model.metrics for v in metric.variables}
    return [v for v in model.variables if id(v) not in of_metrics]


def state(model):
    return [v.numpy() for v in variables(model)]


def is_same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@dataclasses.dataclass
class Case:
    """A registered model, its reference and its family's data."""

    entry: Entry
    reference: Any
    data: Any
    _of_variants: dict[str, Any] = dataclasses.field(default_factory=dict)
    _at_start: dict[str, Any] = dataclasses.field(default_factory=dict)

    def build(self, optimizer: Any = None, **kwargs: Any) -> Any:
        model = self.adapted(self.reference.build(self.data.features))
        model.compile(optimizer or tf.keras.optimizers.SGD(0.5), **kwargs)
        return model

    def adapted(self, model: Any) -> Any:
        """A model that has learned what it has to before it is trained."""
        if model.adapts:
            model.adapt(self.data.raw, self.data.label)
        return model

    def fitted(self, **kwargs: Any) -> Any:
        """A model whose weights are all of the size of one, so that each of them matters."""
        model = self.build(**kwargs)
        if not self.reference.num_parameters:  # It learns in another way.
            model.fit(self.data.raw, self.data.label, verbose=0)
        self.make_weights(model)
        self.randomise(model)
        return model

    def takes(self, argument: str) -> bool:
        """Whether the model has an argument of that name."""
        return argument in inspect.signature(self.entry.load()).parameters

    def variant(self, **arguments: Any) -> Any:
        """The reference's model with other arguments, not compiled, as it starts."""
        # Features are not made again from the configuration: they are equal.
        config = {**self._config, "features": self.data.features}
        with allow_idle():  # Some of the reference's arguments may have no effect in a variant.
            model = self.adapted(self.entry.load()(**{**config, **arguments}))
        self.scores(model)  # Makes the weights.
        return model

    def randomised(self, **arguments: Any) -> Any:
        """The reference's model with other arguments and weights of the size of one."""
        model = self.variant(**arguments)
        self.randomise(model)
        return model

    def of_variant(self, name: str) -> Any:
        """The model of a variant, with weights of the size of one; no test changes them."""
        if name not in self._of_variants:
            self._of_variants[name] = self.randomised(**self.variants[name])
        return self._of_variants[name]

    def start(self, name: str, seed: int) -> Any:
        """The model of a variant as it starts, wide enough for logits to have a beginning."""
        wide = {"hidden_units": (12, 12)} if self.takes("hidden_units") else {}
        return self.variant(**{**wide, **self.variants[name]}, seed=seed)

    def at_start(self, name: str) -> Any:
        """The model of a variant as it starts by seed 1; no test changes it."""
        if name not in self._at_start:
            self._at_start[name] = self.start(name, seed=1)
        return self._at_start[name]

    @functools.cached_property
    def _config(self) -> dict[str, Any]:
        return self.reference.build(self.data.features).get_config()

    @functools.cached_property
    def variants(self) -> dict[str, dict[str, Any]]:
        """Arguments, by name, with which the model is another function; none come first."""
        return {"default": {}, **getattr(self.reference, "VARIANTS", {})}

    def shared(self, learning_rate: float = 0.5) -> Any:
        """A fitted model with metrics, as it was before other tests trained it: traced once."""
        model, values = self._shared
        for variable, value in zip(variables(model), values, strict=True):
            variable.assign(value)
        model.optimizer.learning_rate = learning_rate
        return model

    @functools.cached_property
    def _shared(self) -> tuple[Any, list[np.ndarray]]:
        if self.entry.family == "retrieval":
            model = self.fitted(metrics=[HitRate(3), MRR()])
        else:
            weighted = [tf.keras.metrics.BinaryAccuracy("weighted_accuracy"), "mae"]
            model = self.fitted(
                metrics=["accuracy", tf.keras.metrics.AUC(name="auc")], weighted_metrics=weighted
            )
        return model, state(model)

    @functools.cached_property
    def trained(self) -> tuple[Any, dict[str, list[float]]]:
        """A model whose weights and optimizer `fit` made and trained, and its history."""
        model = self.build(tf.keras.optimizers.Adam(0.03))
        return model, self.train(model).history

    def train(self, model: Any) -> Any:
        tf.keras.utils.set_random_seed(0)
        epochs = 8 if self.reference.num_parameters else 1
        return model.fit(self.data.raw, self.data.label, batch_size=16, epochs=epochs, verbose=0)

    def make_weights(self, model: Any) -> None:
        """Makes those of the optimizer too: then `fit` traces its step once, and not twice."""
        self.scores(model)
        model.optimizer.build(model.trainable_variables)

    def randomise(self, model: Any) -> None:
        """Makes all weights of the size of one."""
        rng = np.random.default_rng(0)
        for variable in model.trainable_variables:
            variable.assign(rng.normal(size=variable.shape) / 2)
        if hasattr(model, "propagate"):
            model.propagate()

    def loss(self, model: Any) -> float:
        return float(model.compute_loss((self.data.raw, self.data.label)))

    def has_learned(self, model: Any) -> bool:
        return self.loss(model) < 0.9 * self.loss(self.build())

    def scores(self, model: Any, raw: Any = None) -> np.ndarray:
        raw = self.data.raw if raw is None else raw
        is_retrieval = self.entry.family == "retrieval"
        return (model.scores(raw) if is_retrieval else model(raw)).numpy()

    def losses(self, model: Any) -> np.ndarray:
        """The [rows] losses of the reference."""
        scores, data = self.reference.forward(model, self.data.numpy()), self.data
        if hasattr(self.reference, "losses"):
            return self.reference.losses(scores, data)
        own = scores[np.arange(len(scores)), data.classes]
        return np.where(data.classes >= 0, np.log(np.exp(scores).sum(1)) - own, 0)

    @property
    def counted(self) -> np.ndarray:
        """[rows] whether an example is in the mean of the losses: unknown items are not."""
        if self.entry.family == "retrieval":
            return self.data.classes >= 0
        return np.ones(len(self.data.label), bool)

    def training_loss(self, model: Any, weight: Any = 1.0) -> float:
        """What training reports: the mean of the losses, or of those that only training has."""
        if hasattr(self.reference, "training_losses"):
            losses, counts = self.reference.training_losses(model, self.data)
        else:
            losses, counts = self.losses(model), self.counted
        return float(np.sum(weight * losses * counts) / counts.sum())

    def request(self, **changes: Any) -> dict[str, np.ndarray]:
        """The last rows, in which all is known, with other values; None leaves a key out."""
        spec = self.data.features.spec
        raw = spec.raw_query if self.entry.family == "retrieval" else spec.raw
        rows = {**{key: self.data.raw[key][-KNOWN:] for key in raw}, **changes}
        return request_arrays(raw, {key: v for key, v in rows.items() if v is not None})
