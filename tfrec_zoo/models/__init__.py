"""Models: one file per architecture, named as in its paper."""

from tfrec_zoo.models.base import RecommenderModel
from tfrec_zoo.models.popularity import Popularity
from tfrec_zoo.models.ranking import RankingModel
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.models.youtube_ranking import YouTubeRanking
from tfrec_zoo.models.youtube_retrieval import YouTubeRetrieval

__all__ = [
    "Popularity",
    "RankingModel",
    "RecommenderModel",
    "RetrievalModel",
    "YouTubeRanking",
    "YouTubeRetrieval",
]
