"""Lists: recommendations that anyone made, measured on the test items of a split."""

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse
import tensorflow as tf

from tfrec_zoo.data import Log, ShardedLog, Split
from tfrec_zoo.data.coded import distinct_of, interacted_items
from tfrec_zoo.data.ids import read_ids, written_out
from tfrec_zoo.evaluation.beyond_accuracy import (
    gini,
    intra_list_diversity,
    novelty,
    popularity,
    serendipity,
)
from tfrec_zoo.evaluation.item_attributes import item_vectors
from tfrec_zoo.metrics import (
    MISS,
    MRR,
    NDCG,
    CatalogueCoverage,
    HitRate,
    MeanAveragePrecision,
    Precision,
    Recall,
)

logger = logging.getLogger(__name__)

#: Column of the ranks, from 1, and what the items are called in answers of this package.
RANK, ANSWERED = "rank", "id"
#: Users whose ranks are measured at a time.
_CHUNK = 4096


def evaluate_lists(
    lists: pd.DataFrame,
    log: Log,
    split: Split,
    ks: Sequence[int] = (10,),
    attributes: Sequence[str] | None = None,
) -> dict[str, float]:
    """Measures one list of recommendations per user, whoever made them, for users of a log.

    Whether lists are right is a mean over the users with test items: all items that the user took
    in the test part are to be found, in any order. With one test item per user and no equal scores,
    hit rate, NDCG and coverage are those of `full_ranking` on a model's own lists. What lists are
    like is a mean over all lists, also of users without test items.

    What is done with input that is not plain:

    - Users with test items but without a list count as misses, which is logged.
    - Lists shorter than k are measured as they are; precision is divided by k all the same.
    - Items that are not among the training interactions are right if they are test items. They
      count as new to everyone, and in neither coverage nor Gini index, which are of the catalogue:
      the items of the training interactions.
    - Users and items that the log doesn't have, an item twice in a list, and ranks of a list other
      than 1, 2, … are refused.

    Args:
        lists: A row per recommendation, in any order: the user and the item, in the columns that
            the log has for them (or the item in `id`, as answers have it), and `rank`, from 1.
            Ids in a frame of text are those of the log written out.
        log: The log.
        split: The split: `train` is what was known, `test` what is to be found.
        ks: Lengths of the lists that are evaluated.
        attributes: Columns of `log.items` by which items are alike; by default those of text and of
            lists of it, but for titles and other names. Without any, diversity is not measured.

    Returns:
        For each k `hit_rate_at_k`, `precision_at_k`, `recall_at_k`, `ndcg_at_k`,
        `mean_average_precision_at_k` and `mrr_at_k`, as in `tfrec_zoo.metrics`; `coverage_at_k`,
        the share of the catalogue in at least one list; `novelty_at_k`, `diversity_at_k`,
        `serendipity_at_k` and `popularity_at_k`, as the functions of `tfrec_zoo.evaluation` say
        (serendipity is a mean over users with test items); `popularity_bias_at_k`, which is
        `popularity_at_k` over the same of what these users took in training; and `gini_at_k`, of
        how many lists the items of the catalogue are in.

    Raises:
        ValueError: If a column is missing, lists are malformed or of others than the log's users
            and items, or there is nothing to find.

    Example:

    >>> log = Log("mine", pd.DataFrame({"user_id": list("aabb"), "item_id": list("xyyz"),
    ...                                 "time": [1, 2, 1, 2]}))
    >>> split = Split(np.array([0, 2]), np.array([], int), np.array([1, 3]), "mine")
    >>> lists = pd.DataFrame({"user_id": list("aab"), "item_id": list("zyx"), "rank": [1, 2, 1]})
    >>> found = evaluate_lists(lists, log, split, ks=[2])
    >>> found["hit_rate_at_2"], found["mrr_at_2"], found["coverage_at_2"]
    (0.5, 0.25, 1.0)

    References:
        Abdollahpouri et al., "The Unfairness of Popularity Bias in Recommendation", RMSE workshop
        of RecSys 2019, has the popularity of profiles beside that of lists.
    """
    if not isinstance(log, Log) or isinstance(log, ShardedLog):
        raise ValueError(
            "Lists are measured on a log in memory, such as `Log.read` reads. "
            f"Received: {type(log).__name__}"
        )
    if not len(ks):
        raise ValueError(f"`ks` must hold lengths of lists. Received: {ks!r}")
    taken = interacted_items(log)
    items, users = distinct_of(taken), log.users[log.roles.user].to_numpy()
    items = np.concatenate([items, np.setdiff1d(log.items[log.roles.item].to_numpy(), items)])
    known = _pairs(log.user_codes[split.train], taken.codes[split.train])
    test = _pairs(log.user_codes[split.test], taken.codes[split.test])
    if not len(test) or not len(known):
        raise ValueError(
            f"The split must leave interactions to know and to find ({split.protocol}). "
            f"Received: {len(split.train)} to train and {len(split.test)} to test on"
        )
    given = _Lists.of(lists, log, users, items)
    takers = np.bincount(known[:, 1], minlength=len(items))
    vectors = item_vectors(log, pd.Index(items), attributes)
    ranks = _ranks_of(given, test, len(items))
    return {
        **_accuracy(given, test, ranks, ks),
        **_beyond(given, known, test, ranks, takers, vectors, ks),
    }


