"""Nominations: which sources nominated a candidate, at which rank, and what each makes of it.

"Which sources nominated this video candidate? What scores did they assign?" (Covington et al. 2016,
§4.1). As in `derived`, training works on arrays and serving on tensors; where that takes two
functions they stand side by side, and a test holds them to the same values.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

#: The names of all sources that nominated the candidate, in their order.
CANDIDATE_SOURCES = "candidate_sources"
#: What the keys of a source's score and of its reciprocal rank begin with; its name follows.
_SCORE, _RANK = "candidate_score_", "candidate_reciprocal_rank_"
#: Number of nominations that a candidate's score is relative to.
NOMINATED = 100
#: A request's bag of items that the caller nominates, and the name of that source.
NOMINATE, REQUEST = "nominate", "request"


def score_key(source: str) -> str:
    """The key of what a source makes of the candidate; see `relative_score`.

    >>> score_key("popularity")
    'candidate_score_popularity'
    """
    return _SCORE + source


def rank_key(source: str) -> str:
    """The key of 1 / rank in the nominations of a source; 0 where the candidate is not among them.

    >>> rank_key("popularity")
    'candidate_reciprocal_rank_popularity'
    """
    return _RANK + source


def is_nomination_key(key: str) -> bool:
    """Whether a feature of that name tells of nominations, whatever the sources are called."""
    return key == CANDIDATE_SOURCES or key.startswith((_SCORE, _RANK))


def relative_score(score: tf.Tensor, best: tf.Tensor) -> tf.Tensor:
    """The score of a candidate for examples and for requests: the log of a share of nominations.

    It is the score minus the log of the sum of exp over the best candidates' scores, and so the log
    of the softmax among these. Requests, and models that were trained apart, differ in the level of
    their scores; this can be compared.

    Args:
        score: [batch, n] scores that a retrieval model gives candidates.
        best: [batch, nominated] the highest scores that it gives to items not seen before.

    Example:

    >>> share = relative_score(tf.constant([[3.0]]), tf.constant([[3.0, 3.0, 3.0, 3.0]]))
    >>> round(float(tf.exp(share[0, 0])), 4)
    0.25
    """
    total = tf.reduce_logsumexp(best, axis=-1, keepdims=True)
    # Where nothing is left to nominate, there is nothing to compare with.
    return tf.where(total > -float("inf"), score - total, float("nan"))


def nominations_of_examples(
    ranks: Mapping[str, np.ndarray], scores: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The features of the nominations of examples.

    Args:
        ranks: [examples] rank of each one's item in the nominations of a source, from 1, by the
            source's name; 0 where it did not nominate the item.
        scores: [examples] what the sources make of the items, by name.

    Returns:
        `candidate_sources`, [examples, sources] names, the missing value in place of a source that
        did not nominate the item; reciprocal ranks and scores, [examples], by their keys.

    Example:

    >>> ranks = {"network": np.array([1, 0]), "popularity": np.array([4, 2])}
    >>> found = nominations_of_examples(ranks, {})
    >>> found["candidate_sources"].tolist()
    [['network', 'popularity'], ['', 'popularity']]
    >>> found["candidate_reciprocal_rank_popularity"].tolist()
    [0.25, 0.5]
    """
    names = [np.where(rank > 0, np.array(name, object), "") for name, rank in ranks.items()]
    return {
        CANDIDATE_SOURCES: np.stack(names, axis=-1),
        **{
            rank_key(name): np.where(rank > 0, np.float32(1) / np.maximum(rank, 1, dtype="f"), 0)
            for name, rank in ranks.items()
        },
        **{score_key(name): score for name, score in scores.items()},
    }


