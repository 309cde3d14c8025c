"""Layers: the blocks the papers are named after."""

from tfrec_zoo.layers.field_embeddings import (
    FieldEmbeddings,
    flatten_fields,
    stack_fields,
    sum_fields,
)
from tfrec_zoo.layers.interaction_tower import InteractionTower
from tfrec_zoo.layers.linear_features import LinearFeatures
from tfrec_zoo.layers.logit import Logit
from tfrec_zoo.layers.second_order import second_order
from tfrec_zoo.layers.tower import Tower
from tfrec_zoo.layers.two_sided_dense import TwoSidedDense
from tfrec_zoo.layers.user_item_embeddings import UserItemEmbeddings, beside

__all__ = [
    "FieldEmbeddings",
    "InteractionTower",
    "LinearFeatures",
    "Logit",
    "Tower",
    "TwoSidedDense",
    "UserItemEmbeddings",
    "beside",
    "flatten_fields",
    "second_order",
    "stack_fields",
    "sum_fields",
]
