"""Layers: the blocks the papers are named after."""

from tfrec_zoo.layers.field_embeddings import FieldEmbeddings, stack_fields, sum_fields
from tfrec_zoo.layers.interaction_tower import InteractionTower
from tfrec_zoo.layers.linear_features import LinearFeatures
from tfrec_zoo.layers.tower import Tower
from tfrec_zoo.layers.two_sided_dense import TwoSidedDense
from tfrec_zoo.layers.user_item_embeddings import UserItemEmbeddings, beside

__all__ = [
    "FieldEmbeddings",
    "InteractionTower",
    "LinearFeatures",
    "Tower",
    "TwoSidedDense",
    "UserItemEmbeddings",
    "beside",
    "stack_fields",
    "sum_fields",
]
