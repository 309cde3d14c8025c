"""Content: what is known of items as one matrix, from which their vectors can be told."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

#: From texts to vectors, [n, dim], such as `SentenceTransformer(...).encode`.
TextEncoder = Callable[[list[str]], Any]

#: Number of components that texts are reduced to.
_TEXT_DIM = 64


def encode_text(texts: list[str]) -> np.ndarray:
    """Vectors of texts by latent semantic analysis: TF-IDF of their words, reduced to 64 numbers.

    Args:
        texts: The texts, which may be empty.

    Returns:
        [texts, dim] vectors; without a single word in all of them, zeros.
    """
    # Few need them, and they take long to import.
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        words = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
    except ValueError:  # There is no word.
        return np.zeros((len(texts), 1))
    dim = min(_TEXT_DIM, words.shape[1] - 1, words.shape[0] - 1)
    if dim < 1:
        return words.toarray()
    return TruncatedSVD(dim, random_state=0).fit_transform(words)


def is_prose(values: np.ndarray) -> bool:
    """Whether a column of text is told apart by its words: most of its values are there once."""
    given = values[values != ""]
    return len(given) > 0 and 2 * len(pd.unique(given)) > len(given)


def content_matrix(
    columns: Mapping[str, np.ndarray],
    text: Collection[str] | None = None,
    encoder: TextEncoder = encode_text,
) -> sparse.csr_matrix:
    """What is known of items as a matrix, a row for each.

    Categories are one-hot, bags multi-hot, numbers are brought to mean 0 and deviation 1, vectors
    stand as they are, and texts go through the encoder. What is missing is 0.

    Args:
        columns: Raw features by key: [items] strings, whole numbers that are categories, or
            float64 numbers; [items, length] bags of the first two; or [items, width] float32
            vectors.
        text: The columns that are texts; by default those most of whose values are there once.
        encoder: From texts to vectors.

    Returns:
        [items, width] the matrix.

    Raises:
        ValueError: If the encoder returns something else than a vector for each text.

    Example:

    >>> genre, year = np.array(["pop", "rock", ""], object), np.array([1.0, 3.0, 2.0])
    >>> content_matrix({"genre": genre, "year": year}, text=()).toarray().round(2).tolist()
    [[1.0, 0.0, -1.22], [0.0, 1.0, 1.22], [0.0, 0.0, 0.0]]
    """
    parts = []
    for key, values in columns.items():
        if values.dtype.kind == "f":
            parts.append(sparse.csr_matrix(_numbers(values)))
        elif values.ndim == 1 and values.dtype == object and _is_text(key, values, text):
            parts.append(sparse.csr_matrix(_vectors(key, encoder, values)))
        else:
            parts.append(_multi_hot(values.reshape(len(values), -1)))
    return sparse.csr_matrix(sparse.hstack(parts))


def _is_text(key: str, values: np.ndarray, text: Collection[str] | None) -> bool:
    return is_prose(values) if text is None else key in text


def _vectors(key: str, encoder: TextEncoder, values: np.ndarray) -> np.ndarray:
    vectors = np.asarray(encoder(values.tolist()), np.float64)
    if vectors.ndim != 2 or len(vectors) != len(values) or not np.isfinite(vectors).all():
        raise ValueError(
            f"`encoder` must return a finite vector for each text, {len(values)} of {key!r}. "
            f"Received: shape {vectors.shape}"
        )
    # An empty text says nothing, whatever the encoder makes of it.
    return np.where((values == "")[:, None], 0.0, vectors)


def _numbers(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.float32:
        return values
    values = np.where(np.isfinite(values), values, np.nan).reshape(len(values), -1)
    known = ~np.isnan(values)
    count = np.maximum(known.sum(0), 1)
    centered = np.where(known, values - np.where(known, values, 0).sum(0) / count, 0)
    deviation = np.sqrt((centered**2).sum(0) / count)
    return np.divide(centered, deviation, out=np.zeros_like(centered), where=deviation > 0)


def _multi_hot(values: np.ndarray) -> sparse.csr_matrix:
    """[rows, distinct] ones for the values of a row that aren't missing."""
    is_there = (values != "") if values.dtype == object else values >= 0
    row = np.nonzero(is_there)[0]
    codes, distinct = pd.factorize(values[is_there])
    shape = (len(values), len(distinct))
    hot = sparse.csr_matrix((np.ones(len(row)), (row, codes)), shape)
    return hot.minimum(1)  # A value counts once, however often it is in a bag.
