"""tfrec_zoo: recommender architectures as `tf.keras.Model`s on TensorFlow Recommenders.

Importing the package switches TensorFlow to Keras 2, which TensorFlow Recommenders needs, and does
nothing else; the subpackages (`data`, `features`, `models`, ...) are loaded when first used.
"""

import importlib
import os
import sys
from types import ModuleType

from tfrec_zoo.version import __version__

_SUBPACKAGES = (
    "data",
    "evaluation",
    "features",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "registry",
    "serving",
)

__all__ = ["__version__", *_SUBPACKAGES]


def _use_keras_2() -> None:
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    tensorflow = sys.modules.get("tensorflow")
    runs_keras_3 = tensorflow is not None and not tensorflow.keras.Model.__module__.startswith(
        "tf_keras"
    )
    if runs_keras_3 or os.environ["TF_USE_LEGACY_KERAS"].lower() not in ("1", "true"):
        raise ImportError(
            "tfrec_zoo needs Keras 2, but TensorFlow runs Keras 3: import tfrec_zoo before "
            "tensorflow, or set the environment variable TF_USE_LEGACY_KERAS=1 first."
        )


_use_keras_2()


def __getattr__(name: str) -> ModuleType:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
