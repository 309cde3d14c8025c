"""D2Q: regresses the quantile of the watch time among videos of about the same duration.

Zhan et al., "Deconfounding Duration Bias in Watch-time Prediction for Video Recommendation", KDD
2022.

    T ≈ F_g⁻¹(σ(w · ReLU tower(features) + b)),    loss = (σ(…) − F_g(T))²,    g: group of duration
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tfrec_zoo.features import Encoded, Features, NumericColumn, seed_after
from tfrec_zoo.layers import Logit, Normalization, Tower, WatchTimeQuantiles, beside
from tfrec_zoo.losses import Squared
from tfrec_zoo.models.embedding_ranking import EmbeddingRankingModel
from tfrec_zoo.models.inputs import label_array
from tfrec_zoo.needs import Need

#: The least watch time that is predicted, of which there is a logarithm.
_LEAST = 1e-6
#: Number of examples that `adapt` looks at.
_EXAMPLES = 1_000_000


class D2Q(EmbeddingRankingModel):
    """Predicts watch times by their quantile among videos of about the same duration.

    A long video is watched for longer whether or not it is liked. Within a group of durations the
    quantile of a watch time says how much it is liked, and its distribution turns the predicted
    quantile into seconds. The logit is the logarithm of the predicted watch time, so that lists are
    in the order of watch times. The groups and distributions are learned by `adapt`, which
    `tfrec_zoo.train` calls.

    Args:
        features: Fitted features, with at least one dense column.
        target: What the network regresses: `"quantile"`, F_g(T); or one of the paper's baselines,
            the `"seconds"` as multiples of the mean watch time, or the `"completion"`, the share of
            the duration. The paper does not say how predictions are kept positive: the quantile is
            σ of the network's output here, the others are softplus of it.
        duration: Key of the candidates' numeric feature that is their duration. Without it all
            impressions are of unknown duration, which is one group.
        num_groups: Number of groups of durations, each with as many impressions; the paper tunes
            it.
        num_quantiles: Number of points between which a distribution is interpolated.
        embedding_dim: Width of the embedding columns that declare none. None lets it grow with the
            logarithm of the number of ids.
        hidden_units: Width of each layer of the tower; () is a linear model.
        dropout: Dropout rate after each layer of the tower.
        activation: Activation function of the tower.
        normalization: What the units of hidden layers go through before the activation:
            `"batch"` or `"layer"` normalization, or nothing.
        embedding_initializer: Initializer of the embedding tables; normal (stddev 0.01) by default.
        l2: L2 penalty on the kernels and on the whole embedding tables.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        seed: Seed of the initial weights and of dropout.

    Raises:
        ValueError: If completion is to be predicted, and no candidate's feature is the duration.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(NumericColumn("age"),),
    ...                    candidate=(NumericColumn("length"),))
    >>> x = {"age": np.array([20.0, 40.0, 30.0]), "length": np.array([15.0, 60.0, 60.0])}
    >>> model = D2Q(Features.fit(spec, x), hidden_units=(8,), num_groups=2)
    >>> model.compile("adam")
    >>> model.adapt(x, np.array([5.0, 0.0, 60.0]))
    >>> _ = model.fit(x, np.array([5.0, 0.0, 60.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Zhan et al., KDD 2022, https://arxiv.org/abs/2206.06003
    """

    default_task = "watch-time"
    arguments_to_predict = MappingProxyType({"watch time": MappingProxyType({})})
    quick_arguments = MappingProxyType({"hidden_units": (128, 64), "dropout": 0.1})
    needs = (
        *EmbeddingRankingModel.needs,
        Need(
            ("num_groups", "num_quantiles"),
            lambda given: given["target"] == "quantile",
            'is for the target "quantile": leave it out',
        ),
        Need(
            ("duration",),
            lambda given: given["target"] != "seconds",
            "makes no difference to seconds: leave it out, or give another target",
        ),
    )
    adapts = True

    def __init__(
        self,
        features: Features,
        *,
        target: Literal["quantile", "seconds", "completion"] = "quantile",
        duration: str = "length",
        num_groups: int = 30,
        num_quantiles: int = 1000,
        embedding_dim: int | None = None,
        hidden_units: tuple[int, ...] = (128, 64),
        dropout: float = 0.0,
        activation: Any = "relu",
        normalization: Normalization | None = None,
        embedding_initializer: Any = None,
        l2: float = 0.0,
        batch_l2: float = 0.0,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            features,
            embedding_dim=embedding_dim,
            embedding_initializer=embedding_initializer,
            l2=l2,
            batch_l2=batch_l2,
            seed=seed,
            loss=Squared(),
            name=name,
        )
        self.predicts_ratings = False
        columns = [c for c in features.spec.candidate if isinstance(c, NumericColumn)]
        self.has_duration = duration in {column.key for column in columns}
        if target == "completion" and not self.has_duration:
            raise ValueError(
                "`duration` must be the key of a candidate's numeric column, as completion is a "
                f"share of it; there are {[c.key for c in columns]}. Received: {duration!r}"
            )

        # Layers.
        self.dense = self.dense_features()
        self.tower = Tower(hidden_units, activation, dropout, l2, seed, normalization=normalization)
        self.logit = Logit(l2, seed_after(seed, len(hidden_units)))
        self.quantiles = WatchTimeQuantiles(num_groups, num_quantiles)
        self.means = self.add_weight("means", [2], initializer="ones", trainable=False)

        # Config.
        self.target = target
        self.duration = duration
        self.num_groups = num_groups
        self.num_quantiles = num_quantiles
        self.hidden_units = tuple(hidden_units)
        self.dropout = dropout
        self.activation = tf.keras.activations.get(activation)
        self.normalization = normalization

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logarithms of watch times, log T, [batch] or [batch, candidates]."""
        encoded = self.encode(inputs)
        y = self.regressed(encoded, training)  # [...]
        watch_times = self.watch_times(y, self.durations(encoded, y))
        return tf.math.log(tf.maximum(watch_times, _LEAST))

    def regressed(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """Returns what the network predicts, such as quantiles, [batch] or [batch, candidates]."""
        h = self.tower(beside(self.dense.vectors(encoded)), training=training)  # [..., units]
        z = self.bias + self.logit(h)
        return tf.math.sigmoid(z) if self.target == "quantile" else tf.math.softplus(z)

    def watch_times(self, y: tf.Tensor, durations: tf.Tensor) -> tf.Tensor:
        """Returns the watch times that predictions of the network stand for, [...]."""
        if self.target == "quantile":
            return self.quantiles((y, durations))  # F_g⁻¹(y)
        return y * self.unit(durations)

    def targets(self, watch_times: tf.Tensor, durations: tf.Tensor) -> tf.Tensor:
        """Returns what the network should have predicted for watch times, [...]."""
        if self.target == "quantile":
            return self.quantiles.quantiles(watch_times, durations)  # F_g(T)
        return watch_times / self.unit(durations)

    def unit(self, durations: tf.Tensor) -> tf.Tensor:
        """Returns the watch time that a regressed 1 stands for: the mean one, or the duration."""
        if self.target == "seconds":
            return self.means[0]
        is_known = tf.math.is_finite(durations) & (durations > 0)
        return tf.where(is_known, durations, self.means[1])  # [...]

    def durations(self, encoded: Encoded, like: tf.Tensor) -> tf.Tensor:
        """Returns durations in the shape of other numbers, [...]; NaN is unknown."""
        if not self.has_duration:
            return tf.fill(tf.shape(like), np.float32(np.nan))
        return tf.reshape(tf.cast(encoded["values"][self.duration], tf.float32), tf.shape(like))

    def adapt(self, x: Any, y: Any = None) -> None:
        """Learns the groups of durations, and how watch times are distributed in each.

        Args:
            x: Raw features of examples to learn from, in any form that `fit` takes; or a data set
                of features and watch times, of which the first million examples are looked at.
            y: Watch times, if `x` is no data set.
        """
        batches: Iterable[Any] = x if isinstance(x, tf.data.Dataset) else [(x, label_array(y))]
        durations, watched, number = [], [], 0
        for features, label, *_ in batches:
            label = tf.cast(label, tf.float32)
            durations.append(np.ravel(self.durations(self.encode(features), label)))
            watched.append(np.ravel(label))
            number += len(watched[-1])
            if number >= _EXAMPLES:
                break
        lengths, seconds = np.concatenate(durations), np.concatenate(watched)
        self.quantiles.adapt(lengths, seconds)
        lengths = lengths[np.isfinite(lengths) & (lengths > 0)]
        means = [
            values.mean(dtype=np.float64) if len(values) else 1 for values in (seconds, lengths)
        ]
        self.means.assign([mean or 1 for mean in means])

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the squared error of each impression, and the logarithm of its watch time."""
        y = self.regressed(inputs, training)
        durations = self.durations(inputs, y)
        is_adapted = tf.debugging.assert_positive(
            self.quantiles.num_adapted,
            "Distributions of watch times have to be learned first: call `adapt(x, y)`.",
        )
        # In a graph nothing else keeps a step from being taken without them.
        with tf.control_dependencies([is_adapted] if is_adapted is not None else []):
            targets = self.targets(self.labels_like(label, y), durations)
        losses = self.task(labels=targets, predictions=y, compute_metrics=False)
        watch_times = self.watch_times(y, durations)
        return losses, tf.math.log(tf.maximum(watch_times, _LEAST))

    @property
    def predicts(self) -> Literal["score", "probability", "rating", "watch time"]:
        """The watch time."""
        return "watch time"

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns the watch times e^logit."""
        return tf.exp(logits)

    @property
    def monitor(self) -> str:
        """The loss, which tells the best regression."""
        return "val_loss"

    @property
    def monitor_metrics(self) -> list[tf.keras.metrics.Metric]:
        """None, besides the loss."""
        return []

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "target": self.target,
            "duration": self.duration,
            "num_groups": self.num_groups,
            "num_quantiles": self.num_quantiles,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
            "activation": tf.keras.activations.serialize(self.activation),
            "normalization": self.normalization,
        }
