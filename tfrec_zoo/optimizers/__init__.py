"""Optimizers for embedding tables: row-sparse Adam for large ones, fused exact Adam for small ones.

Importing this package registers them with `compile`, as `"lazy_adam"` and `"fused_adam"`. A plain
Keras model that will be saved as `.keras` should be given an instance instead, because Keras cannot
load custom names from that format.
"""

from tfrec_zoo.optimizers.application import apply_gradients
from tfrec_zoo.optimizers.average_weights import AverageWeights
from tfrec_zoo.optimizers.by_name import make
from tfrec_zoo.optimizers.fused_adam import FusedAdam
from tfrec_zoo.optimizers.lazy_adam import LazyAdam
from tfrec_zoo.optimizers.slots import parts_of, slots
from tfrec_zoo.optimizers.wide_deep import WideDeepOptimizer

# isort: split
import tensorflow as tf

tf.keras.utils.get_custom_objects().update({"fused_adam": FusedAdam, "lazy_adam": LazyAdam})

__all__ = [
    "AverageWeights",
    "FusedAdam",
    "LazyAdam",
    "WideDeepOptimizer",
    "apply_gradients",
    "make",
    "parts_of",
    "slots",
]
