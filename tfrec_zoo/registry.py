"""The registry: every architecture by name. A new model joins by one line here."""

import dataclasses
import importlib
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class Entry:
    """One architecture of the zoo.

    Args:
        name: Name of the class.
        family: `"retrieval"` (a query vector against all items) or `"ranking"` (a logit per
            impression).
        paper: Where it was published.
        module: Where its class is.
        reads: `"features"` of any spec, the `"ids"` of a user and an item alone, or a whole
            `"history"`.
    """

    name: str
    family: str
    paper: str
    module: str
    reads: Literal["features", "ids", "history"] = "features"

    def load(self) -> Any:
        """Imports and returns the class."""
        return getattr(importlib.import_module(f"tfrec_zoo.models.{self.module}"), self.name)


_YOUTUBE = (
    "Covington, Adams & Sargin: Deep Neural Networks for YouTube Recommendations, RecSys 2016"
)
_ITEM_KNN = "Deshpande & Karypis: Item-Based Top-N Recommendation Algorithms, TOIS 2004"
_EASE = "Steck: Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019"
_RICHARDSON = "Richardson, Dominowska & Ragno: Predicting Clicks, WWW 2007"
_MF = "Koren, Bell & Volinsky: Matrix Factorization Techniques, Computer 2009"
_NCF = "He et al.: Neural Collaborative Filtering, WWW 2017"
_WIDE_DEEP = "Cheng et al.: Wide & Deep Learning for Recommender Systems, DLRS 2016"
_DEEP_CROSSING = "Shan et al.: Deep Crossing, Web-Scale Modeling without Crafted Features, KDD 2016"
_DEEPFM = "Guo et al.: DeepFM, a Factorization-Machine based Neural Network, IJCAI 2017"
_FIBINET = "Huang, Zhang & Zhang: FiBiNET, Feature Importance and Bilinear Interaction, RecSys 2019"
_DCN = "Wang et al.: Deep & Cross Network for Ad Click Predictions, ADKDD 2017"
_DCNV2 = "Wang et al.: DCN V2, Improved Deep & Cross Network, WWW 2021"
_DLRM = "Naumov et al.: Deep Learning Recommendation Model, arXiv 1906.00091, 2019"
_AUTOINT = (
    "Song et al.: AutoInt, Automatic Feature Interaction Learning via Self-Attention, CIKM 2019"
)
_XDEEPFM = "Lian et al.: xDeepFM, Explicit and Implicit Feature Interactions, KDD 2018"
_FM = "Rendle: Factorization Machines, ICDM 2010"

MODELS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "Popularity",
            "retrieval",
            "Baseline: most interactions, all-time or recent",
            "popularity",
        ),  # fmt: skip
        Entry("ItemKNN", "retrieval", _ITEM_KNN, "item_knn", "history"),
        Entry("EASE", "retrieval", _EASE, "ease", "history"),
        Entry("MatrixFactorization", "retrieval", _MF, "matrix_factorization", "ids"),
        Entry("YouTubeRetrieval", "retrieval", _YOUTUBE, "youtube_retrieval"),
        Entry("LogisticRegression", "ranking", _RICHARDSON, "logistic_regression"),
        Entry("FactorizationMachine", "ranking", _FM, "factorization_machine"),
        Entry("WideDeep", "ranking", _WIDE_DEEP, "wide_deep"),
        Entry("DeepFM", "ranking", _DEEPFM, "deepfm"),
        Entry("DCN", "ranking", _DCN, "dcn"),
        Entry("DCNV2", "ranking", _DCNV2, "dcnv2"),
        Entry("DLRM", "ranking", _DLRM, "dlrm"),
        Entry("DeepCrossing", "ranking", _DEEP_CROSSING, "deep_crossing"),
        Entry("FiBiNET", "ranking", _FIBINET, "fibinet"),
        Entry("xDeepFM", "ranking", _XDEEPFM, "xdeepfm"),
        Entry("AutoInt", "ranking", _AUTOINT, "autoint"),
        Entry("GMF", "ranking", _NCF, "gmf", "ids"),
        Entry("NCFMLP", "ranking", _NCF, "ncf_mlp", "ids"),
        Entry("NeuMF", "ranking", _NCF, "neumf", "ids"),
        Entry("YouTubeRanking", "ranking", _YOUTUBE, "youtube_ranking"),
    )
}


def get(name: str) -> Entry:
    """Returns the entry of a name.

    Raises:
        KeyError: If there is none; names the ones there are.
    """
    if name not in MODELS:
        raise KeyError(f"There is no model of that name, only {sorted(MODELS)}. Received: {name!r}")
    return MODELS[name]
