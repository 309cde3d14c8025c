"""The history as the whole query: what models need that read each user's history and no more."""

from tfrec_zoo.features import BagColumn
from tfrec_zoo.models.retrieval import RetrievalModel


def history_bag(model: RetrievalModel) -> BagColumn:
    """Returns the query's only column, a bag in the items' ID space.

    Args:
        model: A model that is being made.

    Raises:
        ValueError: If the query is anything else.
    """
    query, space = model.features.spec.query, model.item_column.space
    bags = [getattr(column, "categorical", column) for column in query]
    if len(bags) == 1 and isinstance(bags[0], BagColumn) and bags[0].space == space:
        return bags[0]
    raise ValueError(
        f"{type(model).__name__} needs one query column, a BagColumn in the items' ID space "
        f"{space!r}, and no other. Received: {query!r}"
    )
