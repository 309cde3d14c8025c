"""Layers: the building blocks that the architectures are composed of."""

from tfrec_zoo.layers.bilinear_interaction import BilinearInteraction
from tfrec_zoo.layers.causal_attention import CausalAttention
from tfrec_zoo.layers.compressed_interaction import CompressedInteraction
from tfrec_zoo.layers.dot_interaction import dot_interaction
from tfrec_zoo.layers.dropout import Dropout
from tfrec_zoo.layers.field_embeddings import (
    FieldEmbeddings,
    flatten_fields,
    stack_fields,
    sum_fields,
)
from tfrec_zoo.layers.hierarchical_softmax import HierarchicalSoftmax
from tfrec_zoo.layers.huffman import huffman_leaves, zipf_counts
from tfrec_zoo.layers.implicit_least_squares import implicit_least_squares
from tfrec_zoo.layers.interacting_attention import InteractingAttention
from tfrec_zoo.layers.interaction_tower import InteractionTower
from tfrec_zoo.layers.intervals import NUM_INTERVALS, interval_ids
from tfrec_zoo.layers.linear_features import LinearFeatures
from tfrec_zoo.layers.logit import Logit
from tfrec_zoo.layers.matrix_cross import MatrixCross
from tfrec_zoo.layers.mixture_cross import MixtureCross
from tfrec_zoo.layers.packed import packed
from tfrec_zoo.layers.residual_unit import ResidualUnit
from tfrec_zoo.layers.second_order import second_order
from tfrec_zoo.layers.squeeze_excitation import SqueezeExcitation
from tfrec_zoo.layers.stacked_features import StackedFeatures
from tfrec_zoo.layers.tower import Normalization, Tower, UnitNormalization
from tfrec_zoo.layers.transduction_unit import TransductionUnit
from tfrec_zoo.layers.transformer_block import TransformerBlock
from tfrec_zoo.layers.two_sided import TwoSided, beside, repeated, stacked
from tfrec_zoo.layers.two_sided_dense import TwoSidedDense
from tfrec_zoo.layers.user_item_embeddings import UserItemEmbeddings, align_with
from tfrec_zoo.layers.vector_cross import VectorCross
from tfrec_zoo.layers.watch_time_quantiles import WatchTimeQuantiles

__all__ = [
    "NUM_INTERVALS",
    "BilinearInteraction",
    "CausalAttention",
    "CompressedInteraction",
    "Dropout",
    "FieldEmbeddings",
    "HierarchicalSoftmax",
    "InteractingAttention",
    "InteractionTower",
    "LinearFeatures",
    "Logit",
    "MatrixCross",
    "MixtureCross",
    "Normalization",
    "ResidualUnit",
    "SqueezeExcitation",
    "StackedFeatures",
    "Tower",
    "TransductionUnit",
    "TransformerBlock",
    "TwoSided",
    "TwoSidedDense",
    "UserItemEmbeddings",
    "UnitNormalization",
    "VectorCross",
    "WatchTimeQuantiles",
    "align_with",
    "beside",
    "dot_interaction",
    "flatten_fields",
    "huffman_leaves",
    "interval_ids",
    "implicit_least_squares",
    "packed",
    "repeated",
    "second_order",
    "stack_fields",
    "stacked",
    "sum_fields",
    "zipf_counts",
]
