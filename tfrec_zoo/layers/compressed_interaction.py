"""CompressedInteraction: products of fields of increasing order, the CIN of xDeepFM."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo.layers.two_sided import TwoSided


class CompressedInteraction(tf.keras.layers.Layer):
    """Crosses whole field vectors, to one order higher with each layer.

        x^k_h = Σ_i Σ_j W^k_hij (x^{k-1}_i ⊙ x^0_j)

    x^0 are the vectors of the fields, so layer k holds products of k + 1 fields. Each x^k_h is a
    feature map, as wide as a field; the output is Σ_d x^k_hd for the maps of all layers. With a
    linear activation the last layer's maps are never materialized, because their sums over d equal
    Σ_i Σ_j W^k_hij ⟨x^{k-1}_i, x^0_j⟩.

    Args:
        layer_sizes: Number of feature maps of each layer.
        activation: Activation function of the feature maps; the identity is best in the paper.
        split_half: Whether, in every layer but the last, one half of the maps feeds the next layer
            and the other half the output, instead of all maps feeding both. This is not in the
            paper, but the default of its authors' code.
        l2: L2 penalty on the kernels.
        seed: Seed of the initial kernels.

    Call arguments:
        x: Vectors of the fields, [..., fields, dim]; or `TwoSided`, of a query and a list of
            candidates. Then what the kernels make of the query's vectors is computed once, which
            leaves products with the candidates' fields alone.

    Returns:
        The pooled feature maps, [..., maps]; without `split_half`, `maps` is the sum of
        `layer_sizes`.

    References:
        Lian et al., "xDeepFM: Combining Explicit and Implicit Feature Interactions for Recommender
        Systems", KDD 2018, equations 6 and 7.
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activation: Any = None,
        split_half: bool = False,
        l2: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not layer_sizes or any(not isinstance(n, int) or n < 1 for n in layer_sizes):
            raise ValueError(
                f"`layer_sizes` must be one or more positive integers. Received: {layer_sizes}"
            )
        if split_half and any(size % 2 for size in layer_sizes[:-1]):
            raise ValueError(
                "To be split, all of `layer_sizes` but the last must be even. "
                f"Received: {layer_sizes}"
            )
        self.layer_sizes = tuple(layer_sizes)
        self.activation = tf.keras.activations.get(activation)
        self.split_half = split_half
        self.l2 = l2
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Creates one kernel per layer, [fields · maps of the previous layer, maps]."""
        of_sides = input_shape if isinstance(input_shape, TwoSided) else [input_shape]
        fields = maps = sum(int(shape[-2]) for shape in of_sides)
        self.kernels = []
        for i, size in enumerate(self.layer_sizes):
            seed = None if self.seed is None else self.seed + i
            kernel = self.add_weight(
                f"kernel_{i + 1}",
                shape=[fields * maps, size],
                initializer=tf.keras.initializers.GlorotUniform(seed=seed),
                regularizer=tf.keras.regularizers.L2(self.l2) if self.l2 else None,
            )
            self.kernels.append(kernel)
            maps = size // 2 if self.split_half else size
        super().build(input_shape)

    def call(self, x: tf.Tensor | TwoSided) -> tf.Tensor:
        """Returns the pooled feature maps of all layers."""
        if isinstance(x, TwoSided):
            return self._of_two_sides(*x)
        fields, dim = x.shape[-2:]
        x_0 = tf.linalg.matrix_transpose(tf.reshape(x, [-1, fields, dim]))  # [rows, dim, fields]
        x_k, pooled = x_0, []
        for kernel in self.kernels[:-1]:
            maps = self._maps(x_0, x_k, kernel)  # [rows, dim, maps]
            x_k, kept = self._fed_and_kept(maps)
            pooled.append(tf.reduce_sum(kept, axis=1))
        kernel = self.kernels[-1]
        if self.activation is tf.keras.activations.linear:
            products = tf.linalg.matmul(x_0, x_k, transpose_a=True)  # [rows, fields, maps]
            pooled.append(tf.reshape(products, [-1, kernel.shape[0]]) @ kernel)
        else:
            pooled.append(tf.reduce_sum(self._maps(x_0, x_k, kernel), axis=1))
        p = tf.concat(pooled, axis=-1)
        return tf.reshape(p, tf.concat([tf.shape(x)[:-2], [p.shape[-1]]], axis=0))

    def _of_two_sides(self, query: tf.Tensor, candidate: tf.Tensor) -> tf.Tensor:
        """Returns the pooled feature maps of all layers, [batch, candidates, maps]."""
        q = tf.linalg.matrix_transpose(query)  # [batch, dim, query fields]
        c = tf.transpose(candidate, [0, 3, 1, 2])  # [batch, dim, candidates, candidate fields]
        split = q.shape[-1]
        fields = split + c.shape[-1]
        first, *kernels = [tf.reshape(k, [fields, -1, k.shape[-1]]) for k in self.kernels]

        # Σ_ij over [q; c] and [q; c]: two fields of the query, one of each side, two candidate's.
        mixed = first[:split, split:] + tf.transpose(first[split:, :split], [1, 0, 2])
        maps = (
            tf.einsum("bdi,bdj,ijh->bdh", q, q, first[:split, :split])[:, :, None]
            + c @ tf.einsum("bdi,ijh->bdjh", q, mixed)
            + _weighted_products(c, c, first[split:, split:])
        )
        pooled = []
        for i, kernel in enumerate(kernels):
            x_k, kept = self._fed_and_kept(self.activation(maps))
            pooled.append(tf.reduce_sum(kept, axis=1))
            if i == len(kernels) - 1 and self.activation is tf.keras.activations.linear:
                products = tf.concat(
                    [tf.einsum("bdj,bdni->bnji", q, x_k), tf.einsum("bdnj,bdni->bnji", c, x_k)],
                    axis=-2,
                )
                pooled.append(tf.einsum("bnji,jih->bnh", products, kernel))
                return tf.concat(pooled, axis=-1)
            # Σ_j W_hij q_j is one matrix per query: [batch, dim, maps before, maps].
            of_query = tf.einsum("bdj,jih->bdih", q, kernel[:split])
            maps = x_k @ of_query + _weighted_products(c, x_k, kernel[split:])
        return tf.concat([*pooled, tf.reduce_sum(self.activation(maps), axis=1)], axis=-1)

    def _fed_and_kept(self, maps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the maps that feed the next layer, and those that are pooled."""
        if not self.split_half:
            return maps, maps
        fed, kept = tf.split(maps, 2, axis=-1)
        return fed, kept

    def _maps(self, x_0: tf.Tensor, x_k: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Returns the feature maps of the next layer, [rows, dim, maps]."""
        # A matmul is as fast as a broadcast product in the forward pass and faster in the backward.
        products = x_0[..., None] @ x_k[..., None, :]  # [rows, dim, fields, maps]
        maps = tf.reshape(products, [-1, kernel.shape[0]]) @ kernel
        return self.activation(tf.reshape(maps, [-1, x_0.shape[1], kernel.shape[1]]))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "layer_sizes": self.layer_sizes,
            "activation": tf.keras.activations.serialize(self.activation),
            "split_half": self.split_half,
            "l2": self.l2,
            "seed": self.seed,
        }


def _weighted_products(x_0: tf.Tensor, x_k: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Returns Σ_i Σ_j W_hij (x^k_i ⊙ x^0_j), [..., maps].

    Args:
        x_0: Vectors of fields, [..., fields].
        x_k: Maps, [..., maps before].
        kernel: [fields, maps before, maps].
    """
    products = x_0[..., :, None] * x_k[..., None, :]
    fields, before, maps = kernel.shape
    rows = tf.reshape(products, [-1, fields * before]) @ tf.reshape(kernel, [-1, maps])
    return tf.reshape(rows, tf.concat([tf.shape(x_k)[:-1], [maps]], axis=0))
