"""UserItemEmbeddings: one latent vector per user and one per item."""

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
    """Returns the user and the item column of a model that reads nothing but these two ids.

    Raises:
        ValueError: If the query or the candidate is anything but one `VocabularyColumn`.
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
    """Looks up the latent vectors p_u of a user and q_i of an item; unknown ids get zeros.

    Args:
        features: Fitted features, with one column of user ids and one of item ids.
        dimension: Width of the vectors.
        stddev: Standard deviation of the normal distribution that the initial vectors are drawn
            from.
        l2: L2 penalty on the whole embedding tables.
        batch_l2: L2 penalty on the embedding rows that a batch looks up.
        seed: Seed of the initial vectors.

    Call arguments:
        encoded: Encoded features, as a `Preprocessor` returns them.

    Returns:
        The pair of p, [batch, dimension], and q, [batch, dimension] or
        [batch, candidates, dimension].
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
        self.features = features
        self.dimension = dimension
        self.stddev = stddev
        self.l2 = l2
        self.batch_l2 = batch_l2
        self.seed = seed
        self.columns = user_and_item(features)
        regularizer = tf.keras.regularizers.L2(l2) if l2 else None
        self.user, self.item = (
            EmbeddingTable(
                features.num_ids(column),
                dimension,
                tf.keras.initializers.RandomNormal(stddev=stddev, seed=seed_after(seed, i)),
                regularizer,
                batch_l2,
                column.space,
                name=f"{self.name}_{side}",
            )
            for i, (column, side) in enumerate(zip(self.columns, ("user", "item"), strict=True))
        )

    def call(self, encoded: Encoded) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the vectors of the users and of the items."""
        user, item = self.columns
        return self.user(encoded["ids"][user.name]), self.item(encoded["ids"][item.name])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {
            **super().get_config(),
            "features": self.features.to_config(),
            "dimension": self.dimension,
            "stddev": self.stddev,
            "l2": self.l2,
            "batch_l2": self.batch_l2,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "UserItemEmbeddings":
        """Makes an untrained layer of the same configuration."""
        return cls(**{**config, "features": Features.from_config(config["features"])})


def align_with(query: tf.Tensor, candidate: tf.Tensor) -> tf.Tensor:
    """Adds a candidate axis to a [batch, dim] query if the candidates have one.

    Returns:
        The query, [batch, 1, dim] if `candidate` is [batch, candidates, dim], else [batch, dim].
    """
    return query[:, None] if candidate.shape.rank == 3 else query
