"""Indexes: search for the items whose vectors have the largest dot product with a query."""

from tfrec_zoo.serving.index.approximate import ApproximateIndex
from tfrec_zoo.serving.index.base import NO_ITEM, Index
from tfrec_zoo.serving.index.choice import IndexKind, build_index, is_measured
from tfrec_zoo.serving.index.exact import ExactIndex
from tfrec_zoo.serving.index.ivf import IvfIndex
from tfrec_zoo.serving.index.keep import Keep
from tfrec_zoo.serving.index.membership import is_in, may_be_returned
from tfrec_zoo.serving.index.scann import ScannIndex
from tfrec_zoo.serving.index.scores import ScoreIndex

__all__ = [
    "NO_ITEM",
    "ApproximateIndex",
    "ExactIndex",
    "Index",
    "IndexKind",
    "IvfIndex",
    "Keep",
    "ScannIndex",
    "ScoreIndex",
    "build_index",
    "is_in",
    "is_measured",
    "may_be_returned",
]
