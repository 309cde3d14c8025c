"""Lists that anyone made: metrics by hand, a model's own lists, and lists that are refused."""

import logging
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo import Log, Training, tasks, train
from tfrec_zoo.data import ShardedLog, Split, prepare
from tfrec_zoo.evaluation import evaluate_lists

# Training: a has v w, b has v, c has v x, d has w. Test: a y, b w x, c z; d has none, e nothing.
ROWS = pd.DataFrame(
    [
        *[("a", "v", 0), ("a", "w", 1), ("a", "y", 9)],
        *[("b", "v", 0), ("b", "w", 8), ("b", "x", 9)],
        *[("c", "v", 0), ("c", "x", 1), ("c", "z", 9)],
        ("d", "w", 0),
    ],
    columns=["user_id", "item_id", "time"],
)
ITEMS = pd.DataFrame(
    {
        "item_id": list("vwxyzn"),
        "kind": ["k", "k", "l", "l", None, "k"],
        "tags": [["p"], ["p", "q"], ["q"], [], [], ["p"]],
        "year": [1990, 1990, 1990, 1991, 1991, 1990],
        "text": [[0.5, 0.0], [0.25, 0.25], [0.0, 1.0], None, [0.5, 0.5], [1.0, 1.0]],
        "title": list("VWXYZN"),
        "name": list("123456"),
    }
)
LOG = Log("mine", ROWS, users=pd.DataFrame({"user_id": list("abcde")}), items=ITEMS)
SPLIT = Split(
    np.flatnonzero(ROWS["time"] < 2), np.empty(0, np.int64), np.flatnonzero(ROWS["time"] > 2), "own"
)


def frame(**lists: str) -> pd.DataFrame:
    """Lists by user: `a="xy"`; the rows in no order."""
    rows = [(u, i, rank) for u, items in lists.items() for rank, i in enumerate(items, 1)]
    found = pd.DataFrame(rows, columns=["user_id", "item_id", "rank"])
    return found.sample(frac=1, random_state=0)


def test_by_hand(caplog: pytest.LogCaptureFixture) -> None:
    lists = frame(a="xyn", b="wvx", d="wv", e="n")  # c has no list.
    with caplog.at_level(logging.WARNING):
        found = evaluate_lists(lists, LOG, SPLIT, ks=(1, 3))
    assert caplog.messages == ["1 of 3 users with test items have no list: they count as misses"]
    # a: y at rank 2. b: w at 1, x at 3. c: none.
    second, third = 1 / math.log2(3), 1 / math.log2(4)
    expected = {
        "hit_rate_at_1": 1 / 3,
        "hit_rate_at_3": 2 / 3,
        "precision_at_1": 1 / 3,
        "precision_at_3": (1 / 3 + 2 / 3) / 3,
        "recall_at_1": (0 + 1 / 2) / 3,
        "recall_at_3": (1 + 1) / 3,
        "ndcg_at_1": 1 / 3,
        "ndcg_at_3": (second + (1 + third) / (1 + second)) / 3,
        "mean_average_precision_at_1": 1 / 3,
        "mean_average_precision_at_3": (1 / 2 + (1 + 2 / 3) / 2) / 3,
        "mrr_at_1": 1 / 3,
        "mrr_at_3": (1 / 2 + 1) / 3,
        # The catalogue is v w x, taken by 3, 2, 1 of 4 users.
        "coverage_at_1": 2 / 3,
        "coverage_at_3": 1,
        # -log2 of 3/4, 2/4, 1/4: y and n count as x. First x, w, w, n.
        "novelty_at_1": (2 + 1 + 1 + 2) / 4,
        "popularity_at_1": (1 + 2 + 2 + 0) / 4,
        "popularity_at_3": (1 / 3 + 6 / 3 + 5 / 2 + 0) / 4,
        # w is second of three in popularity: 1 - 2/3 at rank 1; c is not surprised.
        "serendipity_at_1": (0 + 1 / 3 + 0) / 3,
        # y is new, 2/3 - 0; b: w as before, x is third in both.
        "serendipity_at_3": ((2 / 3) / 3 + (1 / 3) / 3) / 3,
        # v w x are in 0, 2, 1 and in 2, 2, 2 of the lists.
        "gini_at_1": (2 * 2) / (2 * 3),
        "gini_at_3": 0,
    }
    information = -math.log2(3 / 4)
    expected["novelty_at_3"] = (2 + (1 + information + 2) / 3 + (1 + information) / 2 + 2) / 4
    # In training a's items have 2.5, b's 3, d's 2; e has none.
    usual = (2.5 + 3 + 2) / 3
    for k in (1, 3):
        expected[f"popularity_bias_at_{k}"] = expected[f"popularity_at_{k}"] / usual
    # Attributes are kinds and tags: v kp, w kpq, x lq, y l, n kp.
    v_w, w_x, x_y = 2 / math.sqrt(6), 1 / math.sqrt(6), 1 / math.sqrt(2)
    assert math.isnan(found.pop("diversity_at_1"))
    expected["diversity_at_3"] = np.mean([1 - x_y / 3, 1 - (v_w + w_x) / 3, 1 - v_w])
    assert found == pytest.approx(expected, abs=1e-6)


