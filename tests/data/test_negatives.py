"""Negatives are drawn from what is there, as often as they should be, and are no positives."""

from typing import Any

import numpy as np
import pytest

from tfrec_zoo.data import Examples, NegativeSampling, Rows

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


def draws(
    sampling: NegativeSampling, user: np.ndarray, item: np.ndarray, users: np.ndarray, seed: int = 0
) -> np.ndarray:
    draw = sampling.drawer(np.asarray(user), np.asarray(item))
    return draw(tf.constant(users), tf.constant([seed, 7])).numpy()


def chosen_by(user: np.ndarray, item: np.ndarray) -> dict[int, set[int]]:
    return {int(u): set(item[user == u].tolist()) for u in np.unique(user)}


def are_equal_shares(counts: np.ndarray, shares: np.ndarray) -> bool:
    """Whether chi-square is below the quantile that 1 in 100,000 samples exceed."""
    expected = shares / shares.sum() * counts.sum()
    z, freedom = 4.265, len(counts) - 1
    # Wilson and Hilferty's cube.
    bound = freedom * (1 - 2 / (9 * freedom) + z * np.sqrt(2 / (9 * freedom))) ** 3
    return bool((np.square(counts - expected) / expected).sum() < bound)


def random_choices() -> tuple[np.ndarray, np.ndarray]:
    """40 users, 12 items: some chose few, and ten all but one or two, some of them twice."""
    rng = np.random.default_rng(0)
    sizes = [*rng.integers(1, 8, 30), *[11] * 8, 10, 10]
    user = np.repeat(np.arange(40), sizes)
    item = np.concatenate([rng.permutation(12)[:size] for size in sizes])
    user, item = np.append(user, user[::9]), np.append(item, item[::9])
    order = rng.permutation(len(user))
    return user[order], item[order]


@pytest.mark.parametrize("exponent", [0, 0.75, 1])
def test_what_a_user_chose_is_never_drawn(exponent: float) -> None:
    user, item = random_choices()
    chosen = chosen_by(user, item)
    assert sorted(map(len, chosen.values()))[-8:] == [11] * 8
    users = np.tile(np.arange(40), 50)
    found = draws(NegativeSampling(6, exponent), user, item, users)
    assert found.shape == (2000, 6) and found.dtype == np.int64
    for u in range(40):
        # 300 draws leave out none of those that are free.
        assert set(found[users == u].ravel().tolist()) == set(range(12)) - chosen[u]


def test_without_rejection_it_may_be_drawn() -> None:
    user, item = random_choices()
    users = np.tile(np.arange(40), 50)
    found = draws(NegativeSampling(6, reject=False), user, item, users)
    for u in range(40):
        assert set(found[users == u].ravel().tolist()) == set(range(12))


@pytest.mark.parametrize("exponent", [0, 1])
def test_who_has_chosen_everything_gets_something(exponent: float) -> None:
    user, item = np.array([0, 0, 0, 1]), np.array([2, 5, 9, 5])
    found = draws(NegativeSampling(50, exponent), user, item, np.array([0, 1]))
    assert set(found[0].tolist()) <= {2, 5, 9} and set(found[1].tolist()) == {2, 9}


@pytest.mark.parametrize("exponent", [0, 1])
def test_who_has_chosen_nearly_everything_gets_the_rest(exponent: float) -> None:
    """Of 20,000 items all but two, which are hardly ever drawn; one was chosen three times."""
    items = np.arange(20_000)
    user = np.concatenate([np.zeros(19_998), [1, 2, 3, 4]]).astype(np.int64)
    item = np.concatenate([items[:-2], [19_998, 19_999, 19_999, 19_999]])
    found = draws(NegativeSampling(3000, exponent), user, item, np.array([0]))
    number, counts = np.unique(found, return_counts=True)
    assert number.tolist() == [19_998, 19_999]
    assert are_equal_shares(counts, np.array([1.0, 3.0]) ** exponent)


