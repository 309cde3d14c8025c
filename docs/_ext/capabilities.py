"""What each registered model can do, as a table, read off its class."""

import inspect
from typing import Any

from tfrec_zoo import registry, tasks
from tfrec_zoo.data import SimulatedLog

_COLUMNS = ("model", "reads", "a new user", "a new item", "`negatives`", "also for", "`retrain`")
_COLUMNS += ("machines",)
#: What a model makes of a user that it was not trained on, by what it reads.
_NEW_USER = {"features": "history, columns", "history": "history", "ids": "as all new users"}
_READS = {"features": "any features", "history": "the history", "ids": "user and item"}


def _user_side(cls: Any) -> tuple[str, str]:
    """What a model reads, and what it makes of a user that it was not trained on."""
    if cls.reads == "features" and not cls.is_iterative:
        return "nothing", "as all users"  # It counts.
    return _READS[cls.reads], _NEW_USER[cls.reads]


def _new_item(cls: Any) -> str:
    """What a model makes of an item that it was not trained on."""
    if cls.family == "ranking":
        return "its features" if cls.reads == "features" else "as all new items"
    if not cls.is_iterative:
        return "when made again"
    return "`add_items`: features" if cls.reads_items else "`add_items`: content"


def _tasks(cls: Any, log: SimulatedLog) -> list[str]:
    """The tasks that a model can do, besides those of items, which all can."""
    found = []
    for name, task in tasks.TASKS.items():
        if issubclass(task, tasks.ItemTask):
            continue
        try:
            tasks.make(name, log).arguments(cls)
        except ValueError:
            continue
        found.append(f"`{name}`")
    return found


def capabilities(log: SimulatedLog) -> list[str]:
    """The lines of the table.

    Args:
        log: Any log, to ask tasks of which models can do them.
    """
    rows = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    for entry in registry.MODELS.values():
        cls = entry.load()
        by_steps = cls.is_iterative and not cls.takes_all_at_once
        cells = [
            f"[{entry.name}]({entry.module}.md)",
            *_user_side(cls),
            _new_item(cls),
            "any" if "negatives" in inspect.signature(cls).parameters else "",
            ", ".join(_tasks(cls, log)),
            "goes on" if cls.is_iterative else "anew",
            "several" if by_steps else "one",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows
