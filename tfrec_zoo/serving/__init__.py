"""Serving: exports that answer raw requests, nearest-neighbor indexes, and the two-stage funnel."""

from tfrec_zoo.serving.beam_index import BeamIndex
from tfrec_zoo.serving.client import Served
from tfrec_zoo.serving.export import export, served
from tfrec_zoo.serving.funnel import Funnel
from tfrec_zoo.serving.in_memory import serve
from tfrec_zoo.serving.index import ExactIndex, Index, IvfIndex, ScannIndex, build_index
from tfrec_zoo.serving.load import load

__all__ = [
    "BeamIndex",
    "ExactIndex",
    "Funnel",
    "Index",
    "IvfIndex",
    "ScannIndex",
    "Served",
    "build_index",
    "export",
    "load",
    "serve",
    "served",
]