def test_examples_of_who_has_chosen_everything_are_left_out(caplog: Any) -> None:
    user, item = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 0, 1, 2])
    table = {"item": np.array(["a", "b", "c"])}
    examples = Examples(
        (Rows({"user": np.array(["u", "v", "w"])}, user),),
        label=np.ones(6, np.float32),
        groups=user,
        candidates=Rows(table, item),
    )
    for shuffle in (False, True):
        dataset = examples.dataset(6, shuffle=shuffle, negatives=NegativeSampling(2))
        batches = list(dataset)
        assert len(dataset) == len(batches) == 2  # Two lists of three each, and one.
        drawn = [
            (u, *map(bytes.decode, row))
            for features, _ in batches
            for u, row in zip(features["user"].numpy(), features["item"].numpy(), strict=True)
        ]
        assert {row[:2] for row in drawn} == {(b"v", "a"), (b"v", "b"), (b"w", "c")}
        assert all(set(row[2:]) == {"c"} for row in drawn if row[0] == b"v")
        assert all(set(row[2:]) <= {"a", "b"} for row in drawn if row[0] == b"w")
    assert "3 of 6 examples are left out: their 1 users chose every item" in caplog.text
    alone = examples.take(np.arange(3))
    with pytest.raises(ValueError, match="chose every item. Received: 3 examples of 3 items"):
        alone.dataset(6, negatives=NegativeSampling(2))
    assert len(alone.dataset(6, negatives=NegativeSampling(2, reject=False))) == 2


def test_users_without_examples_may_get_anything() -> None:
    user, item = np.array([3, 3, 4]), np.array([2, 5, 9])
    for users in ([0], [3_000_000]):
        assert set(draws(NegativeSampling(60), user, item, users)[0].tolist()) == {2, 5, 9}


def test_users_may_be_int32() -> None:
    user, item = np.array([0, 0, 1], np.int32), np.array([0, 1, 2], np.int32)
    found = draws(NegativeSampling(3), user, item, np.array([0, 0], np.int32))
    assert found.tolist() == [[2, 2, 2]] * 2 and found.dtype == np.int64


@pytest.mark.parametrize("exponent", [0, 0.75, 1])
def test_how_often_each_is_drawn(exponent: float) -> None:
    # Item 10 i was chosen by 1, 4, 9 … users; 100 others by nobody.
    popularity = np.arange(1, 9) ** 2
    item = np.repeat(np.arange(8) * 10, popularity)
    user = np.arange(len(item))
    users = np.full(6000, 10**6)
    counts = np.bincount(
        draws(NegativeSampling(10, exponent), user, item, users).ravel(), minlength=100
    )
    assert counts.sum() == 60_000 and counts[np.arange(100) % 10 > 0].sum() == 0
    counts = counts[:80:10]
    assert are_equal_shares(counts, popularity.astype(float) ** exponent)
    others = {0: 0.75, 0.75: 1, 1: 0.75}
    assert not are_equal_shares(counts, popularity.astype(float) ** others[exponent])


@pytest.mark.parametrize("exponent", [0, 1])
def test_how_often_the_free_ones_are_drawn(exponent: float) -> None:
    """Of what is not rejected, each as often as before: 1 in 7, or as popular as it is."""
    popularity = np.arange(1, 9)
    item = np.append(np.repeat(np.arange(8), popularity), 7)
    user = np.append(np.arange(36), 99)  # user 99 has chosen the most popular item
    counts = np.bincount(
        draws(NegativeSampling(10, exponent), user, item, np.full(3000, 99)).ravel(), minlength=8
    )
    assert counts[7] == 0
    assert are_equal_shares(counts[:7], popularity[:7].astype(float) ** exponent)


def test_places_of_a_list_are_independent() -> None:
    item = np.arange(5)
    found = draws(NegativeSampling(2), item, item, np.full(10_000, 77))
    assert are_equal_shares(np.bincount(found @ [5, 1], minlength=25), np.ones(25))
    between = found[:-1, 1] * 5 + found[1:, 0]
    assert are_equal_shares(np.bincount(between, minlength=25), np.ones(25))


def test_the_seed_repeats_the_draws() -> None:
    user, item = random_choices()
    users = np.tile(np.arange(40), 5)
    first = draws(NegativeSampling(4), user, item, users, seed=1)
    np.testing.assert_array_equal(draws(NegativeSampling(4), user, item, users, seed=1), first)
    assert (draws(NegativeSampling(4), user, item, users, seed=2) != first).mean() > 0.3


