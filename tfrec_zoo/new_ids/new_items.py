"""New items: a trained retrieval model that can recommend items that it was not trained on."""

import dataclasses
from typing import Any

import pandas as pd

from tfrec_zoo.features import EmbeddingColumn, Features, FeatureSpec
from tfrec_zoo.features.more_items import item_ids, with_items
from tfrec_zoo.models.base import RecommenderModel
from tfrec_zoo.models.keras_methods import plain
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.needs import Need, allow_idle, tell_idle
from tfrec_zoo.new_ids.new_rows import Content, Rule
from tfrec_zoo.new_ids.warm_starts import warm_start

#: What `new_rows` takes, asked of whether there are vectors of items.
_NEW_ROWS = Need(("new_rows",), bool, "is what vectors of new ids start from; this model has none")


def add_items(model: Any, items: Any, new_rows: Rule = "content") -> Any:
    """Makes a retrieval model of a trained one that knows more items.

    The scores of the items that it knew stay the same to the bit. What a new one scores depends on
    the model. Vectors of new ids start by `new_rows`; a model that reads the items' features, such
    as `TwoTower`, has these besides. A model without vectors (`EASE`, `ItemKNN`, `Popularity`)
    scores a new item 0, as one that nobody took.

    Args:
        model: A trained retrieval model; it stays as it is.
        items: A frame with the ids and what is known of the items. For a start by content that is
            of the known items as well, where the features of the model do not hold it.
        new_rows: What the vectors of the new ids start from; see `warm_start`.

    Returns:
        The new model, not compiled.

    Raises:
        TypeError: If it is no retrieval model.
        KeyError, TypeError, ValueError: If ids or columns are missing, or values are not allowed.

    Example:

    >>> import numpy as np
    >>> from tfrec_zoo.features import *
    >>> from tfrec_zoo.models import TwoTower
    >>> spec = FeatureSpec((EmbeddingColumn(VocabularyColumn("country")),),
    ...                    (EmbeddingColumn(VocabularyColumn("item_id")), NumericColumn("price")))
    >>> items = {"item_id": ["a", "b"], "price": [1.0, 5.0], "country": ["nl", "ee"]}
    >>> model = TwoTower(Features.fit(spec, items, items=items), hidden_units=(4,))
    >>> more = add_items(model, {"item_id": ["c"], "price": [4.0]})
    >>> nl = {"country": np.array(["nl"])}
    >>> more.scores(nl).shape, bool(np.all(more.scores(nl)[:, :2] == model.scores(nl)))
    (TensorShape([1, 3]), True)
    """
    if not isinstance(model, RetrievalModel):
        raise TypeError(
            "Items are added to retrieval models; a ranking model scores an item that it does not "
            f"know by its features, as it is. Received: {type(model).__name__}"
        )
    frame = pd.DataFrame({str(key): list(items[key]) for key in items.keys()})
    features = with_items(with_widths(model), frame)
    if new_rows == "content" and not features.items:
        new_rows = Content(frame)
    has_vectors = any(
        rows.has_vectors and rows.spaces[0] == features.spec.item.space
        for layer in (model, *model.submodules)
        for rows in getattr(layer, "id_rows", ())
    )
    is_given = new_rows != "content" and not isinstance(new_rows, Content)
    given = {"new_rows": new_rows} if is_given else {}
    tell_idle([_NEW_ROWS], given, has_vectors, type(model).__name__)
    if has_vectors and isinstance(new_rows, Content) and new_rows.items is frame:
        _require_known(model.features, frame)
    with allow_idle():
        made = type(model)(**{**plain(model.get_config()), "features": features})
    warm_start(made, model, {features.spec.item.space: new_rows})
    return made


def with_widths(model: RecommenderModel) -> Features:
    """The features of a model with the widths of its embeddings declared, so that they stay."""
    tables = getattr(model, "tables", {})

    def declared(columns: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            dataclasses.replace(column, dimension=tables[column.table].dimension)
            if isinstance(column, EmbeddingColumn) and column.table in tables
            else column
            for column in columns
        )

    spec = model.features.spec
    fixed = FeatureSpec(declared(spec.query), declared(spec.candidate))
    return dataclasses.replace(model.features, spec=fixed)


def _require_known(features: Features, frame: pd.DataFrame) -> None:
    """Checks that what is known of the new items is known of others, too, to learn from."""
    known = set(features.vocabularies[features.spec.item.space].tokens)
    if known.isdisjoint(item_ids(features, frame).tolist()):
        raise ValueError(
            "A start by content is learned from the items that the model knows: `items` must have "
            'their rows as well, or `new_rows` be "mean", "zeros" or "initial". '
            f"Received: {len(frame)} items, all of them new"
        )
