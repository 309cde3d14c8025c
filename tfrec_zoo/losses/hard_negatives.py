"""HardNegatives: items that the model lately put first for a query, and that were not chosen.

    j ~ softmax(u · v̄_j / T) over the pool, v̄ the item vectors when the pool was last mined

Xiong et al., "Approximate Nearest Neighbor Negative Contrastive Learning for Dense Text Retrieval",
ICLR 2021, mine negatives from an index of the model as it was some steps ago; here the index is
exact, over a pool of the catalogue.
"""

from typing import Any

import tensorflow as tf

from tfrec_zoo import draws
from tfrec_zoo.reads import taken


class HardNegatives(tf.keras.layers.Layer):
    """Keeps vectors of a pool of items, and draws for each query from what is near it.

    Args:
        pool: Number of items of the pool; the cost of a draw grows with it, not with the catalogue.
        temperature: Temperature T; at 0 the nearest items are drawn.
        seed: Seed of the draw.

    Call arguments:
        query: Query vectors, [batch, dim].
        positives: Classes of the examples, [batch], which are not drawn.
        number: Number of items for the batch.

    Returns:
        Classes, int32 [drawn], as many for each query and at least one; −1 before `fill`.
    """

    #: It is filled anew in each training.
    is_learned = False

    def __init__(
        self, pool: int, temperature: float = 1.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "autocast": False, "trainable": False})
        self.pool = pool
        self.temperature = temperature
        self.seed = seed
        self.classes = self._add("classes", [pool], "int32", -1)

    def build(self, input_shape: Any) -> None:
        """Makes the pool's vectors, as wide as a query's."""
        self.vectors = self._add("vectors", [self.pool, int(input_shape[-1])], "float32", 0)
        super().build(input_shape)

    def fill(self, classes: tf.Tensor, vectors: tf.Tensor) -> None:
        """Mines the pool: takes the items as the model has them at this moment.

        Args:
            classes: Classes of the items, [pool].
            vectors: Their vectors, [pool, dim].
        """
        self.classes.assign(tf.cast(classes, tf.int32))
        self.vectors.assign(vectors)

    def call(self, query: tf.Tensor, positives: tf.Tensor, number: int) -> tf.Tensor:
        """Returns the classes drawn for a batch, [drawn]."""
        query = tf.stop_gradient(tf.cast(query, tf.float32))
        scores = tf.linalg.matmul(query, tf.convert_to_tensor(self.vectors), transpose_b=True)
        if self.temperature:
            uniform = draws.uniform(tf.shape(scores), self.seed, 1e-7, 1.0)
            # The best of scores with Gumbel noise are a sample without replacement.
            scores = scores / self.temperature - tf.math.log(-tf.math.log(uniform))
        is_own = positives[:, None] == tf.convert_to_tensor(self.classes)
        each = tf.maximum(number // tf.maximum(tf.shape(query)[0], 1), 1)
        best = tf.math.top_k(
            tf.where(is_own, -float("inf"), scores), tf.minimum(each, self.pool), sorted=False
        )
        return tf.reshape(taken(self.classes, best.indices), [-1])

    def _add(self, name: str, shape: list[int], dtype: str, value: float) -> tf.Variable:
        return self.add_weight(
            name,
            shape,
            dtype,
            initializer=tf.keras.initializers.Constant(value),
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "pool": self.pool,
            "temperature": self.temperature,
            "seed": self.seed,
        }
