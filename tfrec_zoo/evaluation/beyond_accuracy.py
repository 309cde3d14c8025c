"""What lists of recommendations are like, besides right or wrong.

Lists are [lists, k] numbers of items, best first, in which -1 fills up those that are shorter. What
is a mean over lists is left undefined, NaN, where no list has what it takes.
"""

import numpy as np
import scipy.sparse

#: Lists whose vectors are added up at a time.
_CHUNK = 8192


def novelty(lists: np.ndarray, takers: np.ndarray, num_users: int) -> float:
    """Mean self-information of the recommended items: how few of the users have them.

        novelty = mean over lists of mean over items i of -log2(takers_i / num_users)

    An item that nobody has taken counts as if one user had. This is the mean inverse user frequency
    of Vargas & Castells.

    Args:
        lists: [lists, k] items; -1 is padding.
        takers: [items] number of users who have taken each item.
        num_users: Number of users.

    Example: one item that all four users have, and one that a quarter has.

    >>> novelty(np.array([[0, 1]]), np.array([4, 1]), num_users=4)
    1.0

    References:
        Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS
        2010; Vargas & Castells, "Rank and Relevance in Novelty and Diversity Metrics for
        Recommender Systems", RecSys 2011.
    """
    information = np.log2(num_users) - np.log2(np.maximum(takers, 1))
    return _mean_of_means(information, lists)


def popularity(lists: np.ndarray, takers: np.ndarray) -> float:
    """Average recommendation popularity: how many users have what is recommended.

        popularity = mean over lists of mean over items i of takers_i

    Args:
        lists: [lists, k] items; -1 is padding.
        takers: [items] number of users who have taken each item.

    >>> popularity(np.array([[0, 1], [1, -1]]), np.array([4, 1]))
    1.75

    References:
        Yin et al., "Challenging the Long Tail Recommendation", VLDB 2012.
    """
    return _mean_of_means(takers.astype(np.float64), lists)


def intra_list_diversity(lists: np.ndarray, vectors: np.ndarray | scipy.sparse.csr_matrix) -> float:
    """How unlike each other the items of a list are, by the cosine of their vectors.

        diversity = mean over lists of 1 - mean over pairs i < j of cos(vectors_i, vectors_j)

    Pairs in which an item has no vector, all zeros, are left out, and so are lists without another
    pair.

    Args:
        lists: [lists, k] items; -1 is padding.
        vectors: [items, n] what describes each item, dense or sparse.

    >>> intra_list_diversity(np.array([[0, 1, 2]]), np.array([[1, 0], [1, 0], [0, 2]]))
    0.6666666666666667

    References:
        Ziegler et al., "Improving Recommendation Lists Through Topic Diversification", WWW 2005.
    """
    matrix = scipy.sparse.csr_matrix(vectors, dtype=np.float64)
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    has_vector = np.append(length > 0, False)
    units = scipy.sparse.diags(1 / np.where(length > 0, length, 1)) @ matrix
    found = []
    for begin in range(0, len(lists), _CHUNK):
        part = lists[begin : begin + _CHUNK]
        row, column = np.nonzero(has_vector[part])
        shape = (len(part), len(length))
        chosen = scipy.sparse.csr_matrix((np.ones(len(row)), (row, part[row, column])), shape=shape)
        number = np.bincount(row, minlength=len(part)).astype(np.float64)
        total = chosen @ units
        # The square of the sum of unit vectors is their number and, twice, each pair's cosine.
        square = np.asarray(total.multiply(total).sum(axis=1)).ravel()
        pairs = number * (number - 1)
        found.append(1 - (square - number)[pairs > 0] / pairs[pairs > 0])
    values = np.concatenate(found) if found else np.empty(0)
    return float(values.mean()) if len(values) else float("nan")


def serendipity(lists: np.ndarray, relevant: np.ndarray, takers: np.ndarray, number: int) -> float:
    """How much of what is right in the lists is what popularity would not have recommended.

        serendipity = mean over lists of mean over ranks r of rel_r · max(own_r - any_r, 0)
        own_r = (number + 1 - r) / number, any_r = (number + 1 - place of the item at r) / number

    The place of an item is 1 for the most popular, equal for items that are equally popular and
    then one more; an item that nobody has taken has an `any_r` of 0. This is Murakami et al.'s
    measure with the probabilities that RecTools gives it.

    Args:
        lists: [lists, k] items; -1 is padding.
        relevant: [lists, k] whether the item at each rank is right.
        takers: [items] number of users who have taken each item.
        number: Number of items that there are to recommend.

    Example: the second of four items in popularity, which is first in the list.

    >>> serendipity(np.array([[1]]), np.array([[True]]), np.array([9, 5, 2, 1]), number=4)
    0.25

    References:
        Murakami, Mori & Orihara, "Metrics for Evaluating the Serendipity of Recommendation Lists",
        JSAI 2007; Kaminskas & Bridge, "Diversity, Serendipity, Novelty, and Coverage", TiiS 2016.
    """
    counts = np.unique(takers[takers > 0])
    place = len(counts) - np.searchsorted(counts, takers)
    any_user = np.where(takers > 0, (number + 1 - place) / number, 0.0)
    own = (number + 1 - np.arange(1, lists.shape[1] + 1)) / number
    surprise = np.where(relevant, np.maximum(own - np.append(any_user, 0)[lists], 0), 0)
    return _mean(surprise, lists)


def gini(exposure: np.ndarray) -> float:
    """Gini index of exposure: 0 if all items are in as many lists, 1 if one item is in all.

        gini = sum over items, j = 1 … n from the least exposed, of (2j - n - 1) · exposure_j,
               divided by (n - 1) · sum of exposure

    Args:
        exposure: [items] number of lists that each item of the catalogue is in.

    >>> gini(np.array([2, 2, 2])), gini(np.array([0, 0, 5])), gini(np.array([0, 1, 1]))
    (0.0, 1.0, 0.5)

    References:
        Shani & Gunawardana, "Evaluating Recommendation Systems", Recommender Systems Handbook 2011;
        Fleder & Hosanagar, "Blockbuster Culture's Next Rise or Fall", Management Science 2009.
    """
    n, total = len(exposure), float(exposure.sum())
    if n < 2 or not total:
        return float("nan") if not total else 0.0
    weights = 2 * np.arange(1, n + 1) - n - 1.0
    return float((weights * np.sort(exposure)).sum() / ((n - 1) * total))


def _mean_of_means(values: np.ndarray, lists: np.ndarray) -> float:
    """The mean over lists of the mean of what their items have."""
    return _mean(np.append(values, 0)[lists], lists)


def _mean(values: np.ndarray, lists: np.ndarray) -> float:
    """The mean over lists that are not empty of the mean of [lists, k] values, without padding."""
    number = (lists >= 0).sum(axis=1)
    sums = np.where(lists >= 0, values, 0.0).sum(axis=1)
    means = sums[number > 0] / number[number > 0]
    return float(means.mean()) if len(means) else float("nan")
