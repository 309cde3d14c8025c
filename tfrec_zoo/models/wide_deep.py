"""WideDeep: a linear model of crosses that memorizes, and a deep network that generalizes.

Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016.

    P(positive) = σ(w_wide · [x; φ(x)] + w_deep · ReLU tower([embeddings; numbers]) + b)
"""

from types import MappingProxyType
from typing import Any, Literal

import pandas as pd
import tensorflow as tf

from tfrec_zoo import optimizers
from tfrec_zoo.features import Features, NumberColumn, seed_after
from tfrec_zoo.layers import LinearFeatures, Logit, Normalization, Tower, beside, sum_fields
from tfrec_zoo.models.embedding_ranking import EmbeddingRankingModel
from tfrec_zoo.needs import Need


class WideDeep(EmbeddingRankingModel):
    """Combines one weight per sparse feature and declared cross-product with a deep network.

    The wide side weights every id of the categorical columns, bare, embedded or crossed
    (`CrossedColumn`: φ in the paper, "AND(installed=netflix, shown=pandora)"). The deep side reads
    the dense columns: embeddings, numbers and indicators. Both are trained jointly, each by its own
    optimizer: FTRL with L1, which makes weights exactly zero, and AdaGrad.

    Args:
        features: Fitted features, with at least one categorical and one dense column.
        hidden_units: Width of each layer of the tower; (1024, 512, 256) in the paper.
        embedding_dim: Width of the embedding columns that declare none; 32 in the paper.
        sides: `"wide"` or `"deep"` leaves out the other side, for comparison.
        dropout: Dropout rate after each layer of the tower.
        activation: Activation function of the tower's layers.
        normalization: What the units of hidden layers go through before the activation:
            `"batch"` or `"layer"` normalization, or nothing.
        embedding_initializer: Initializer of the embedding tables; normal (stddev 0.01) by default.
        l2: L2 penalty on the deep side's whole embedding tables and kernels.
        batch_l2: L2 penalty on the deep side's embedding rows of a batch.
        seed: Seed of the initial weights and of dropout.

    Raises:
        ValueError: If there is no column for a side.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> user, video = VocabularyColumn("user_id"), VocabularyColumn("video_id")
    >>> spec = FeatureSpec(query=(EmbeddingColumn(user),),
    ...                    candidate=(EmbeddingColumn(video), CrossedColumn((user, video), 100)))
    >>> x = {"user_id": np.array(["u", "v", "v"]), "video_id": np.array(["a", "b", "a"])}
    >>> model = WideDeep(Features.fit(spec, x), hidden_units=(8,))
    >>> model.compile()
    >>> _ = model.fit(x, np.array([0.0, 1.0, 0.0]), verbose=0)
    >>> model.predict(x, verbose=0).shape
    (3,)

    References:
        Cheng et al., DLRS 2016, equations 1 to 3 and §4.2.
    """

    has_wide_side = True
    needs = (
        *EmbeddingRankingModel.needs,
        Need(
            (
                *("hidden_units", "embedding_dim", "embedding_initializer"),
                *("dropout", "activation", "normalization", "l2", "batch_l2"),
            ),
            lambda given: given["sides"] != "wide",
            'is of the deep side, which sides="wide" leaves out: leave it at its default',
        ),
    )
    quick_arguments = MappingProxyType({"hidden_units": (128, 64), "dropout": 0.1})

    def __init__(
        self,
        features: Features,
        *,
        hidden_units: tuple[int, ...] = (1024, 512, 256),
        embedding_dim: int | None = 32,
        sides: Literal["both", "wide", "deep"] = "both",
        dropout: float = 0.0,
        activation: Any = "relu",
        normalization: Normalization | None = None,
        embedding_initializer: Any = None,
        l2: float = 0.0,
        batch_l2: float = 0.0,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        if sides not in ("both", "wide", "deep"):
            raise ValueError(f'`sides` must be "both", "wide" or "deep". Received: {sides!r}')
        super().__init__(
            features,
            embedding_dim=embedding_dim,
            embedding_initializer=embedding_initializer,
            l2=l2,
            batch_l2=batch_l2,
            seed=seed,
            name=name,
        )

        # Layers.
        if sides != "deep":
            sparse = tuple(c for c in features.spec.columns if not isinstance(c, NumberColumn))
            self.wide = LinearFeatures(features, sparse)
        if sides == "wide":
            self.tables = {}  # Without a deep side, nothing reads or trains them.
        else:
            self.deep_inputs = self.dense_features()
            self.tower = Tower(
                hidden_units, activation, dropout, l2, seed, normalization=normalization
            )
            self.deep_logit = Logit(l2, seed_after(seed, len(hidden_units)))

        # Config.
        self.hidden_units = tuple(hidden_units)
        self.sides = sides
        self.dropout = dropout
        self.activation = tf.keras.activations.get(activation)
        self.normalization = normalization

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the logits, [batch] or [batch, candidates]."""
        encoded = self.encode(inputs)
        logits = []
        if self.sides != "deep":
            logits.append(self.wide(encoded))
        if self.sides != "wide":
            deep = self.tower(beside(self.deep_inputs.vectors(encoded)), training=training)
            logits.append(self.deep_logit(deep))
        return self.bias + sum_fields(logits)

    def compile(self, optimizer: Any = ("ftrl", "adagrad"), *args: Any, **kwargs: Any) -> None:
        """Configures training as in Keras; `optimizer` may be a pair, the wide side's first.

        Names are resolved by `optimizers.make`; pass instances to choose rates and L1:
        `[optimizers.make("ftrl", learning_rate=0.1, l1_regularization_strength=1e-4), "adagrad"]`.
        The bias belongs to the deep side, so L1 does not reach it.
        """
        if isinstance(optimizer, list | tuple):
            if len(optimizer) != 2:
                raise ValueError(
                    "`optimizer` must be one, or two: the wide side's and the deep side's. "
                    f"Received: {optimizer!r}"
                )
            wide, deep = (
                optimizers.make(one) if isinstance(one, str) else one for one in optimizer
            )
            optimizer = optimizers.WideDeepOptimizer(
                wide, deep, lambda: self.wide_variables, lambda: self.deep_variables
            )
        super().compile(optimizer, *args, **kwargs)

    @property
    def wide_variables(self) -> list[tf.Variable]:
        """The trainable variables of the wide side."""
        return self.wide.trainable_variables if self.sides != "deep" else []

    @property
    def deep_variables(self) -> list[tf.Variable]:
        """All other trainable variables, including the bias."""
        wide = {variable.ref() for variable in self.wide_variables}
        return [v for v in self.trainable_variables if v.ref() not in wide]

    def zeros(self) -> pd.DataFrame:
        """Counts the exact zeros among wide weights, per column: `column`, `weights`, `zeros`."""
        counts = [
            (name, table.num_ids, int((table.table.numpy() == 0).sum()))
            for name, table in self.wide.tables.items()
        ]
        return pd.DataFrame(counts, columns=["column", "weights", "zeros"])

    def statistics(self) -> dict[str, float]:
        """The number of parameters, and the share of wide weights that are exactly zero."""
        statistics = super().statistics()
        if self.wide_variables:
            zeros = self.zeros()
            statistics["wide_zeros"] = float(zeros["zeros"].sum() / zeros["weights"].sum())
        return statistics

    def strongest_crosses(self, number: int = 10) -> pd.DataFrame:
        """Returns the largest cross weights of either sign, in words: `cross` and `weight`.

        Only crosses with a vocabulary (`CrossedColumn(..., top_n=)`) count: hashed ones have no
        words.

        Raises:
            ValueError: If there is no such cross.
        """
        found = []
        for column in self.features.spec.crosses:
            if column.top_n is None:
                continue
            weights = self.wide.tables[column.name].table.numpy()[:, 0]
            order = abs(weights).argsort()[::-1][:number]
            words = self.features.in_words(column, order + 1)
            found.append(pd.DataFrame({"cross": words, "weight": weights[order]}))
        if not found:
            crosses = [column.name for column in self.features.spec.crosses]
            raise ValueError(
                "Words are known of crosses with a vocabulary: CrossedColumn(..., top_n=...). "
                f"Received: {crosses}"
            )
        strongest = pd.concat(found).sort_values("weight", key=abs, ascending=False)
        return strongest.head(number).reset_index(drop=True)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "sides": self.sides,
            "dropout": self.dropout,
            "activation": tf.keras.activations.serialize(self.activation),
            "normalization": self.normalization,
        }