@dataclasses.dataclass(frozen=True)
class _Lists:
    """Lists of recommendations.

    Args:
        users: [lists] rows of the users.
        items: [lists, longest] numbers of the items, best first; -1 is padding.
    """

    users: np.ndarray
    items: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame, log: Log, users: np.ndarray, items: np.ndarray) -> "_Lists":
        """Reads and checks the lists of a frame.

        Args:
            frame: The frame.
            log: The log.
            users: Ids of the users there are.
            items: Ids of the items there are.
        """
        r = log.roles
        columns = list(getattr(frame, "columns", ()))
        item = r.item if r.item in columns or ANSWERED not in columns else ANSWERED
        missing = [name for name in (r.user, item, RANK) if name not in columns]
        if missing:
            raise ValueError(
                f"`lists` must have the columns {r.user!r}, {r.item!r} (or {ANSWERED!r}) and "
                f"{RANK!r}: rename those that are called otherwise. Received columns: {columns}, "
                f"without {missing}"
            )
        if not len(frame):
            raise ValueError("`lists` must have a row per recommendation. Received: 0 rows")
        user = _numbers(frame[r.user], users, "users")
        number = _numbers(frame[item], items, "items")
        rank = _ranks(frame[RANK])
        order = np.lexsort([rank, user])
        user, number, rank = user[order], number[order], rank[order]
        is_first = np.append(True, user[1:] != user[:-1])
        first = np.flatnonzero(is_first)
        place = np.arange(len(user)) - first[np.cumsum(is_first) - 1]
        wrong = np.flatnonzero(rank != place + 1)
        if len(wrong):
            own = rank[user == user[wrong[0]]]
            raise ValueError(
                f"The ranks of each list must be 1, 2, … without gaps or repeats, one list per "
                f"user. Received, for the user {users.tolist()[user[wrong[0]]]!r}: "
                f"{own.tolist()[:20]}"
            )
        pair = user * len(items) + number
        distinct, count = np.unique(pair, return_counts=True)
        if (count > 1).any():
            twice = distinct[np.argmax(count > 1)]
            raise ValueError(
                "A list must hold an item once: leave out the later ones and number the ranks "
                f"again. Received, for the user {users.tolist()[twice // len(items)]!r}, twice: "
                f"{items.tolist()[twice % len(items)]!r}"
            )
        table = np.full((len(first), place.max() + 1), -1)
        table[np.cumsum(is_first) - 1, place] = number
        return cls(user[first], table)


def _numbers(values: pd.Series, known: np.ndarray, what: str) -> np.ndarray:
    """[rows] positions of ids among the known ones; text and numbers meet as they are written."""
    try:
        ids = read_ids(values)
    except TypeError as error:
        raise ValueError(f"The {what} of `lists` must be {error}") from error
    if (ids.codes < 0).any():
        row = int(np.argmax(ids.codes < 0))
        raise ValueError(
            f"Each row of `lists` must have one of the log's {what}. Received, in row {row} (the "
            f"first is 0): {values.tolist()[row]!r}"
        )
    distinct = ids.distinct
    if len(known) and ids.are_text != isinstance(known[0], str):
        distinct, known = written_out(distinct), written_out(known)
    at = pd.Index(known).get_indexer(pd.Index(distinct))
    if (at < 0).any():
        raise ValueError(
            f"`lists` must be of {what} that the log has: leave out the others, or add rows of "
            f"them to `{what}`. Received {int((at < 0).sum())} unknown {what} of {len(at)}, such "
            f"as {distinct.tolist()[np.argmax(at < 0)]!r}; those of the log are such as "
            f"{known.tolist()[0]!r}"
        )
    return at[ids.codes].astype(np.int64)


