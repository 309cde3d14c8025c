"""TensorFlow Recommenders, as `tfrs`: the package imports it from here, with clear errors."""

import tensorflow as tf

from tfrec_zoo.scann_ops import mismatch

try:
    import tensorflow_recommenders as tfrs
except ModuleNotFoundError as error:
    if error.name != "tensorflow_recommenders":
        raise
    raise ImportError(
        "TensorFlow Recommenders is not installed: pip install --no-deps "
        "tensorflow-recommenders==0.7.7"
    ) from error
except tf.errors.NotFoundError as error:
    # It loads ScaNN if there is one, and expects one that does not load to raise ImportError.
    raise ImportError(mismatch()) from error

__all__ = ["tfrs"]
