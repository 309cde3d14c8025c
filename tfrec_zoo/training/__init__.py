"""Training: how a model is compiled and fitted, stops, goes on after a kill, and is kept.

`Training` says how, `fit` does it on examples, and `runs.train` on a task; `retraining` goes on the
next day.
"""

from tfrec_zoo.training.training import Training, compile_, fit

__all__ = ["Training", "compile_", "fit"]
