"""Optimizers for embedding tables: Adam by rows for big ones, exact and fused for small ones.

Once this is imported, `compile` knows them by name, as `"lazy_adam"` and `"fused_adam"`.
(A plain Keras model that is to be saved as `.keras` takes an instance: from that format Keras
cannot load custom names back.)
"""

from tfrec_zoo.optimizers.by_name import make
from tfrec_zoo.optimizers.fused_adam import FusedAdam
from tfrec_zoo.optimizers.lazy_adam import LazyAdam
from tfrec_zoo.optimizers.wide_deep import WideDeepOptimizer

# isort: split
import tensorflow as tf

tf.keras.utils.get_custom_objects().update({"fused_adam": FusedAdam, "lazy_adam": LazyAdam})

__all__ = ["FusedAdam", "LazyAdam", "WideDeepOptimizer", "make"]
