"""Empty columns: those of which the training data hold no value."""

import logging
from collections.abc import Collection

from tfrec_zoo.features.columns import VocabularyColumn
from tfrec_zoo.features.dense_columns import Column, DenseColumn, InteractionColumn
from tfrec_zoo.features.spec import FeatureSpec, categorical_columns, vocabulary_column
from tfrec_zoo.features.summaries import summaries_of

_LOGGER = logging.getLogger(__name__)


def without_empty(spec: FeatureSpec, empty: Collection[str], drop: bool) -> FeatureSpec:
    """Returns the spec without the columns that read what is empty.

    Args:
        spec: The spec.
        empty: ID spaces without a value, and names of numbers without one.
        drop: Whether columns may be dropped, with a warning in the log.

    Raises:
        ValueError: If they may not, or the ids of the items are among them; the message names the
            features.
    """
    dropped = [column for column in spec.columns if _read_by(column) & set(empty)]
    missing = {repr(c.key) for c in spec.vocabulary_columns if c.space in empty}
    for column in dropped:
        if isinstance(column, InteractionColumn) and _names(column) & set(empty):
            missing.add(f"{column.candidate.key!r} that is among {column.bag.key!r}")
        else:
            missing |= {repr(name) for name in _names(column) if name in empty}
    words = " nor of ".join(sorted(missing))
    candidate = categorical_columns(spec.candidate)
    items = [c.space for c in candidate if isinstance(c, VocabularyColumn)][:1]
    if not drop or set(items) & set(empty):
        raise ValueError(
            f"The data hold no value of {words}: fill it in, or leave the columns that read it out "
            "of the spec. Received: nothing but empty text, NaN or infinite numbers"
        )
    _LOGGER.warning("Left out of the features: the training data hold no value of %s", words)
    sides = (spec.query, spec.candidate)
    return FeatureSpec(*(tuple(c for c in side if c not in dropped) for side in sides))


def _names(column: Column) -> set[str]:
    """The names of a column's numbers."""
    return set(summaries_of(column)) if isinstance(column, DenseColumn) else set()


def _read_by(column: Column) -> set[str]:
    """The ID spaces that a column reads, and the names of its numbers."""
    parts = [p for c in categorical_columns((column,)) for p in getattr(c, "columns", (c,))]
    vocabularies = (vocabulary_column(part) for part in parts)
    return {v.space for v in vocabularies if v is not None} | _names(column)
