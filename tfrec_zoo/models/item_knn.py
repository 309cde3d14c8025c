"""ItemKNN: recommends items that the same users watched, by shrunk cosine similarity.

Sarwar et al., "Item-based Collaborative Filtering Recommendation Algorithms", WWW 2001; the top N
by Deshpande & Karypis, "Item-based Top-N Recommendation Algorithms", TOIS 2004.

    score(u, i) = Σ_{j ∈ history(u), i ∈ N(j)} s_ji,    s_ji = G_ji / (√(G_jj G_ii) + shrink)

or over j ∈ history(u) ∩ N(i), the form that Ferrari Dacrema et al. measure.
"""

from typing import Any

import numpy as np

from tfrec_zoo.features import Features
from tfrec_zoo.models.item_to_item import ItemToItem, NeighborsOf


class ItemKNN(ItemToItem):
    """Recommends the nearest neighbors of the items of the history.

    G counts the users who watched both items, so without shrinkage s is the cosine of two item
    columns of the user-item matrix. Shrinkage moves the similarity of items with few users towards
    zero. Well tuned, this baseline is hard to beat. See `ItemToItem` for how it is trained.

    Of whom the nearest are kept makes a difference. Per item j of the history, N(j) is what j
    nominates (Deshpande & Karypis), and frequent items, which are near to many, are nominated most.
    Per candidate i, only the items nearest to i speak for it (Sarwar et al.; the form in which
    Ferrari Dacrema et al. publish it), and a rare candidate has as many that may as a frequent one.

    Args:
        features: Fitted features; the query is one bag of item ids, the history.
        max_neighbors: Size of N; None for all items. Ferrari Dacrema et al. search 5 to 1,000.
        shrink: Constant added to the denominator; 0 is the plain cosine. Ferrari Dacrema et al.
            search 0 to 1,000.
        neighbors_of: `"history"` keeps the nearest of each item of the history, `"candidate"` those
            of each candidate.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(BagColumn(VocabularyColumn("history", space="video")),),
    ...                    candidate=(VocabularyColumn("video", space="video"),))
    >>> x = {"history": np.array(["a", "a", "a", ""])[:, None]}
    >>> y = np.array(["b", "b", "c", "b"])
    >>> model = ItemKNN(Features.fit(spec, {**x, "video": y}), shrink=0.0)
    >>> model.compile()
    >>> _ = model.fit(x, y, verbose=0)
    >>> print(model.scores({"history": np.array([["a"]])}).numpy().round(2))  # Of a, b and c.
    [[0.   0.67 0.58]]

    References:
        Deshpande & Karypis, TOIS 2004, https://doi.org/10.1145/963770.963776; shrinkage, neighbors
        per candidate, and their tuning: Ferrari Dacrema et al., TOIS 2021, https://arxiv.org/abs/1911.07698
    """

    def __init__(
        self,
        features: Features,
        *,
        max_neighbors: int | None = 100,
        shrink: float = 10.0,
        neighbors_of: NeighborsOf = "history",
        name: str | None = None,
    ) -> None:
        super().__init__(features, max_neighbors, neighbors_of, name=name)
        if not shrink >= 0:
            raise ValueError(f"`shrink` must be at least 0. Received: {shrink}")

        # Config.
        self.shrink = shrink

    def solution(self, gram: np.ndarray) -> np.ndarray:
        """Returns the similarities s, [items, items], with zeros on the diagonal."""
        norm = np.sqrt(np.diag(gram))
        denominator = np.outer(norm, norm) + self.shrink
        s = np.divide(gram, denominator, out=np.zeros_like(gram), where=denominator > 0)
        np.fill_diagonal(s, 0.0)
        return s

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments as a JSON-serializable dict."""
        config = super().get_config()
        return {**config, "shrink": self.shrink, "neighbors_of": self.neighbors_of}
