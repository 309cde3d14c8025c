"""YouTubeRetrieval: candidate generation as classification over the whole catalogue.

Covington, Adams & Sargin, "Deep Neural Networks for YouTube Recommendations", RecSys 2016, §3.

    P(w_t = i | U, C) = exp(v_i · u) / Σ_j exp(v_j · u),    u = ReLU tower([mean embeddings; rest])
"""

from collections.abc import Mapping
from typing import Any, Literal

import tensorflow as tf

from tfrec_zoo.features import (
    DenseFeatures,
    EmbeddingColumn,
    EmbeddingTable,
    Encoded,
    Features,
    make_embedding_tables,
    seed_after,
)
from tfrec_zoo.layers import (
    Dropout,
    HierarchicalSoftmax,
    Normalization,
    Tower,
    huffman_leaves,
    zipf_counts,
)
from tfrec_zoo.models.arguments import OF_TOWER
from tfrec_zoo.models.retrieval import NegativesLike, RetrievalModel
from tfrec_zoo.needs import Need


def _initializer(seed: int | None) -> tf.keras.initializers.Initializer:
    return tf.keras.initializers.RandomNormal(stddev=0.05, seed=seed)


class YouTubeRetrieval(RetrievalModel):
    """Generates candidates for a user from the history of watches and searches.

    Bags of watches and search tokens are embedded and averaged, concatenated with everything else
    known about the user and the context, and passed through a tower of ReLU layers. A softmax over
    all items classifies its output u. No user id is needed, so a new user gets recommendations from
    the history alone.

    Args:
        features: Fitted features. The query columns are the input of the network; the candidate's
            vocabulary column is the item to predict.
        hidden_units: Width of each layer of the tower, the widest first. The paper's depths 1 to 4
            are (256,), (512, 256), (1024, 512, 256) and (2048, 1024, 512, 256); () is its depth 0,
            a linear layer.
        embedding_dim: Width of u at depth 0; at other depths it is the last of `hidden_units`.
        negatives: Which items stand for all others in training, such as `"log-uniform"`, of which
            the paper samples "several thousand" and corrects for it by importance weighting; None
            is the full softmax. See `Negatives`.
        output: `"softmax"`, or `"hierarchical"`, which the paper tried in §3.1 and found less
            accurate: a `HierarchicalSoftmax` on u, for items whose frequencies follow Zipf's law.
            Its training steps cost the same for any number of items without sampling. The model has
            no item vectors then: it returns the log-probabilities of all items, and these are
            the scores. For large catalogues there is the index `"beam"` of exports.
        tied: Whether the item vectors v are the input embeddings instead of a separate table.
        temperature: Temperature that u is divided by, and with it every product v · u.
        dropout: Dropout rate on the concatenated input and between the layers of the tower.
        l2: L2 penalty on the kernels and on the whole embedding tables.
        activation: Activation function of the tower's layers.
        normalization: What the units of hidden layers go through before the activation:
            `"batch"` or `"layer"` normalization, or nothing.
        seed: Seed of the initial weights, of dropout and of sampling.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(
    ...     query=(EmbeddingColumn(BagColumn(VocabularyColumn("history", space="video"))),),
    ...     candidate=(VocabularyColumn("video_id", space="video"),))
    >>> features = Features.fit(spec, {"video_id": ["a", "b", "c"]})
    >>> model = YouTubeRetrieval(features, hidden_units=(8, 4))
    >>> model.compile("adam")
    >>> x = {"history": np.array([["a", "b"], ["b", ""]])}
    >>> _ = model.fit(x, np.array(["c", "a"]), verbose=0)
    >>> model.scores(x).shape
    TensorShape([2, 3])

    References:
        Covington et al., RecSys 2016, figure 3; sampling: Jean et al., ACL 2015; hierarchical
        softmax: Morin & Bengio, AISTATS 2005, and Mikolov et al., NIPS 2013.
    """

    needs = (
        OF_TOWER,
        Need(
            ("embedding_dim",),
            lambda given: not given["hidden_units"],
            "is the width at depth 0, at others the last of `hidden_units` is: set those",
        ),
    )
    _HIDDEN_UNITS = (1024, 512, 256)
    _EMBEDDING_DIM = 256

    @classmethod
    def input_width(cls, arguments: Mapping[str, Any]) -> int | None:
        """64; where item vectors are `tied` to the input embeddings, the width of u."""
        if not arguments.get("tied"):
            return 64
        units = arguments.get("hidden_units", cls._HIDDEN_UNITS)
        return units[-1] if units else arguments.get("embedding_dim", cls._EMBEDDING_DIM)

    def __init__(
        self,
        features: Features,
        *,
        hidden_units: tuple[int, ...] = _HIDDEN_UNITS,
        embedding_dim: int = _EMBEDDING_DIM,
        negatives: NegativesLike = None,
        output: Literal["softmax", "hierarchical"] = "softmax",
        tied: bool = False,
        temperature: float = 1.0,
        dropout: float = 0.0,
        l2: float = 0.0,
        activation: Any = "relu",
        normalization: Normalization | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, negatives, seed, name=name)
        if temperature <= 0:
            raise ValueError(f"`temperature` must be positive. Received: {temperature}")
        if output == "hierarchical" and (tied or negatives is not None):
            raise ValueError(
                '`tied` and `negatives` are for the output "softmax". '
                f"Received: tied={tied}, negatives={negatives!r}, output={output!r}"
            )
        if output == "hierarchical" and self.num_items < 2:
            raise ValueError(
                f"A hierarchical output needs two items or more. Received: {self.num_items}"
            )

        # Layers.
        regularizer = tf.keras.regularizers.L2(l2) if l2 else None
        output_seed = seed_after(seed, 1000)
        self.tables = make_embedding_tables(features, _initializer(seed), regularizer)
        self.inputs_layer = DenseFeatures(features, features.spec.query, self.tables)
        self.input_dropout = Dropout(dropout, seed=seed)
        if hidden_units:
            self.tower = Tower(
                hidden_units,
                activation,
                dropout,
                l2,
                seed,
                drop_output=False,
                normalization=normalization,
            )
        else:
            self.tower = Tower((embedding_dim,), "linear", 0.0, l2, seed)
        dim = self.tower.hidden_units[-1]
        self.output_table = None
        if output == "hierarchical":
            leaves = huffman_leaves(zipf_counts(self.num_items))
            self.hierarchy = HierarchicalSoftmax(leaves, dim, l2, name="hierarchy")
        elif tied:
            self.output_table = self._input_table(dim)
        else:
            self.output_table = EmbeddingTable(
                self.num_items,
                dim,
                _initializer(output_seed),
                regularizer,
                space=self.item_column.space,
                name="output_table",
            )

        # Config.
        self.hidden_units = tuple(hidden_units)
        self.embedding_dim = embedding_dim
        self.tied = tied
        self.temperature = temperature
        self.dropout = dropout
        self.l2 = l2
        self.activation = tf.keras.activations.get(activation)
        self.normalization = normalization

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the user vectors u, [batch, dim], or log-probabilities, [batch, items]."""
        u = self.user_vectors(inputs, training)
        return u if self.hierarchy is None else self.hierarchy(u)

    def user_vectors(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Returns the user vectors u, [batch, dim], whatever the output."""
        x = self.inputs_layer(self.encode(inputs))
        x = self.input_dropout(x, training=training)
        return tf.cast(self.tower(x, training=training), tf.float32) / self.temperature

    def candidates(self) -> tf.Tensor | None:
        """Returns the item vectors v, [items, dim]; None if the output is hierarchical."""
        if self.output_table is None:
            return None
        return tf.convert_to_tensor(self.output_table.table)

    def item_vectors(self, classes: tf.Tensor) -> tf.Tensor:
        """Returns the vectors v of the given classes, [n, dim]."""
        assert self.output_table is not None
        return self.output_table(classes + 1)

    def example_losses(
        self, inputs: Encoded, label: tf.Tensor | None, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns −log P of each label, and in evaluation the scores.

        A hierarchical output computes the nodes on the labels' paths only, and all others where
        there are metrics to be updated.
        """
        if self.hierarchy is None:
            return super().example_losses(inputs, label, training)
        classes = self.classes(label)
        u = self.user_vectors(inputs, training)
        losses = self.hierarchy.cross_entropy(u, tf.maximum(classes, 0))
        return tf.where(classes >= 0, losses, 0.0), None if training else self.hierarchy(u)

    def _input_table(self, dim: int) -> EmbeddingTable:
        for column in self.inputs_layer.columns:
            if not isinstance(column, EmbeddingColumn):
                continue
            if column.categorical.space == self.item_column.space:
                table = self.tables[column.table]
                if table.dimension == dim:
                    return table
                raise ValueError(
                    "Tied item vectors need input embeddings as wide as the last of "
                    f"`hidden_units`. Received: {table.dimension} and {dim}"
                )
        raise ValueError(
            "Tied item vectors need a query EmbeddingColumn in the items' ID space "
            f"{self.item_column.space!r}. Received: {self.features.spec.query!r}"
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "embedding_dim": self.embedding_dim,
            "output": "softmax" if self.hierarchy is None else "hierarchical",
            "tied": self.tied,
            "temperature": self.temperature,
            "dropout": self.dropout,
            "l2": self.l2,
            "activation": tf.keras.activations.serialize(self.activation),
            "normalization": self.normalization,
            "negatives": self.negatives and self.negatives.to_config(),
            "seed": self.seed,
        }