def test_diversity_is_by_the_columns_that_are_named() -> None:
    lists = frame(a="vw", b="xy")

    def diversity(*columns: str) -> float:
        return evaluate_lists(lists, LOG, SPLIT, (2,), columns)["diversity_at_2"]

    # v and w have one year, x and y two; one name each.
    assert diversity("year") == pytest.approx(0.5)
    assert diversity("name") == pytest.approx(1)
    # Vectors are taken as they are; y has none.
    assert diversity("text") == pytest.approx(1 - 1 / math.sqrt(2))
    # z has neither kind nor tags.
    only = evaluate_lists(frame(a="vz"), LOG, SPLIT, (2,))
    assert math.isnan(only["diversity_at_2"])
    with pytest.raises(
        ValueError, match=r"columns of the items, \['kind', .*Received: \['color'\]"
    ):
        diversity("kind", "color")
    bare = Log("bare", ROWS)
    assert "diversity_at_2" not in evaluate_lists(lists, bare, SPLIT, (2,))


def test_ids_are_compared_as_they_are_written() -> None:
    numbered = ROWS.assign(item_id=ROWS["item_id"].map(ord))
    log = Log("numbered", numbered)
    lists = frame(a="xy", b="wv")
    as_text = lists.assign(item_id=lists["item_id"].map(lambda item: str(ord(item))))
    as_numbers = lists.assign(item_id=lists["item_id"].map(ord)).rename(columns={"item_id": "id"})
    expected = evaluate_lists(lists, Log("mine", ROWS), SPLIT)
    assert evaluate_lists(as_text, log, SPLIT) == expected
    # Answers have the item in `id`, and other columns besides.
    assert evaluate_lists(as_numbers.assign(score=0.5, row=1), log, SPLIT) == expected
    with pytest.raises(ValueError, match="Received 1 unknown items of 4, such as '0119'"):
        evaluate_lists(as_text.replace({"item_id": {"119": "0119"}}), log, SPLIT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="rank"), r"columns 'user_id', .*without \['rank'\]"),
        (lambda f: f.drop(columns="user_id"), r"without \['user_id'\]"),
        (lambda f: f.drop(columns="item_id"), r"'item_id' \(or 'id'\) and .*without \['item_id'\]"),
        (lambda f: f[:0], "Received: 0 rows"),
        (lambda f: f.assign(rank=f["rank"] - 1), "a whole number from 1. Received, in row 0 .*: 0"),
        (lambda f: f.assign(rank=[1, 2, None]), "Received, in row 2 .*nan"),
        (lambda f: f.assign(rank=[1, 1.5, 1]), "Received, in row 1 .*1.5"),
        (lambda f: f.assign(rank=["1", "b", "1"]), "Received, in row 1 .*'b'"),
        (lambda f: f.assign(rank=[1, 3, 1]), r"1, 2, … .*the user 'a': \[1, 3\]"),
        (lambda f: f.assign(rank=[1, 1, 1]), r"1, 2, … .*the user 'a': \[1, 1\]"),
        (lambda f: f.assign(item_id=["x", "x", "x"]), "the user 'a', twice: 'x'"),
        (lambda f: f.assign(item_id=["x", "q", "x"]), "Received 1 unknown items of 2, such as 'q'"),
        (lambda f: f.assign(user_id=["q", "q", "r"]), "Received 2 unknown users of 2, such as 'q'"),
        (
            lambda f: f.assign(item_id=["x", None, "x"]),
            "one of the log's items. Received, in row 1",
        ),
        (lambda f: f.assign(user_id=[1, "a", "a"]), "users of `lists` must be strings or whole"),
    ],
)
def test_lists_that_are_refused(change: Any, message: str) -> None:
    plain = pd.DataFrame({"user_id": list("aab"), "item_id": list("xyx"), "rank": [1, 2, 1]})
    evaluate_lists(plain, LOG, SPLIT)
    with pytest.raises(ValueError, match=message):
        evaluate_lists(change(plain), LOG, SPLIT)


