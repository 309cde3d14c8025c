"""Models: one file per architecture, under the name that its paper gives it."""

from tfrec_zoo.models.autoint import AutoInt
from tfrec_zoo.models.base import RecommenderModel
from tfrec_zoo.models.d2q import D2Q
from tfrec_zoo.models.dcn import DCN
from tfrec_zoo.models.dcnv2 import DCNV2
from tfrec_zoo.models.deep_crossing import DeepCrossing
from tfrec_zoo.models.deepfm import DeepFM
from tfrec_zoo.models.dlrm import DLRM
from tfrec_zoo.models.ease import EASE
from tfrec_zoo.models.embedding_ranking import EmbeddingRankingModel
from tfrec_zoo.models.factorization_machine import FactorizationMachine
from tfrec_zoo.models.fibinet import FiBiNET
from tfrec_zoo.models.gmf import GMF
from tfrec_zoo.models.hstu import HSTU
from tfrec_zoo.models.ials import iALS
from tfrec_zoo.models.item_knn import ItemKNN
from tfrec_zoo.models.item_to_item import ItemToItem
from tfrec_zoo.models.lightgcn import LightGCN
from tfrec_zoo.models.logistic_regression import LogisticRegression
from tfrec_zoo.models.matrix_factorization import MatrixFactorization
from tfrec_zoo.models.ncf_mlp import NCFMLP
from tfrec_zoo.models.neumf import NeuMF
from tfrec_zoo.models.popularity import Popularity
from tfrec_zoo.models.ranking import RankingModel
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.models.sasrec import SASRec
from tfrec_zoo.models.sequence import SequenceModel
from tfrec_zoo.models.two_tower import TwoTower
from tfrec_zoo.models.wide_deep import WideDeep
from tfrec_zoo.models.xdeepfm import xDeepFM
from tfrec_zoo.models.youtube_ranking import YouTubeRanking
from tfrec_zoo.models.youtube_retrieval import YouTubeRetrieval

__all__ = [
    "D2Q",
    "DCN",
    "DCNV2",
    "DLRM",
    "EASE",
    "GMF",
    "HSTU",
    "NCFMLP",
    "AutoInt",
    "DeepCrossing",
    "DeepFM",
    "EmbeddingRankingModel",
    "FactorizationMachine",
    "FiBiNET",
    "ItemKNN",
    "ItemToItem",
    "LightGCN",
    "LogisticRegression",
    "MatrixFactorization",
    "NeuMF",
    "Popularity",
    "RankingModel",
    "RecommenderModel",
    "RetrievalModel",
    "SASRec",
    "SequenceModel",
    "TwoTower",
    "WideDeep",
    "YouTubeRanking",
    "YouTubeRetrieval",
    "iALS",
    "xDeepFM",
]
