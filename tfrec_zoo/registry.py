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
        use: When it is the one to take, in a sentence or two.
    """

    name: str
    family: str
    paper: str
    module: str
    task: str
    idea: str
    use: str = ""

    def load(self) -> Any:
        """Imports and returns the class."""
        return getattr(importlib.import_module(f"tfrec_zoo.models.{self.module}"), self.name)


_YOUTUBE = (
    "Covington, Adams & Sargin: Deep Neural Networks for YouTube Recommendations, RecSys 2016"
)
_ITEM_KNN = "Deshpande & Karypis: Item-Based Top-N Recommendation Algorithms, TOIS 2004"
_EASE = "Steck: Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019"
_SASREC = "Kang & McAuley: Self-Attentive Sequential Recommendation, ICDM 2018"
_HSTU = "Zhai et al.: Actions Speak Louder than Words, ICML 2024"
_IALS = "Hu, Koren & Volinsky: Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008"
_RICHARDSON = "Richardson, Dominowska & Ragno: Predicting Clicks, WWW 2007"
_LIGHTGCN = (
    "He et al.: LightGCN, Simplifying and Powering Graph Convolution Network for Recommendation, "
    "SIGIR 2020"
)
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
            "As the yardstick of every table, and for users of whom nothing is known.",
        ),
        Entry(
            "ItemKNN",
            "retrieval",
            _ITEM_KNN,
            "item_knn",
            "next-watch",
            "nearest items by shrunk cosine",
            "For similar items that can be explained by who chose both, and as a baseline "
            "that takes seconds. `EASE` finds more wherever both fit in memory.",
        ),
        Entry(
            "EASE",
            "retrieval",
            _EASE,
            "ease",
            "next-watch",
            "each item regressed on all others, in closed form",
            "First, where sets of items are what is known of users and the catalogue has at "
            "most some thirty thousand: seconds of training, and one number to tune.",
        ),
        Entry(
            "iALS",
            "retrieval",
            _IALS,
            "ials",
            "next-watch",
            "all user-item pairs factorized by alternating least squares; users from their history",
            "Instead of `EASE` where a matrix of items by items is too large, or where "
            "vectors of items and users are wanted.",
        ),
        Entry(
            "MatrixFactorization",
            "retrieval",
            _MF,
            "matrix_factorization",
            "next-watch",
            "dot product and biases; softmax, logistic, squared, BPR or WARP loss",
            "Where users come back and are known by their ids, and to compare losses: BPR and "
            "WARP rank, squares predict ratings. A new user is as all new users.",
        ),
        Entry(
            "LightGCN",
            "retrieval",
            _LIGHTGCN,
            "lightgcn",
            "next-watch",
            "vectors of users and items, averaged along the graph of choices; BPR or softmax loss",
            "Instead of `MatrixFactorization` where most users chose few items, and what their "
            "neighbours chose says more. Every step goes along the whole graph.",
        ),
        Entry(
            "YouTubeRetrieval",
            "retrieval",
            _YOUTUBE,
            "youtube_retrieval",
            "next-watch",
            "averaged embeddings, ReLU tower, softmax over the catalogue, full or sampled",
            "For large catalogues, and where more is known than the history: columns of the "
            "user and of the moment join the bags. With several bags of the last watches it "
            "comes near `SASRec` in less than half the time.",
        ),
        Entry(
            "SASRec",
            "retrieval",
            _SASREC,
            "sasrec",
            "next-watch",
            "self-attention over the sequence of the history; softmax or binary loss",
            "Where the order of the history matters: of all models here it finds the most "
            "next watches on MovieLens-1M, and takes two to four times as long to train as "
            "`YouTubeRetrieval`.",
        ),
        Entry(
            "HSTU",
            "retrieval",
            _HSTU,
            "hstu",
            "next-watch",
            "gated pointwise attention over the sequence of the history, and cosines",
            "Instead of `SASRec` where histories are long and logs large: a unit is one layer in "
            "place of two, and what it makes of many equal signals grows with their number. Of the "
            "models that come trained on MovieLens-100K it finds the most next watches.",
        ),
        Entry(
            "TwoTower",
            "retrieval",
            _YI,
            "two_tower",
            "next-watch",
            "a tower over the query, another over the item's features; in-batch softmax",
            "Where items come and go: an item is what is known of it, so that a new one is "
            "found at once. It needs columns of items that tell them apart.",
        ),
        Entry(
            "LogisticRegression",
            "ranking",
            _RICHARDSON,
            "logistic_regression",
            "clicks",
            "a weight per id, cross and number",
            "As the baseline of rankers, and where every weight is to be read.",
        ),
        Entry(
            "FactorizationMachine",
            "ranking",
            _FM,
            "factorization_machine",
            "clicks",
            "every pair of fields interacts by the product of two vectors",
            "First among rankers of clicks where ids matter: with `batch_l2` it is ahead of "
            "deeper ones on MovieLens-1M, in a third of the time of `DeepFM`.",
        ),
        Entry(
            "WideDeep",
            "ranking",
            _WIDE_DEEP,
            "wide_deep",
            "clicks",
            "declared crosses beside a deep network; FTRL with L1, and AdaGrad",
            "Where it is known which pairs of values matter: declared crosses remember them, "
            "the deep side generalizes, and the L1 of FTRL leaves few of their weights.",
        ),
        Entry(
            "DeepFM",
            "ranking",
            _DEEPFM,
            "deepfm",
            "clicks",
            "a factorization machine and a network over the same embeddings",
            "Where pairs of columns matter and nobody is to declare which, beside columns "
            "that a tower makes more of than products do.",
        ),
        Entry(
            "DCN",
            "ranking",
            _DCN,
            "dcn",
            "clicks",
            "explicit crosses of growing degree, a vector per layer",
            "Where products of three columns and more may matter and must cost little: a "
            "layer of them is a vector.",
        ),
        Entry(
            "DCNV2",
            "ranking",
            _DCNV2,
            "dcnv2",
            "clicks",
            "a matrix per cross layer, of full or low rank, or a mixture",
            "Instead of `DCN` on large logs: a matrix a layer, of low rank where columns are many.",
        ),
        Entry(
            "DLRM",
            "ranking",
            _DLRM,
            "dlrm",
            "clicks",
            "dot products of all pairs, numbers through a network of their own",
            "Where there are many numbers beside few large tables, as in advertising: numbers "
            "have a network of their own.",
        ),
        Entry(
            "DeepCrossing",
            "ranking",
            _DEEP_CROSSING,
            "deep_crossing",
            "clicks",
            "residual units over all features",
            "Where a tower is to be deep: residual units train where plain layers no longer do.",
        ),
        Entry(
            "FiBiNET",
            "ranking",
            _FIBINET,
            "fibinet",
            "clicks",
            "fields reweighted by SENET, bilinear products of all pairs",
            "Where many columns are of doubtful worth: each example weighs its fields. Its "
            "products of all pairs make wide inputs, so keep columns few or vectors short.",
        ),
        Entry(
            "xDeepFM",
            "ranking",
            _XDEEPFM,
            "xdeepfm",
            "clicks",
            "the compressed interaction network crosses whole vectors",
            "Where crosses of whole vectors, up to a degree that is chosen, are the question. "
            "A request takes several times as long as one of `DeepFM`.",
        ),
        Entry(
            "AutoInt",
            "ranking",
            _AUTOINT,
            "autoint",
            "clicks",
            "fields attend to each other; with `hidden_units`, AutoInt+",
            "Where which columns matter depends on the values of others: attention chooses "
            "for each example. Without a tower it has few weights beside its embeddings.",
        ),
        Entry(
            "GMF",
            "ranking",
            _NCF,
            "gmf",
            "choice",
            "a weighted dot product of user and item",
            "As a part of `NeuMF`, and to compare with what was published about it.",
        ),
        Entry(
            "NCFMLP",
            "ranking",
            _NCF,
            "ncf_mlp",
            "choice",
            "a ReLU tower over the two vectors",
            "As a part of `NeuMF`, and to compare with what was published about it.",
        ),
        Entry(
            "NeuMF",
            "ranking",
            _NCF,
            "neumf",
            "choice",
            "GMF and MLP fused, from scratch or from a trained pair",
            "To reproduce and extend work on neural collaborative filtering. `EASE` and "
            "`iALS` are what it has to beat.",
        ),
        Entry(
            "YouTubeRanking",
            "ranking",
            _YOUTUBE,
            "youtube_ranking",
            "watch-time",
            "weighted logistic regression, whose odds are the expected watch time",
            "As the second stage of a funnel, where impressions and watch times were recorded "
            "and time watched, not clicks, is to grow.",
        ),
        Entry(
            "D2Q",
            "ranking",
            _D2Q,
            "d2q",
            "watch-time",
            "the quantile of the watch time among videos of about the same duration",
            "To predict the watch time itself where videos differ in length: its error on "
            "KuaiRand-Pure is the lowest, and long videos gain nothing by their length.",
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
