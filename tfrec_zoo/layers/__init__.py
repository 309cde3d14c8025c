"""Layers: the blocks the papers are named after."""

from tfrec_zoo.layers.tower import Tower
from tfrec_zoo.layers.two_sided_dense import TwoSidedDense

__all__ = ["Tower", "TwoSidedDense"]
