"""EASE: a linear item-to-item regression, solved in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, equation 8.

    min_B ‖X − X B‖² + λ ‖B‖²,  diag(B) = 0:    B = I − P diag(1 / diag(P)),    P = (XᵀX + λI)⁻¹
"""

from typing import Any

import numpy as np

from tfrec_zoo.features import Features
from tfrec_zoo.models.item_to_item import ItemToItem


class EASE(ItemToItem):
    """Predicts each item from all others by ridge regression.

    Weights may be negative: a watched item can count against another. See `ItemToItem` for how the
    model is trained and how large a catalogue may be.

    Args:
        features: Fitted features; the query is one bag of item ids, the history.
        l2: Ridge penalty λ, the only hyperparameter; 500 in the paper on MovieLens-20M.
        max_neighbors: Number of weights to keep in each row of B, the largest by absolute value,
            for a small export. None keeps all, as in the paper, which does not prune.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(BagColumn(VocabularyColumn("history", space="video")),),
    ...                    candidate=(VocabularyColumn("video", space="video"),))
    >>> x = {"history": np.array([["a", "b"], ["b", ""], ["c", ""]])}
    >>> features = Features.fit(spec, {**x, "video": ["a", "b", "c"]})
    >>> model = EASE(features, l2=1.0)
    >>> model.compile()
    >>> _ = model.fit(x, np.array(["b", "a", "d"]), verbose=0)  # Two baskets of a and b.
    >>> print(model.scores({"history": np.array([["a"]])}).numpy().round(2))  # Of b, a and c.
    [[0.67 0.   0.  ]]

    References:
        Steck, WWW 2019, https://arxiv.org/abs/1905.03375
    """

    def __init__(
        self,
        features: Features,
        *,
        l2: float = 500.0,
        max_neighbors: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, max_neighbors, name=name)
        if not l2 > 0:
            raise ValueError(f"`l2` must be positive. Received: {l2}")

        # Config.
        self.l2 = l2

    def solution(self, gram: np.ndarray) -> np.ndarray:
        """Returns B, [items, items].

        Raises:
            ValueError: If `l2` is too small for the counts to be inverted.
        """
        identity = np.eye(len(gram))
        regularized = gram + self.l2 * identity
        try:
            p = np.linalg.inv(regularized)
        except np.linalg.LinAlgError:
            p = np.full_like(gram, np.nan)
        if not np.allclose(regularized @ p.sum(axis=1), 1.0, atol=1e-3):
            raise ValueError(
                "The counts can't be inverted, because `l2` is lost among counts up to "
                f"{gram.max():g}: make it larger. Received: l2={self.l2}"
            )
        return identity - p / np.diag(p)  # Column j is divided by P_jj: the diagonal is exactly 0.

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        return {**super().get_config(), "l2": self.l2}
