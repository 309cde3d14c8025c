"""Serving in memory: what an export would answer, before there is one."""

from typing import Any

from tfrec_zoo.data.log import Log
from tfrec_zoo.serving.client import Served
from tfrec_zoo.serving.export import served


def serve(model: Any, log: Log | None = None, **kwargs: Any) -> Served:
    """Serves a model from memory as `load` serves its export.

    Args:
        model: A trained model, or a funnel.
        log: The log it was trained on, whose items' titles and features are needed.
        **kwargs: As for `export`.
    """
    module = served(model, log, **kwargs)
    manifest = {"model": type(model).__name__, **module.manifest()}
    answering = Served(module.signatures(), manifest, lambda: module.items)
    answering.module = module
    return answering