def test_ids_may_be_large() -> None:
    """No memory or time of users times items: 10^12 pairs; and keys beyond 32 bits."""
    million = 1_000_000
    user = np.array([0, 0, 1, million - 1, million - 1, million - 1])
    item = np.array([0, million - 1, 4, million - 1, 123_456, 7])
    users = np.array([million - 1, 0, 1, 2])
    # Were keys of 32 bits, or a user's key another's, these would be drawn.
    found = draws(NegativeSampling(80), user.astype(np.int32), item.astype(np.int32), users)
    every = set(item.tolist())
    for row, u in enumerate(users):
        assert set(found[row].tolist()) == every - set(item[user == u].tolist())


def choices() -> Examples:
    """Six users who chose three to six of eight items, which are rows 0, 3, 6 … of 30."""
    rng = np.random.default_rng(1)
    user = np.repeat(np.arange(6), [3, 4, 5, 6, 6, 6])
    item = np.concatenate([rng.permutation(8)[: (user == u).sum()] for u in range(6)]) * 3
    return Examples(
        (Rows({"user": np.arange(6)}, user),),
        label=np.ones(30, np.float32),
        groups=user,
        candidates=Rows({"item": np.arange(30) + 500}, item),
    )


def epochs(sampling: NegativeSampling, number: int, seed: int, shuffle: bool = True) -> list:
    """Per epoch, its (user, positive, negatives)."""
    dataset = choices().dataset(20, shuffle=shuffle, seed=seed, negatives=sampling)
    rows: list[list[tuple]] = [[] for _ in range(number)]
    for epoch in rows:
        for features, _ in dataset:
            users, items = features["user"].numpy().tolist(), features["item"].numpy() - 500
            epoch.extend(
                (u, i[0], tuple(i[1:])) for u, i in zip(users, items.tolist(), strict=True)
            )
    return rows


@pytest.mark.parametrize("shuffle", [True, False])
def test_epochs_of_a_dataset_hold_no_positives_and_differ(shuffle: bool) -> None:
    examples = choices()
    assert examples.groups is not None and examples.candidates is not None
    chosen = chosen_by(examples.groups, examples.candidates.index)
    found = epochs(NegativeSampling(4), 4, seed=3, shuffle=shuffle)
    drawn: dict[int, set[int]] = {u: set() for u in range(6)}
    for epoch in found:
        for user, positive, negatives in epoch:
            assert positive in chosen[user] and not chosen[user] & set(negatives)
            drawn[user].update(negatives)
    every = set(range(0, 24, 3))
    assert drawn == {u: every - chosen[u] for u in range(6)}
    # The same positive meets others each time.
    by_positive = [{(u, i): n for u, i, n in epoch} for epoch in found]
    assert len(by_positive[0]) == 30
    same = [by_positive[0][key] == by_positive[1][key] for key in by_positive[0]]
    assert sum(same) < 10


def test_datasets_repeat_their_draws_by_the_seed() -> None:
    first = epochs(NegativeSampling(3), 2, seed=5)
    assert epochs(NegativeSampling(3), 2, seed=5) == first
    negatives = {(u, i): n for u, i, n in first[0]}
    others = {(u, i): n for u, i, n in epochs(NegativeSampling(3), 1, seed=6)[0]}
    assert set(others) == set(negatives)
    assert sum(others[key] == negatives[key] for key in others) < 15


def test_large_datasets_draw_all_over() -> None:
    """Chunks of one epoch don't repeat each other's draws."""
    size = 20_000
    examples = Examples(
        (Rows({"user": np.arange(size)}, np.arange(size)),),
        label=np.ones(size, np.float32),
        groups=np.arange(size),
        candidates=Rows({"item": np.arange(size)}, np.arange(size)),
    )
    dataset = examples.dataset(3000, negatives=NegativeSampling(1))
    drawn = np.concatenate([f["item"].numpy()[:, 1] for f, _ in dataset])
    assert drawn.shape == (size,)
    for lag in (1500, 7500, 9000):
        assert (drawn[lag:] == drawn[:-lag]).mean() < 0.01
    # Of n draws from n, 1 - 1/e are different ones.
    assert len(set(drawn.tolist())) / size == pytest.approx(1 - np.exp(-1), abs=0.02)


@pytest.mark.parametrize("number", [0, -1])
def test_a_bad_number_is_named(number: int) -> None:
    with pytest.raises(ValueError, match=f"`number` must be positive. Received: {number}"):
        NegativeSampling(number)


def test_there_must_be_examples() -> None:
    none = np.array([], np.int64)
    with pytest.raises(ValueError, match="needs examples"):
        NegativeSampling().drawer(none, none)
