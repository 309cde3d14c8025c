"""NCF on a tiny log: what is trained on, what is chosen by what, and by how much."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo.data import Log, NegativeSampling, SampledTest, Split, interaction_examples
from tfrec_zoo.evaluation import full_ranking, sampled_ranking
from tfrec_zoo.models import EASE, GMF, NeuMF
from tfrec_zoo.optimizers import LazyAdam
from tfrec_zoo.tasks import NCF
from tfrec_zoo.tasks.specs import id_spec
from tfrec_zoo.training import Training

pytestmark = pytest.mark.usefixtures("eagerly")

USERS, ITEMS = 70, 40
HR, NDCG = "sampled_hit_rate_at_10", "sampled_ndcg_at_10"


def tiny_log() -> Log:
    """Everyone chooses 5 to 13 items, four of five in the same half of them as the user."""
    rng = np.random.default_rng(3)
    rows = []
    for user in range(USERS):
        weight = np.where(np.arange(ITEMS) % 2 == user % 2, 4.0, 1.0)
        size = rng.integers(5, 14)
        items = rng.choice(ITEMS, size, replace=False, p=weight / weight.sum())
        rows += [(1000 + user, 100 + item, time) for time, item in enumerate(items)]
    return Log("tiny", pd.DataFrame(rows, columns=["user_id", "item_id", "time"]))


def positions(task: NCF) -> tuple[list[list[int]], list[list[int]]]:
    """By user, the rows of the items chosen, oldest first, and the negatives, without repeats."""
    log = task.log
    users = log.users["user_id"].tolist()
    row = {item: i for i, item in enumerate(log.items["item_id"])}
    chosen = log.interactions.groupby("user_id")["item_id"]
    histories = [[row[item] for item in chosen.get_group(user)] for user in users]
    return histories, [sorted(set(line)) for line in task.negatives_to_rank.tolist()]


@pytest.fixture(scope="module")
def task() -> NCF:
    return NCF(tiny_log())


@pytest.fixture(scope="module")
def other_tests(task: NCF) -> NCF:
    """The same but for the test items and the negatives: each user's test item is another."""
    histories, _ = positions(task)
    item_ids = task.log.items["item_id"].to_numpy()
    items = task.log.interactions["item_id"].to_numpy().copy()
    for row, chosen in zip(task.rows.test, histories, strict=True):
        items[row] = item_ids[next(i for i in range(ITEMS) if i not in chosen)]
    frame = task.log.interactions.assign(item_id=items)
    log = dataclasses.replace(task.log, interactions=frame)
    return NCF(log, others=task.negatives_to_rank[::-1, :50])


SMALL = Training(
    epochs=2, batch_size=256, learning_rate=0.02, optimizer="lazy_adam", decay=False, verbose=0
)


def test_the_test_is_the_last_item_among_99_never_chosen(task: NCF) -> None:
    assert task.negatives_to_rank.shape == (USERS, 99)
    histories, negatives = positions(task)
    for user in range(USERS):
        assert not set(histories[user]) & set(negatives[user])
        assert len(negatives[user]) > 15
    last = task.log.interactions.groupby("user_id", sort=False).tail(1).index
    assert task.rows.test.tolist() == last.tolist()
    ranks = "full ranking over the training items"
    assert task.protocol == f"NCF, leave-last-out, 99 negatives of seed 0, {ranks}"
    np.testing.assert_array_equal(NCF(task.log).negatives_to_rank, task.negatives_to_rank)


def test_a_test_of_its_own_is_kept(task: NCF) -> None:
    rows = task.rows
    split = Split(rows.train, rows.validation, rows.test, "the authors'")
    given = SampledTest(task.log, split, task.negatives_to_rank[:, :7])
    own = NCF(given)  # type: ignore[arg-type]
    assert own.log is task.log and own.rows is split
    assert own.negatives_to_rank is given.negatives
    assert "NCF, the authors', 7 given negatives" in own.protocol
    # To validate there are none given; 99 are drawn.
    assert own.validating().negatives_to_rank.shape == (USERS, 99)  # type: ignore[attr-defined]
    assert "validation items, the authors', 99 negatives of seed 0" in own.validating().protocol
    assert own.checksum != task.checksum
    other = NCF(dataclasses.replace(given, negatives=given.negatives[:, ::-1]))  # type: ignore[arg-type]
    assert other.protocol == own.protocol and other.checksum != own.checksum


