"""tfrec_zoo: recommender architectures as `tf.keras.Model`s on TensorFlow Recommenders.

Importing the package switches TensorFlow to Keras 2, which TensorFlow Recommenders needs, and does
nothing else. What users need most is at hand under `tfrec_zoo` and loaded when first used: `Log`,
`Training`, `Negatives`, `train`, `search`, `load`, `from_preset`, `tasks`, `presets`, and every
registered model by its name; the rest is in the subpackages.
"""

import importlib
import os
import sys
from typing import Any

from tfrec_zoo.version import __version__

_SUBPACKAGES = (
    "checkpoints",
    "data",
    "evaluation",
    "features",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "presets",
    "registry",
    "serving",
    "tasks",
)

#: The front door: module by name.
_NAMES = {
    "Category": "new_ids.new_rows",
    "Content": "new_ids.new_rows",
    "Log": "data",
    "MineNegatives": "losses.mining",
    "Negatives": "losses",
    "Roles": "data",
    "Run": "training.runs",
    "Training": "training",
    "add_items": "new_ids.new_items",
    "from_preset": "pretrained",
    "load": "pretrained",
    "movielens": "data",
    "retrain": "training.retraining",
    "search": "searching.search",
    "simulate": "data",
    "simulate_live": "data",
    "train": "training.runs",
    "warm_start": "new_ids.warm_starts",
}

__all__ = ["__version__", *_SUBPACKAGES, *_NAMES]


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


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    registry = importlib.import_module(f"{__name__}.registry")
    if name in registry.MODELS:
        return registry.get(name).load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    registry = importlib.import_module(f"{__name__}.registry")
    return sorted({*globals(), *__all__, *registry.MODELS})