def test_nothing_to_find_or_to_know() -> None:
    none, some = np.empty(0, np.int64), np.arange(3)
    for split, sizes in (
        (Split(some, none, none, "own"), "3 to train and 0"),
        (Split(none, some, some, "own"), "0 to train and 3"),
    ):
        with pytest.raises(ValueError, match=rf"know and to find \(own\). Received: {sizes}"):
            evaluate_lists(frame(a="x"), LOG, split)
    with pytest.raises(ValueError, match=r"`ks` must hold lengths of lists. Received: \(\)"):
        evaluate_lists(frame(a="x"), LOG, SPLIT, ())
    with pytest.raises(ValueError, match="k=0"):
        evaluate_lists(frame(a="x"), LOG, SPLIT, (0,))


def test_a_log_in_shards_is_refused() -> None:
    log = object.__new__(ShardedLog)
    with pytest.raises(ValueError, match=r"`Log.read` reads. Received: ShardedLog"):
        evaluate_lists(frame(a="x"), log, SPLIT)


def test_lists_without_any_test_item_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = evaluate_lists(frame(a="v", b="v", c="v"), LOG, SPLIT)
    assert found["hit_rate_at_10"] == found["serendipity_at_10"] == 0
    assert "the state before the test part" in caplog.text
    # Nobody with test items has a list.
    assert evaluate_lists(frame(d="v"), LOG, SPLIT)["serendipity_at_10"] == 0


@pytest.fixture(scope="module")
def log() -> Log:
    """40 users and 30 items, some of which are taken again, and users of one item."""
    rng = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"i{item}", moment)
        for user in range(40)
        for moment, item in enumerate(rng.integers(0, 30, 1 if user < 3 else rng.integers(4, 12)))
    ]
    return Log("random", pd.DataFrame(rows, columns=["user_id", "item_id", "time"]))


@pytest.mark.usefixtures("eagerly")
def test_a_models_own_lists_have_its_metrics(log: Log) -> None:
    """With one test item per user, and the same items left out, numbers are the same."""
    task = tasks.NextWatch(log)
    run = train("MatrixFactorization", task, Training(epochs=1, verbose=0))
    users = log.interactions["user_id"].iloc[task.test_rows].tolist()
    past = task.before_test.interactions
    request = {"user_id": users}
    request["exclude"] = past.groupby("user_id")["item_id"].agg(list).reindex(users).tolist()
    for end in ("", "_seen_kept"):
        lists = run.recommend(request, k=len(log.items))
        lists["user_id"] = np.array(users)[lists["row"]]
        found = task.evaluate_lists(lists, ks=(10, 50))
        for name in ("hit_rate", "ndcg", "coverage"):
            for k in (10, 50):
                assert found[f"{name}_at_{k}"] == run.metrics[f"{name}_at_{k}{end}"], name
        mean = run.metrics[f"mean_average_precision{end}"]
        assert found["mean_average_precision_at_50"] == found["mrr_at_50"] == mean
        assert 0 < found["hit_rate_at_10"] < 1
        request.pop("exclude", None)  # And then with the items seen before.


def test_what_is_known_and_what_is_to_be_found(log: Log) -> None:
    """The latest item of each user, or the one before it; NCF trains on that as well."""
    last, size = log.interactions.groupby("user_id").tail(1).index, len(log.interactions)
    for kind, held_out in (
        (tasks.NextWatch, "test"),
        (tasks.NextWatch, "validation"),
        (tasks.Choice, "test"),
        (tasks.NCF, "test"),
        (tasks.NCF, "validation"),
    ):
        task = kind(log, held_out=held_out)
        split = task.split_of_lists
        assert np.array_equal(split.train, task.train_rows)
        assert np.array_equal(split.test, task.test_rows)
        # Users of one item have none to be found; 37 others have more than two.
        later = {"test": 37, "validation": 2 * 37}[held_out]
        assert len(task.before_test.interactions) == size - later
        assert len(split.test) == 37 and np.isin(split.test, last).all() == (held_out == "test")


def test_tasks_of_logs_in_shards_refuse_lists(tmp_path: Any) -> None:
    path = tmp_path / "rows.parquet"
    ROWS.to_parquet(path)
    prepare(path, tmp_path / "shards", shards=2)
    task = tasks.NextWatch(ShardedLog.read(tmp_path / "shards"))
    for made in (lambda: task.before_test, lambda: task.evaluate_lists(frame(a="x"))):
        with pytest.raises(
            ValueError, match="of a log in memory: read it with `Log.read`. Received"
        ):
            made()
