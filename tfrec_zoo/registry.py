"""The registry: every architecture by name. A new model joins by one line here."""

import dataclasses
import importlib
from typing import Any


@dataclasses.dataclass(frozen=True)
class Entry:
    """One architecture of the zoo.

    Args:
        name: Name of the class.
        family: `"retrieval"` (a query vector against all items) or `"ranking"` (a logit per
            impression).
        paper: Where it was published.
        module: Module of its class.
        task: Name of the task that it is trained on by default.
        idea: What it does, in half a sentence.
    """

    name: str
    family: str
    paper: str
    module: str
    task: str
    idea: str

    def load(self) -> Any:
        """Imports and returns the class."""
        return getattr(importlib.import_module(f"tfrec_zoo.models.{self.module}"), self.name)


_YOUTUBE = (
    "Covington, Adams & Sargin: Deep Neural Networks for YouTube Recommendations, RecSys 2016"
)
_ITEM_KNN = "Deshpande & Karypis: Item-Based Top-N Recommendation Algorithms, TOIS 2004"
_EASE = "Steck: Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019"
_SASREC = "Kang & McAuley: Self-Attentive Sequential Recommendation, ICDM 2018"
_IALS = "Hu, Koren & Volinsky: Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008"
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
_YI = (
    "Yi et al.: Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations, "
    "RecSys 2019"
)
_D2Q = (
    "Zhan et al.: Deconfounding Duration Bias in Watch-time Prediction for Video Recommendation, "
    "KDD 2022"
)
_FM = "Rendle: Factorization Machines, ICDM 2010"

MODELS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "Popularity",
            "retrieval",
            "Baseline: most interactions, all-time or recent",
            "popularity",
            "next-watch",
            "most interactions, of all time or of late",
        ),
        Entry(
            "ItemKNN",
            "retrieval",
            _ITEM_KNN,
            "item_knn",
            "next-watch",
            "nearest items by shrunk cosine",
        ),
        Entry(
            "EASE",
            "retrieval",
            _EASE,
            "ease",
            "next-watch",
            "each item regressed on all others, in closed form",
        ),
        Entry(
            "iALS",
            "retrieval",
            _IALS,
            "ials",
            "next-watch",
            "all user-item pairs factorized by alternating least squares; users from their history",
        ),
        Entry(
            "MatrixFactorization",
            "retrieval",
            _MF,
            "matrix_factorization",
            "next-watch",
            "dot product and biases; softmax, logistic, squared, BPR or WARP loss",
        ),
        Entry(
            "YouTubeRetrieval",
            "retrieval",
            _YOUTUBE,
            "youtube_retrieval",
            "next-watch",
            "averaged embeddings, ReLU tower, softmax over the catalogue, full or sampled",
        ),
        Entry(
            "SASRec",
            "retrieval",
            _SASREC,
            "sasrec",
            "next-watch",
            "self-attention over the sequence of the history; softmax or binary loss",
        ),
        Entry(
            "TwoTower",
            "retrieval",
            _YI,
            "two_tower",
            "next-watch",
            "a tower over the query, another over the item's features; in-batch softmax",
        ),
        Entry(
            "LogisticRegression",
            "ranking",
            _RICHARDSON,
            "logistic_regression",
            "clicks",
            "a weight per id, cross and number",
        ),
        Entry(
            "FactorizationMachine",
            "ranking",
            _FM,
            "factorization_machine",
            "clicks",
            "every pair of fields interacts by the product of two vectors",
        ),
        Entry(
            "WideDeep",
            "ranking",
            _WIDE_DEEP,
            "wide_deep",
            "clicks",
            "declared crosses beside a deep network; FTRL with L1, and AdaGrad",
        ),
        Entry(
            "DeepFM",
            "ranking",
            _DEEPFM,
            "deepfm",
            "clicks",
            "a factorization machine and a network over the same embeddings",
        ),
        Entry(
            "DCN",
            "ranking",
            _DCN,
            "dcn",
            "clicks",
            "explicit crosses of growing degree, a vector per layer",
        ),
        Entry(
            "DCNV2",
            "ranking",
            _DCNV2,
            "dcnv2",
            "clicks",
            "a matrix per cross layer, of full or low rank, or a mixture",
        ),
        Entry(
            "DLRM",
            "ranking",
            _DLRM,
            "dlrm",
            "clicks",
            "dot products of all pairs, numbers through a network of their own",
        ),
        Entry(
            "DeepCrossing",
            "ranking",
            _DEEP_CROSSING,
            "deep_crossing",
            "clicks",
            "residual units over all features",
        ),
        Entry(
            "FiBiNET",
            "ranking",
            _FIBINET,
            "fibinet",
            "clicks",
            "fields reweighted by SENET, bilinear products of all pairs",
        ),
        Entry(
            "xDeepFM",
            "ranking",
            _XDEEPFM,
            "xdeepfm",
            "clicks",
            "the compressed interaction network crosses whole vectors",
        ),
        Entry(
            "AutoInt",
            "ranking",
            _AUTOINT,
            "autoint",
            "clicks",
            "fields attend to each other; with `hidden_units`, AutoInt+",
        ),
        Entry("GMF", "ranking", _NCF, "gmf", "choice", "a weighted dot product of user and item"),
        Entry("NCFMLP", "ranking", _NCF, "ncf_mlp", "choice", "a ReLU tower over the two vectors"),
        Entry(
            "NeuMF",
            "ranking",
            _NCF,
            "neumf",
            "choice",
            "GMF and MLP fused, from scratch or from a trained pair",
        ),
        Entry(
            "YouTubeRanking",
            "ranking",
            _YOUTUBE,
            "youtube_ranking",
            "watch-time",
            "weighted logistic regression, whose odds are the expected watch time",
        ),
        Entry(
            "D2Q",
            "ranking",
            _D2Q,
            "d2q",
            "watch-time",
            "the quantile of the watch time among videos of about the same duration",
        ),
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


def markdown() -> str:
    """The models as a Markdown table."""
    lines = ["| model | family | task | idea | paper |", "|---" * 5 + "|"]
    for entry in MODELS.values():
        cells = (f"`{entry.name}`", entry.family, entry.task, entry.idea, entry.paper)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
