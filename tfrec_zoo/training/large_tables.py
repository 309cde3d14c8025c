"""What suits large tables: updates of the rows of a batch, and a few items in place of all."""

import inspect
import logging
from collections.abc import Mapping
from typing import Any

from tfrec_zoo.features import EmbeddingTable
from tfrec_zoo.models import RecommenderModel

logger = logging.getLogger(__name__)

#: Rows from which on a table, or a catalogue, is large.
LARGE = 30_000
#: Optimizers that sweep whole tables in each step.
_DENSE = ("adam", "fused_adam", "adamw", "nadam", "rmsprop", "adamax", "adadelta", "lion")


def suited_negatives(
    cls: type[RecommenderModel], arguments: Mapping[str, Any], num_items: int
) -> dict[str, Any]:
    """Arguments of a model that learns among all items, with negatives where these are many.

    Args:
        cls: Class of the model.
        arguments: Arguments of the model, whose `negatives` stay if there are any.
        num_items: Number of items to learn among.
    """
    is_softmax = arguments.get("loss", "softmax") == "softmax"
    if num_items <= LARGE or not _takes_negatives(cls) or not is_softmax:
        return dict(arguments)
    if "negatives" not in arguments:
        default = inspect.signature(cls).parameters["negatives"].default
        if default is not None:
            return dict(arguments)
        logger.info(
            "%d items: %s learns from 2,000 log-uniform negatives a batch; set `negatives` to "
            "choose others, or None for the full softmax",
            num_items,
            cls.__name__,
        )
        return {**arguments, "negatives": "log-uniform"}
    if arguments["negatives"] is None:
        logger.warning(
            "The full softmax over %d items costs %d times the 2,000 negatives of "
            'negatives="log-uniform" in each step, and %.1f GB for the scores of 1,024 examples',
            num_items,
            num_items // 2000,
            num_items * 1024 * 4 / 1e9,
        )
    return dict(arguments)


def suited_optimizer(model: RecommenderModel, name: str | None) -> str:
    """The name of the optimizer: the given one, or Adam in the form that suits the largest table.

    Args:
        model: The model.
        name: The given name; None for Adam.
    """
    rows = max([t.num_ids for t in model.submodules if isinstance(t, EmbeddingTable)], default=0)
    if name is None:
        if rows <= LARGE:
            return "fused_adam"
        logger.info(
            "A table of %d rows: lazy_adam moves the rows of a batch only; set `optimizer` for "
            "another, such as fused_adam, which is Adam",
            rows,
        )
        return "lazy_adam"
    if rows > LARGE and name.lower() in _DENSE:
        logger.warning(
            "The optimizer %r sweeps all %d rows of a table in each step; lazy_adam moves those "
            "of the batch only",
            name,
            rows,
        )
    return name


def _takes_negatives(cls: type[RecommenderModel]) -> bool:
    return "negatives" in inspect.signature(cls).parameters
