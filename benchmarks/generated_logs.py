"""Logs without impressions of two kinds that are hard for a second stage, drawn from a seed.

Both have structure to learn, groups of items that the same users take, under a popularity that
falls off as Zipf's law has it.
"""

import numpy as np
import pandas as pd

from tfrec_zoo.data import Log, Roles


def purchases(num_users: int = 4000, num_items: int = 3000, seed: int = 0) -> Log:
    """A shop: many items, short histories, and a third of the purchases made before.

    A customer has favourites among 60 aisles, mostly stays in one aisle in a basket, and buys some
    products again and again. Histories have 3 to 40 purchases, the median is about 7.

    Args:
        num_users: Number of customers.
        num_items: Number of products.
        seed: Seed.
    """
    rng = np.random.default_rng(seed)
    aisle = rng.permutation(num_items) % 60
    popularity = _zipf(rng, num_items, 0.9)
    of_aisle = [np.flatnonzero(aisle == a) for a in range(60)]
    chances = [popularity[items] / popularity[items].sum() for items in of_aisle]
    rows = []
    for user in range(num_users):
        favourites = rng.choice(60, 3, replace=False)
        now = rng.uniform(0, 200 * 86_400)
        bought: list[int] = []
        current = favourites[0]
        for _ in range(int(np.clip(rng.geometric(0.12) + 2, 3, 40))):
            if rng.random() < 0.4:
                current = rng.choice(favourites)
                now += rng.exponential(9 * 86_400)
            if bought and rng.random() < 1 / 3:
                item = bought[int(rng.integers(len(bought)))]
            elif rng.random() < 0.15:
                item = int(rng.choice(num_items, p=popularity))
            else:
                item = int(rng.choice(of_aisle[current], p=chances[current]))
            bought.append(item)
            now += 40.0
            rows.append((user, item, now))
    user, item, time = (np.array(column) for column in zip(*rows, strict=True))
    products = pd.DataFrame(
        {
            "product": np.arange(num_items) + 10_000,
            "name": [f"product {n} of aisle {a}" for n, a in enumerate(aisle)],
            "aisle": [f"aisle {a}" for a in aisle],
        }
    )
    events = pd.DataFrame({"customer": user + 1, "product": item + 10_000, "bought_at": time})
    roles = Roles(user="customer", item="product", time="bought_at")
    return Log("purchases", events, items=products, roles=roles)


def sparse(num_users: int = 12_000, num_items: int = 4000, seed: int = 0) -> Log:
    """Passers-by: one to three events per user, on items whose popularity is Zipf's.

    Args:
        num_users: Number of users.
        num_items: Number of items.
        seed: Seed.
    """
    rng = np.random.default_rng(seed)
    group = rng.integers(100, size=num_items)
    popularity = _zipf(rng, num_items, 1.0)
    number = rng.choice(3, num_users, p=[0.45, 0.3, 0.25]) + 1
    user = np.repeat(np.arange(num_users), number)
    item = rng.choice(num_items, len(user), p=popularity)
    # Every third event stays in the group of the user's first one.
    first = item[np.searchsorted(user, user)]
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(101))
    ladder = np.append(0, np.cumsum(popularity[order]))
    low, high = ladder[edges[group[first]]], ladder[edges[group[first] + 1]]
    point = low + rng.random(len(user)) * (high - low)
    alike = order[np.clip(np.searchsorted(ladder, point, "right") - 1, 0, num_items - 1)]
    item = np.where(rng.random(len(user)) < 1 / 3, alike, item)
    events = pd.DataFrame(
        {
            "user_id": [f"u{n}" for n in user],
            "item_id": [f"i{n}" for n in item],
            "time": np.arange(len(user)) + rng.uniform(0, 5e4, len(user)),
        }
    )
    return Log("sparse", events)


def _zipf(rng: np.random.Generator, number: int, exponent: float) -> np.ndarray:
    """[number] chances by rank^-exponent, in random order."""
    chances = (1.0 + rng.permutation(number)) ** -exponent
    return chances / chances.sum()
