"""New rows: what the vectors of ids start from that a model has not been trained on.

The content start is the regression of Gantner et al., "Learning Attribute-to-Feature Mappings for
Cold-Start Recommendations", ICDM 2010: v = W x + b, fitted on the items whose vectors were learned.
"""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from tfrec_zoo.data.columns import table_columns
from tfrec_zoo.features import MISSING, Features, raw_array
from tfrec_zoo.features.content import TextEncoder, content_matrix, encode_text


@dataclasses.dataclass(frozen=True)
class Category:
    """Starts a new item from the mean of the items that share the value of a column with it.

    Where no known item has the value, or it is missing, it is the mean of all.

    Args:
        key: The column; of a bag, any shared value counts.
        items: A frame with the ids and the column; by default the features of the model hold it.
    """

    key: str
    items: Any = None

    def predict(self, vectors: np.ndarray, known: np.ndarray, features: Features) -> np.ndarray:
        """The vectors of all items.

        Args:
            vectors: [known items, dim] vectors that were learned.
            known: [known items] their rows in the vocabulary of the features.
            features: The features of the model.
        """
        columns = item_columns(features, self.items)
        if self.key not in columns:
            raise ValueError(
                f"`key` must be a column of the items: one of {sorted(columns)}. "
                f"Received: {self.key!r}"
            )
        x = content_matrix({self.key: columns[self.key]}, text=())
        own = x[known]
        sums, counts = own.T @ vectors, np.asarray(own.sum(0)).ravel()[:, None]
        means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
        shared = x.multiply(counts.T > 0).tocsr()  # Values that a known item has.
        number = np.asarray(shared.sum(1))
        found = np.divide(shared @ means, number, out=np.zeros((x.shape[0], vectors.shape[1])),
                          where=number > 0)  # fmt: skip
        return np.where(number > 0, found, vectors.mean(0))


@dataclasses.dataclass(frozen=True)
class Content:
    """Starts a new item from a ridge regression of the known items' vectors on their content.

    Args:
        items: A frame with the ids and what is known of items, old and new, in any columns; by
            default the features of the model hold it.
        text: The columns that are texts; by default those most of whose values are there once, as
            titles are.
        encoder: From texts to vectors, such as `SentenceTransformer(...).encode`; by default latent
            semantic analysis of their words.
        l2: The ridge penalty.
    """

    items: Any = None
    text: Collection[str] | None = None
    encoder: TextEncoder = encode_text
    l2: float = 1.0

    def predict(self, vectors: np.ndarray, known: np.ndarray, features: Features) -> np.ndarray:
        """The vectors of all items; see `Category.predict`."""
        from sklearn.linear_model import Ridge  # Few need it, and it takes long to import.

        columns = item_columns(features, self.items)
        if not columns:
            raise ValueError(
                "There is no content to start new items from, as the features hold nothing of the "
                "items but their ids: give Content(items=frame), or other `new_rows`. "
                "Received: no columns"
            )
        x = content_matrix(columns, self.text, self.encoder)
        return Ridge(self.l2).fit(x[known], vectors).predict(x).reshape(-1, vectors.shape[1])


#: Rules by name: as the model starts, zeros, the mean of the old rows, or of the items' content.
NewRowsName = Literal["initial", "zeros", "mean", "content"]
Rule = NewRowsName | Category | Content
#: A rule for the items, or rules by ID space.
NewRowsLike = Rule | Mapping[str, Rule]

_NAMES = ("initial", "zeros", "mean", "content")


def rules_of(new_rows: NewRowsLike, features: Features) -> dict[str, Rule]:
    """The rule for each ID space; a single `Category` or `Content` is for that of the items.

    Args:
        new_rows: What a caller said.
        features: The features of the model.

    Raises:
        ValueError: If there is no such rule, or no such space.
    """
    spaces = [c.space for c in features.spec.categorical]
    if isinstance(new_rows, Mapping):
        rules = dict(new_rows)
        unknown = sorted(set(rules) - set(spaces))
        if unknown:
            raise ValueError(
                f"`new_rows` must be rules by ID space, of {sorted(set(spaces))}. "
                f"Received: {unknown}"
            )
    else:
        is_of_items = new_rows == "content" or not isinstance(new_rows, str)
        rules = dict.fromkeys([features.spec.item.space] if is_of_items else spaces, new_rows)
    for space, rule in rules.items():
        if (
            rule not in _NAMES
            if isinstance(rule, str)
            else not isinstance(rule, Category | Content)
        ):
            raise ValueError(
                f"`new_rows` must be one of {list(_NAMES)}, a Category or a Content. "
                f"Received: {rule!r}"
            )
        if not isinstance(rule, str) or rule == "content":
            if space != features.spec.item.space:
                raise ValueError(
                    "Content is known of the items alone, whose ID space is "
                    f"{features.spec.item.space!r}. Received: a rule by content for {space!r}"
                )
            if rule == "content":
                rules[space] = Content()
    return rules


def start(
    rule: Rule, vectors: np.ndarray, origin: np.ndarray, features: Features
) -> np.ndarray | None:
    """What the rows of new ids start from.

    Args:
        rule: The rule.
        vectors: [old ids, dim] rows of the old model.
        origin: [ids] the old row of each id, −1 of one that is new.
        features: The features of the new model.

    Returns:
        [new ids, dim] their rows; None if they are to stay as they are.
    """
    is_new, known = origin < 0, np.flatnonzero(origin >= 0)
    if rule == "initial" or not is_new.any() or not len(known):
        return None
    vectors = vectors[origin[known]].astype(np.float64)
    if rule == "zeros":
        return np.zeros((is_new.sum(), vectors.shape[1]))
    if rule == "mean":
        return np.broadcast_to(vectors.mean(0), (is_new.sum(), vectors.shape[1]))
    assert not isinstance(rule, str)
    return rule.predict(vectors, known, features)[is_new]


def item_columns(features: Features, items: Any = None) -> dict[str, np.ndarray]:
    """What is known of the items of a vocabulary, by key: a row each, in its order.

    Args:
        features: The features, which may hold it.
        items: A frame with the ids and other columns, to be taken instead.

    Raises:
        KeyError: If the frame has no ids.
        ValueError: If an id is there twice.
    """
    if items is None:
        return dict(features.items)
    column = features.spec.item
    frame = pd.DataFrame(items)
    if column.key not in frame:
        raise KeyError(
            f"`items` must hold the ids of the items, {column.key!r}. "
            f"Received: {sorted(map(str, frame.columns))}"
        )
    ids = pd.Index(raw_array(frame[column.key], column.dtype))
    if ids.has_duplicates:
        raise ValueError(
            f"`items` must have a row per item. Received twice: {ids[ids.duplicated()][0]!r}"
        )
    at = ids.get_indexer(pd.Index(features.vocabularies[column.space].array()))
    found = {}
    for key, values in table_columns(frame, leave_out=(column.key,)).items():
        kind = {"O": "string", "i": "int64"}.get(values.dtype.kind, "float64")
        fill = 0 if values.dtype == np.float32 else MISSING[kind]
        missing = np.full((1, *values.shape[1:]), fill, values.dtype)
        found[str(key)] = np.concatenate([missing, values])[1 + at]
    return found
