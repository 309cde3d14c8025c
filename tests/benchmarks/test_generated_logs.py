"""Generated logs are of the kinds that they are said to be."""

from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def generated_logs(script: Any) -> Any:
    return script("generated_logs")


def test_purchases_are_repeated_and_stay_in_aisles(generated_logs: Any) -> None:
    log = generated_logs.purchases(300, 500, seed=1)
    assert log.impressions is None and log.interactions["product"].dtype == np.int64
    events = log.interactions.merge(log.items, on="product")
    number = events.groupby("customer").size()
    assert number.between(3, 40).all() and 5 <= number.median() <= 12
    again = log.interactions.duplicated(["customer", "product"])
    assert 0.2 < again.mean() < 0.5
    # Of 60 aisles, a customer's purchases are mostly of three.
    top = events.groupby("customer")["aisle"].value_counts(normalize=True)
    assert top.groupby("customer").nlargest(3).groupby(level=0).sum().mean() > 0.8


def test_passers_by_take_one_to_three_of_few_items(generated_logs: Any) -> None:
    log = generated_logs.sparse(2000, 500, seed=1)
    assert log.impressions is None
    assert set(log.interactions.groupby("user_id").size()) == {1, 2, 3}
    counts = log.interactions["item_id"].value_counts().to_numpy()
    # By Zipf's law the first ten of 500 have H(10) / H(500) = .43 of all.
    assert counts[:10].sum() / counts.sum() == pytest.approx(0.43, abs=0.05)


@pytest.mark.parametrize("name", ["purchases", "sparse"])
def test_the_seed_repeats_the_log(generated_logs: Any, name: str) -> None:
    make = getattr(generated_logs, name)
    one, same, other = (make(100, 200, seed=seed).checksum for seed in (3, 3, 4))
    assert one == same != other
