"""BilinearInteraction: one product vector per pair of fields, as in FiBiNET."""

import itertools
from typing import Any

import tensorflow as tf

KINDS = ("all", "each", "interaction")


class BilinearInteraction(tf.keras.layers.Layer):
    """Multiplies every pair of fields bilinearly: p_ij = (v_i W) ⊙ v_j for i < j.

    The result lies between an inner and a Hadamard product. If W is the identity, p_ij is the
    Hadamard product, whose components sum to the ⟨v_i, v_j⟩ of a factorization machine.

    Args:
        kind: How kernels are shared. `"all"` has one kernel for all pairs, `"each"` one per field i
            (except the last, which is never the first of a pair), and `"interaction"` one per pair
            (i, j).
        l2: L2 penalty on the kernels.
        seed: Seed of the initial kernels.

    Call arguments:
        v: Vectors of the fields, [..., fields, dim].

    Returns:
        The products, [..., fields · (fields − 1) / 2, dim], with the pairs in the order
        (1, 2), (1, 3), …, (2, 3), …

    References:
        Huang, Zhang & Zhang, RecSys 2019, §3.3.
    """

    def __init__(
        self, kind: str = "interaction", l2: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if kind not in KINDS:
            raise ValueError(f"`kind` must be one of {KINDS}. Received: {kind!r}")
        self.kind = kind
        self.l2 = l2
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Creates the kernels, each initialized like a single Glorot-uniform [dim, dim] kernel."""
        fields, dim = (int(size) for size in input_shape[-2:])
        if fields < 2:
            raise ValueError(f"A pair needs two fields. Received: v of shape {input_shape}")
        self.first, self.second = zip(*itertools.combinations(range(fields), 2), strict=True)
        kernels = {"all": [], "each": [fields - 1], "interaction": [len(self.first)]}[self.kind]
        limit = (3.0 / dim) ** 0.5
        self.kernel = self.add_weight(
            "kernel",
            shape=[*kernels, dim, dim],
            initializer=tf.keras.initializers.RandomUniform(-limit, limit, seed=self.seed),
            regularizer=tf.keras.regularizers.L2(self.l2) if self.l2 else None,
        )
        super().build(input_shape)

    def call(self, v: tf.Tensor) -> tf.Tensor:
        """Returns the products of all pairs of fields."""
        fields, dim = v.shape[-2:]
        # With the fields on the first axis, a gather copies contiguous blocks and each kernel takes
        # one matrix product. An einsum over [rows, pairs, dim] takes eight times as long.
        x = tf.transpose(tf.reshape(v, [-1, fields, dim]), [1, 0, 2])  # [fields, rows, dim]
        if self.kind == "interaction":
            left = tf.gather(x, self.first) @ self.kernel  # [pairs, rows, dim]
        elif self.kind == "each":
            left = tf.gather(x[:-1] @ self.kernel, self.first)
        else:
            left = tf.gather(tf.tensordot(x, self.kernel, 1), self.first)
        p = tf.transpose(left * tf.gather(x, self.second), [1, 0, 2])  # [rows, pairs, dim]
        return tf.reshape(p, tf.concat([tf.shape(v)[:-2], [len(self.first), dim]], axis=0))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "kind": self.kind, "l2": self.l2, "seed": self.seed}
