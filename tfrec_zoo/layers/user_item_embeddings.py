"""UserItemEmbeddings: a vector for the user's id and one for the item's."""

from typing import Any

import tensorflow as tf

from tfrec_zoo.features import (
    Column,
    EmbeddingTable,
    Encoded,
    Features,
    VocabularyColumn,
    seed_after,
)


def user_and_item(features: Features) -> tuple[VocabularyColumn, VocabularyColumn]:
    """The two columns of a model that knows ids alone.

    Raises:
        ValueError: If the spec has others than one `VocabularyColumn` on either side.
    """
    return _only_ids("query", features.spec.query), _only_ids("candidate", features.spec.candidate)


def _only_ids(side: str, columns: tuple[Column, ...]) -> VocabularyColumn:
    if len(columns) == 1 and isinstance(columns[0], VocabularyColumn):
        return columns[0]
    raise ValueError(
        "This model reads ids alone: the spec must have one VocabularyColumn of users as `query` "
        "and one of items as `candidate` (FactorizationMachine takes more). "
        f"Received: {side}={columns!r}"
    )


class UserItemEmbeddings(tf.keras.layers.Layer):
    """p_u and q_i: the latent vectors of a user and an item; those of unknown ids are zero.

    Args:
        features: Fitted features, with one column of users and one of items.
        dimension: Width of the vectors.
        stddev: Of the normal distribution that initial vectors are drawn from.
        l2: L2 penalty on both tables as a whole.
        batch_l2: L2 penalty on the rows of a batch.
        seed: Of the initial vectors.

    Call arguments:
        encoded: What a `Preprocessor` returned.

    Returns:
        p, [batch, dimension], and q, [batch, dimension] or [batch, candidates, dimension].
    """

    def __init__(
        self,
        features: Features,
        dimension: int,
        stddev: float = 0.01,
        l2: float = 0.0,
        batch_l2: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.columns = user_and_item(features)
        regularizer = tf.keras.regularizers.L2(l2) if l2 else None
        self.user, self.item = (
            EmbeddingTable(
                features.num_ids(column),
                dimension,
                tf.keras.initializers.RandomNormal(stddev=stddev, seed=seed_after(seed, i)),
                regularizer,
                batch_l2,
                name=f"{self.name}_{side}",
            )
            for i, (column, side) in enumerate(zip(self.columns, ("user", "item"), strict=True))
        )

    def call(self, encoded: Encoded) -> tuple[tf.Tensor, tf.Tensor]:
        """Looks both up; see the class."""
        user, item = self.columns
        return self.user(encoded["ids"][user.name]), self.item(encoded["ids"][item.name])


def beside(query: tf.Tensor, candidate: tf.Tensor) -> tf.Tensor:
    """A [batch, dim] query as [batch, 1, dim] where candidates are [batch, candidates, dim]."""
    return query[:, None] if candidate.shape.rank == 3 else query