def _ranks(values: pd.Series) -> np.ndarray:
    """[rows] ranks as whole numbers."""
    ranks = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    is_wrong = ~(ranks >= 1) | (ranks != np.floor(ranks)) | (ranks >= 2**31)
    if is_wrong.any():
        row = int(np.argmax(is_wrong))
        raise ValueError(
            f"Each row of `lists` must have a {RANK!r}, a whole number from 1. Received, in row "
            f"{row} (the first is 0): {values.tolist()[row]!r}"
        )
    return ranks.astype(np.int64)


def _pairs(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """[pairs, 2] distinct pairs of a user and an item, by user."""
    return np.unique(np.stack([user, item], axis=1).astype(np.int64), axis=0)


def _accuracy(
    given: _Lists, test: np.ndarray, ranks: np.ndarray, ks: Sequence[int]
) -> dict[str, float]:
    """Means over the users with test items of what depends on the ranks of these."""
    kinds = (HitRate, Precision, Recall, NDCG, MeanAveragePrecision, MRR)
    metrics = [kind(k) for kind in kinds for k in ks]
    if (ranks == MISS).all():
        logger.warning(
            "No list holds a test item. Are the lists of the state before the test part? Those "
            "made at the end of the log leave the test items out, as what the user has"
        )
    user, first, number = np.unique(test[:, 0], return_index=True, return_counts=True)
    has_list = np.isin(user, given.users)
    if not has_list.all():
        logger.warning(
            "%d of %d users with test items have no list: they count as misses",
            (~has_list).sum(), len(user),
        )  # fmt: skip
    for begin in range(0, len(user), _CHUNK):
        count, start = number[begin : begin + _CHUNK], first[begin : begin + _CHUNK]
        place = np.arange(count.max())
        is_item = place < count[:, None]
        rows = np.full(is_item.shape, -1, np.int32)
        rows[is_item] = ranks[(start[:, None] + place)[is_item]]
        for metric in metrics:
            metric.update_ranks(tf.constant(rows))
    return {metric.name: float(metric.result()) for metric in metrics}


def _ranks_of(given: _Lists, pairs: np.ndarray, num_items: int) -> np.ndarray:
    """[pairs] places from 0 of items in their users' lists; `MISS` for those that are in none."""
    row, place = np.nonzero(given.items >= 0)
    listed = pd.Index(given.users[row] * num_items + given.items[row, place])
    at = listed.get_indexer(pd.Index(pairs[:, 0] * num_items + pairs[:, 1]))
    return np.append(place, MISS)[at]


def _beyond(
    given: _Lists,
    known: np.ndarray,
    test: np.ndarray,
    ranks: np.ndarray,
    takers: np.ndarray,
    vectors: scipy.sparse.csr_matrix | None,
    ks: Sequence[int],
) -> dict[str, float]:
    """What the lists are like."""
    catalogue = np.flatnonzero(takers)
    at = np.full(len(takers) + 1, -1)
    at[catalogue] = np.arange(len(catalogue))
    profiles = known[np.isin(known[:, 0], given.users)]
    first = np.flatnonzero(np.diff(profiles[:, 0], prepend=-1))
    usual = float("nan")
    if len(first):
        sums = np.add.reduceat(takers[profiles[:, 1]].astype(np.float64), first)
        usual = float((sums / np.diff(np.append(first, len(profiles)))).mean())
    is_tested = np.isin(given.users, test[:, 0])
    relevant = np.zeros(given.items.shape, bool)
    row_of = pd.Index(given.users).get_indexer(test[:, 0])
    relevant[row_of[ranks < MISS], ranks[ranks < MISS]] = True
    num_tested = len(np.unique(test[:, 0]))
    found: dict[str, dict[int, float]] = {}
    for k in ks:
        lists = given.items[:, :k]
        coverage = CatalogueCoverage(len(catalogue))
        coverage.update_state(at[lists])
        exposure = np.bincount(at[lists][at[lists] >= 0], minlength=len(catalogue))
        surprise = 0.0
        if is_tested.any():
            own = lists[is_tested], relevant[is_tested, :k]
            # Users without a list are not surprised.
            share = is_tested.sum() / num_tested
            surprise = serendipity(*own, takers, len(catalogue)) * share
        mean = popularity(lists, takers)
        values = {
            "coverage": float(coverage.result()),
            "novelty": novelty(lists, takers, len(np.unique(known[:, 0]))),
            "serendipity": surprise,
            "popularity": mean,
            "popularity_bias": mean / usual,
            "gini": gini(exposure),
        }
        if vectors is not None:
            values["diversity"] = intra_list_diversity(lists, vectors)
        for name, value in values.items():
            found.setdefault(name, {})[k] = value
    return {f"{name}_at_{k}": value for name, of_k in found.items() for k, value in of_k.items()}