def test_parts(task: NCF) -> None:
    histories, _ = positions(task)
    frame = task.log.interactions
    validating: Any = task.validating()
    from_end = frame.groupby("user_id").cumcount(ascending=False).to_numpy()
    np.testing.assert_array_equal(validating.train_rows, np.flatnonzero(from_end >= 2))
    given = validating.examples(GMF)
    raw, ranked = given.train.raw(), given.test.raw()
    assert raw["item_id"].tolist() == frame["item_id"][from_end >= 2].tolist()
    assert ranked["item_id"].tolist() == frame["item_id"][from_end == 1].tolist()
    assert ranked["user_id"].tolist() == task.log.users["user_id"].tolist()
    for chosen, negatives in zip(histories, validating.negatives_to_rank.tolist(), strict=True):
        # To validation the test item is one like any other that was not chosen.
        assert not set(chosen[:-1]) & set(negatives)
    drawn = validating.negatives_to_rank.tolist()
    assert np.mean([c[-1] in n for c, n in zip(histories, drawn, strict=True)]) > 0.5

    given = task.examples(GMF)
    raw, ranked = given.train.raw(), given.test.raw()
    assert raw["item_id"].tolist() == frame["item_id"][from_end >= 1].tolist()
    assert ranked["item_id"].tolist() == frame["item_id"][from_end == 0].tolist()


def test_all_but_the_test_is_trained_on_as_long_as_validation_says(task: NCF) -> None:
    training = dataclasses.replace(SMALL, seed=1)
    validated = tfrec_zoo.train("GMF", task.validating(), training, embedding_dim=4)
    rates = [row[HR] for row in validated.history]
    epochs = validated.statistics["epochs"]
    assert len(rates) == 2 and epochs == 1 + rates.index(max(rates))
    assert validated.metrics[HR] == pytest.approx(max(rates))

    run = tfrec_zoo.train("GMF", task, training, embedding_dim=4)
    rates = [row[HR] for row in run.history]
    assert run.statistics["epochs"] == epochs
    assert (run.metrics[HR], run.metrics[NDCG]) == pytest.approx(
        (run.history[int(epochs) - 1][HR], run.history[int(epochs) - 1][NDCG])
    )
    assert run.metrics["best_on_test_epochs"] == 1 + rates.index(max(rates))
    assert run.metrics[f"best_on_test_{HR}"] == max(rates) >= run.metrics[HR]
    assert run.metrics[f"best_on_test_{NDCG}"] == run.history[rates.index(max(rates))][NDCG]

    # The same by Keras alone, from all interactions but the test ones.
    rows = np.setdiff1d(np.arange(len(task.log.interactions)), task.rows.test)
    examples = interaction_examples(task.log, rows)
    model = GMF(examples.fit_features(id_spec(task.log)), embedding_dim=4, seed=1)
    batches = examples.dataset(
        256, model.preprocessor, shuffle=True, seed=1, negatives=NegativeSampling(4),
        epochs=int(epochs),
    )  # fmt: skip
    model.compile(LazyAdam(0.02))
    steps = len(batches) // int(epochs)
    model.fit(batches, epochs=int(epochs), steps_per_epoch=steps, verbose=0)
    test = interaction_examples(task.log, task.rows.test)
    expected = sampled_ranking(model, test, task.negatives_to_rank)
    expected.update(full_ranking(model, test, ks=(10,)))
    found = {name: run.metrics[name] for name in expected}
    assert found == pytest.approx(expected, abs=1e-6)


