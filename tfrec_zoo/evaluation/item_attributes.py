"""What is known of items, as a vector each, by which they are alike or not."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec_zoo.data.columns import are_names, is_bag, is_list, is_text, vector_width
from tfrec_zoo.data.log import Log


def item_vectors(
    log: Log, ids: pd.Index, attributes: Sequence[str] | None = None
) -> scipy.sparse.csr_matrix | None:
    """A vector for each item: 1 where it has a value of one of its columns, 0 elsewhere.

    A column of vectors, lists of decimal numbers of one length, adds the numbers as they are.

    Args:
        log: The log.
        ids: The items.
        attributes: Columns of `log.items`; by default those of text and of lists of it, but for
            titles and other names, which are different for more than half of the items.

    Returns:
        [items, values], all zeros for an item of which nothing is known; None if there is no such
        column.

    Raises:
        ValueError: If `log.items` has no column of a name.
    """
    items, r = log.items, log.roles
    if attributes is None:
        columns = [c for c in items.columns if c not in (r.item, r.title) and _is_told(items[c])]
    else:
        columns = list(attributes)
        others = [str(c) for c in items.columns if c != r.item]
        unknown = [c for c in columns if c not in others]
        if unknown:
            raise ValueError(
                f"`attributes` must be columns of the items, {others}. Received: {unknown}"
            )
    if not columns:
        return None
    at = pd.Index(items[r.item]).get_indexer(ids)
    blocks = []
    for column in columns:
        block = _block(items[column])
        empty = scipy.sparse.csr_matrix((1, block.shape[1]))
        blocks.append(scipy.sparse.vstack([block, empty], "csr")[at])
    return scipy.sparse.hstack(blocks, "csr")


def _is_told(values: pd.Series) -> bool:
    """Whether a column is taken without being named."""
    if is_bag(values):
        return vector_width(values) is None
    return is_text(values) and not are_names(values)


def _block(values: pd.Series) -> scipy.sparse.csr_matrix:
    """[rows, values] 1 for what a row has; or the vectors themselves."""
    # Few need it, and it takes long to import.
    from sklearn.preprocessing import MultiLabelBinarizer

    width = vector_width(values)
    if width is not None:
        rows = [row if is_list(row) and len(row) else np.zeros(width) for row in values]
        return scipy.sparse.csr_matrix(np.stack(rows).astype(np.float64))
    bags = [bag if is_list(bag) else [bag] for bag in values]
    known = [[str(v) for v in bag if not pd.isna(v) and v != ""] for bag in bags]
    return MultiLabelBinarizer(sparse_output=True).fit_transform(known).tocsr()
