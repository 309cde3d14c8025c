"""Checks of what is evaluated."""

from tfrec_zoo.data.examples import Examples


def require_examples(examples: Examples) -> None:
    """Raises a ValueError if there is nothing to evaluate on."""
    if not len(examples):
        raise ValueError(
            "There must be examples to evaluate on: the split left none. Received: 0 examples"
        )