def test_without_best_on_test_only_the_chosen_epochs_are_trained(
    task: NCF, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = dataclasses.replace(task, best_on_test=False)
    values = iter([0.5, 0.2, 0.1, 0.1])
    measure = NCF.measure
    monkeypatch.setattr(
        NCF, "measure",
        lambda self, *args, **kwargs: measure(self, *args, **kwargs)
        if self.held_out == "test" else {HR: next(values)},
    )  # fmt: skip
    training = dataclasses.replace(SMALL, epochs=9)
    run = tfrec_zoo.train("GMF", alone, training, embedding_dim=2)
    # Of four epochs the first was best; three without a better one ended it.
    assert run.statistics["epochs"] == 1 and len(run.history) == 1
    assert next(values, None) is None
    assert not any(name.startswith("best_on_test") for name in run.metrics)


def test_what_validation_says_has_nothing_to_do_with_the_test(task: NCF, other_tests: NCF) -> None:
    first, other = (
        tfrec_zoo.train("GMF", each.validating(), SMALL, embedding_dim=4)
        for each in (task, other_tests)
    )
    assert first.task.checksum != other.task.checksum
    assert other.history == first.history and other.metrics == first.metrics


def test_neumf_starts_from_its_halves(task: NCF) -> None:
    task = dataclasses.replace(task, patience=None)
    one = dataclasses.replace(SMALL, epochs=1)
    # Steps of next to no length: after an epoch it is what it was.
    training = dataclasses.replace(one, learning_rate=1e-30, pretraining=one)
    widths = {"embedding_dim": 4, "hidden_units": (8, 4)}
    run = tfrec_zoo.train("NeuMF", task, training, **widths)
    gmf = tfrec_zoo.train("GMF", task, one, embedding_dim=4)
    mlp = tfrec_zoo.train("NCFMLP", task, one, hidden_units=(8, 4))
    assert type(run.model) is NeuMF and run.statistics["epochs"] == 1
    start = NeuMF.from_pretrained(gmf.model, mlp.model)
    test = interaction_examples(task.log, task.rows.test)
    expected = sampled_ranking(start, test, task.negatives_to_rank)
    assert {name: run.metrics[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert run.metrics[NDCG] != mlp.metrics[NDCG]
    assert run.model.get_config()["hidden_units"] == (8, 4)
    with pytest.raises(ValueError, match="GMF starts from no other models: leave `pretraining`"):
        tfrec_zoo.train("GMF", task, training)


def metrics_by_hand(scores: np.ndarray, targets: list[int], negatives: list[list[int]]) -> Any:
    """Hit rate and NDCG at 10 of [users, items] scores; ties count against the target."""
    ranks = np.array(
        [sum(s[j] >= s[t] for j in n if j != t)
         for s, t, n in zip(scores, targets, negatives, strict=True)]
    )  # fmt: skip
    return np.mean(ranks < 10), np.mean(np.where(ranks < 10, 1 / np.log2(ranks + 2), 0))


def multi_hot(histories: list[list[int]]) -> np.ndarray:
    return np.array([np.isin(np.arange(ITEMS), history) for history in histories], float)


def ease_scores(histories: list[list[int]], l2: float) -> np.ndarray:
    x = multi_hot(histories)
    p = np.linalg.inv(x.T @ x + l2 * np.eye(ITEMS))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return x @ b


def test_item_to_item_is_with_what_was_best_on_validation(task: NCF) -> None:
    histories, negatives = positions(task)
    choices = (0.3, 3.0, 30.0, 1e4)
    _, held_out = positions(task.validating())  # type: ignore[arg-type]

    def hand(known: int, l2: float, lists: list[list[int]]) -> tuple[float, float]:
        scores = ease_scores([history[:known] for history in histories], l2)
        return metrics_by_hand(scores, [history[known] for history in histories], lists)

    validated = [hand(-2, l2, held_out)[0] for l2 in choices]
    tested = [hand(-1, l2, negatives)[0] for l2 in choices]
    # On the test items another would be best.
    assert np.argmax(validated) == 2 and np.argmax(tested) == 3

    training = Training(grid={"l2": choices}, verbose=0)
    run = tfrec_zoo.train(EASE, task, training)
    assert run.arguments["l2"] == run.model.l2 == 30.0 and not run.training.grid
    hit_rate, ndcg = hand(-1, 30.0, negatives)
    assert run.metrics[HR] == pytest.approx(hit_rate)
    assert run.metrics[NDCG] == pytest.approx(ndcg, abs=1e-6)


def test_popularity_by_hand(task: NCF) -> None:
    histories, negatives = positions(task)
    counts = multi_hot([h[:-1] for h in histories]).sum(0)
    scores = np.tile(counts, (USERS, 1))
    hit_rate, ndcg = metrics_by_hand(scores, [h[-1] for h in histories], negatives)
    run = tfrec_zoo.train("Popularity", task, Training(verbose=0))
    assert run.metrics[HR] == pytest.approx(hit_rate)
    assert run.metrics[NDCG] == pytest.approx(ndcg, abs=1e-6)