def nominations_of_requests(
    ranks: Mapping[str, tf.Tensor], scores: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """The features of the nominations of requests, as `nominations_of_examples` has them.

    Args:
        ranks: [batch, n] ranks of the candidates by source, as `ranks_among` gives them.
        scores: [batch, n] what the sources make of them, by name.

    Returns:
        `candidate_sources`, [batch, n, sources], and the rest, [batch, n], by their keys.
    """
    names = [tf.where(rank > 0, name, "") for name, rank in ranks.items()]
    return {
        CANDIDATE_SOURCES: tf.stack(names, axis=-1),
        **{
            rank_key(name): tf.math.divide_no_nan(
                tf.cast(rank > 0, tf.float32), tf.cast(rank, tf.float32)
            )
            for name, rank in ranks.items()
        },
        **{score_key(name): score for name, score in scores.items()},
    }


def own_ranks(own: np.ndarray, nominated: np.ndarray) -> np.ndarray:
    """The rank of an item of each example among what was nominated for it, [examples].

    Args:
        own: [examples] items, none of them below 0.
        nominated: [examples, n] nominated items, best first, −1 where there are fewer.

    Example:

    >>> own_ranks(np.array([7, 4]), np.array([[5, 7, -1], [5, 7, -1]])).tolist()
    [2, 0]
    """
    is_own = nominated == own[:, None]
    return np.where(is_own.any(axis=1), 1 + is_own.argmax(axis=1), 0)


def ranks_among(items: tf.Tensor, nominated: tf.Tensor) -> tf.Tensor:
    """The ranks of candidates among what was nominated, from 1; 0 for others. int32 [batch, n].

    Args:
        items: int32 [batch, n] candidates; −1 is none.
        nominated: int32 [batch, m] nominated items, best first, −1 where there is none. Of a
            repeated item the first counts.

    Example:

    >>> ranks_among(tf.constant([[7, 4, -1]]), tf.constant([[5, 7, -1]])).numpy().tolist()
    [[2, 0, 0]]
    """
    order = tf.argsort(nominated, axis=1, stable=True)
    # The largest int32 keeps the search in bounds and is never an item.
    ordered = tf.gather(nominated, order, batch_dims=1)
    ordered = tf.pad(ordered, [[0, 0], [0, 1]], constant_values=tf.int32.max)
    at = tf.searchsorted(ordered, items)
    is_nominated = (items >= 0) & (tf.gather(ordered, at, batch_dims=1) == items)
    ranks = 1 + tf.gather(tf.pad(order, [[0, 0], [0, 1]]), at, batch_dims=1)
    return tf.where(is_nominated, ranks, 0)


def first_of_each(items: np.ndarray) -> np.ndarray:
    """Nominations of examples in which each item is there once: repetitions are −1.

    Args:
        items: [examples, n] nominations of all sources, one source after the other.

    Example:

    >>> first_of_each(np.array([[5, 7, -1, 7, 3]])).tolist()
    [[5, 7, -1, -1, 3]]
    """
    order = np.argsort(items, axis=1, kind="stable")
    ordered = np.take_along_axis(items, order, axis=1)
    is_repeated = np.zeros(items.shape, bool)
    repeats = ordered[:, 1:] == ordered[:, :-1]
    np.put_along_axis(is_repeated, order[:, 1:], repeats, axis=1)
    return np.where(is_repeated, -1, items)


def union(items: tf.Tensor, least: int) -> tf.Tensor:
    """Nominations of requests in which each item is there once, and −1 is at the end.

    Args:
        items: int32 [batch, n] nominations of all sources, one source after the other.
        least: Number of columns to return at least; there must be as many.

    Returns:
        int32 [batch, m], as wide as the most nominations of a request, or `least`.

    Example:

    >>> union(tf.constant([[5, 7, -1, 7, 3], [2, 2, 2, 2, 2]]), 2).numpy().tolist()
    [[5, 7, 3], [2, -1, -1]]
    """
    order = tf.argsort(items, axis=1, stable=True)
    ordered = tf.gather(items, order, batch_dims=1)
    is_first = tf.pad(ordered[:, 1:] != ordered[:, :-1], [[0, 0], [1, 0]], constant_values=True)
    is_first = tf.gather(is_first, tf.argsort(order, axis=1), batch_dims=1)
    is_left_out = tf.cast((items < 0) | tf.logical_not(is_first), tf.int32)
    kept = tf.argsort(is_left_out, axis=1, stable=True)
    items = tf.gather(tf.where(is_left_out > 0, -1, items), kept, batch_dims=1)
    longest = tf.reduce_max(tf.reduce_sum(1 - is_left_out, axis=1))
    return items[:, : tf.maximum(longest, least)]
