"""The NCF table on a tiny log: what is trained on, what is chosen by what, and by how much."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo import recipes
from tfrec_zoo.data import Log, NegativeSampling, SampledTest, interaction_examples
from tfrec_zoo.evaluation import full_ranking, sampled_ranking
from tfrec_zoo.experiments import ncf, tables
from tfrec_zoo.models import EASE, GMF, NeuMF
from tfrec_zoo.optimizers import LazyAdam

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


def positions(data: SampledTest) -> tuple[list[list[int]], list[list[int]]]:
    """By user, the rows of the items chosen, oldest first, and the negatives, without repeats."""
    users = data.log.users["user_id"].tolist()
    row = {item: i for i, item in enumerate(data.log.items["item_id"])}
    chosen = data.log.interactions.groupby("user_id")["item_id"]
    histories = [[row[item] for item in chosen.get_group(user)] for user in users]
    return histories, [sorted(set(line)) for line in data.negatives.tolist()]


@pytest.fixture(scope="module")
def data() -> SampledTest:
    return ncf.sampled_test(tiny_log())


@pytest.fixture(scope="module")
def other_tests(data: SampledTest) -> SampledTest:
    """The same but for the test items and the negatives: each user's test item is another."""
    histories, _ = positions(data)
    item_ids = data.log.items["item_id"].to_numpy()
    items = data.log.interactions["item_id"].to_numpy().copy()
    for row, chosen in zip(data.split.test, histories, strict=True):
        items[row] = item_ids[next(i for i in range(ITEMS) if i not in chosen)]
    frame = data.log.interactions.assign(item_id=items)
    log = dataclasses.replace(data.log, interactions=frame)
    return dataclasses.replace(ncf.sampled_test(log), negatives=data.negatives[::-1, :50])


SMALL: dict[str, Any] = {"batch_size": 64, "learning_rate": 0.02}
GMF_ROW = ncf.gmf(4, epochs=2, **SMALL)


def test_the_test_is_the_last_item_among_99_never_chosen(data: SampledTest) -> None:
    assert data.negatives.shape == (USERS, 99)
    histories, negatives = positions(data)
    for user in range(USERS):
        assert not set(histories[user]) & set(negatives[user])
        assert len(negatives[user]) > 15
    last = data.log.interactions.groupby("user_id", sort=False).tail(1).index
    assert data.split.test.tolist() == last.tolist()
    assert "99 negatives of seed 0" in data.split.protocol
    np.testing.assert_array_equal(ncf.sampled_test(data.log).negatives, data.negatives)
    # What comes with a test of its own keeps it.
    assert ncf.sampled_test(data) is data


def test_parts(data: SampledTest) -> None:
    histories, _ = positions(data)
    frame = data.log.interactions
    part = ncf.validation_part(data)
    from_end = frame.groupby("user_id").cumcount(ascending=False).to_numpy()
    np.testing.assert_array_equal(part.split.train, np.flatnonzero(from_end >= 2))
    raw, ranked = part.train.raw(), part.test.raw()
    assert raw["item_id"].tolist() == frame["item_id"][from_end >= 2].tolist()
    assert ranked["item_id"].tolist() == frame["item_id"][from_end == 1].tolist()
    assert ranked["user_id"].tolist() == data.log.users["user_id"].tolist()
    for chosen, negatives in zip(histories, part.negatives.tolist(), strict=True):
        # To validation the test item is one like any other that was not chosen.
        assert not set(chosen[:-1]) & set(negatives)
    hits = [c[-1] in n for c, n in zip(histories, part.negatives.tolist(), strict=True)]
    assert np.mean(hits) > 0.5

    part = ncf.test_part(data)
    raw, ranked = part.train.raw(), part.test.raw()
    assert raw["item_id"].tolist() == frame["item_id"][from_end >= 1].tolist()
    assert ranked["item_id"].tolist() == frame["item_id"][from_end == 0].tolist()
    assert part.negatives is data.negatives


def test_a_row_is_trained_on_all_but_the_test_as_long_as_validation_says(
    data: SampledTest,
) -> None:
    validated = GMF_ROW.validated(data, seed=0)
    rates = [metrics[HR] for metrics in validated.config["history"]]
    epochs = validated.metrics["epochs"]
    assert len(rates) == 2 and epochs == 1 + rates.index(max(rates))
    assert validated.metrics[HR] == max(rates)
    assert "validation" in validated.protocol

    result = GMF_ROW(data, seed=1)
    history = result.config["history"]
    rates = [metrics[HR] for metrics in history]
    assert result.metrics["epochs"] == epochs
    assert (result.metrics[HR], result.metrics[NDCG]) == (
        history[epochs - 1][HR],
        history[epochs - 1][NDCG],
    )
    assert result.metrics["best_on_test_epochs"] == 1 + rates.index(max(rates))
    assert result.metrics[f"best_on_test_{HR}"] == max(rates) >= result.metrics[HR]
    assert result.metrics[f"best_on_test_{NDCG}"] == history[rates.index(max(rates))][NDCG]
    assert (result.model, result.seed, result.dataset) == ("GMF", 1, "tiny")
    assert result.config["model"]["embedding_dim"] == 4 and result.config["epochs"] == 2

    # The same by Keras alone, from all interactions but the test ones.
    rows = np.setdiff1d(np.arange(len(data.log.interactions)), data.split.test)
    examples = interaction_examples(data.log, rows)
    model = GMF(examples.fit_features(recipes.id_spec(data.log)), embedding_dim=4, seed=1)
    batches = examples.dataset(
        64, model.preprocessor, shuffle=True, seed=1, negatives=NegativeSampling(4)
    )
    model.compile(LazyAdam(0.02))
    model.fit(batches, epochs=epochs, verbose=0)
    test = interaction_examples(data.log, data.split.test)
    expected = sampled_ranking(model, test, data.negatives)
    expected.update(full_ranking(model, test, ks=(10,)))
    found = {name: result.metrics[name] for name in expected}
    assert found == pytest.approx(expected, abs=1e-6)


def test_what_validation_says_has_nothing_to_do_with_the_test(
    data: SampledTest, other_tests: SampledTest
) -> None:
    first, other = GMF_ROW.validated(data, seed=0), GMF_ROW.validated(other_tests, seed=0)
    assert first.checksum != other.checksum
    assert other.config["history"] == first.config["history"]
    assert other.metrics == first.metrics
    tested, otherwise = GMF_ROW(data, seed=1), GMF_ROW(other_tests, seed=1)
    assert otherwise.metrics["epochs"] == tested.metrics["epochs"]
    assert otherwise.config["history"] != tested.config["history"]


def test_neumf_starts_from_its_halves_which_are_trained_once(data: SampledTest) -> None:
    built: dict[str, list[Any]] = {"gmf": [], "mlp": []}

    def remembered(name: str, row: ncf.Row) -> ncf.Row:
        def build(features: Any, seed: int) -> Any:
            built[name].append(row.build(features, seed))
            return built[name][-1]

        return dataclasses.replace(row, build=build)

    gmf = remembered("gmf", ncf.gmf(4, epochs=1, **SMALL))
    mlp = remembered("mlp", ncf.mlp(4, layers=2, epochs=1, **SMALL))
    gmf(data, seed=0)
    # A step of length zero: after an epoch it is what it was.
    row = dataclasses.replace(ncf.pretrained(gmf, mlp), epochs=1, learning_rate=0.0)
    result = row(data, seed=0)
    of_mlp = mlp(data, seed=0)
    # Once for validation, once for the test.
    assert [len(models) for models in built.values()] == [2, 2]
    assert result.model == "NeuMF" and result.metrics["epochs"] == 1

    start = NeuMF.from_pretrained(built["gmf"][1], built["mlp"][1])
    test = interaction_examples(data.log, data.split.test)
    expected = sampled_ranking(start, test, data.negatives)
    assert {name: result.metrics[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert result.metrics[NDCG] != of_mlp.metrics[NDCG]


def test_training_ends_when_the_hit_rate_does_not_rise(
    data: SampledTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = iter([0.2, 0.5, 0.5, 0.4, 0.5, 0.9, 0.9])
    monkeypatch.setattr(ncf, "sampled_ranking", lambda *_: {HR: next(rates)})
    result = ncf.gmf(2, epochs=7, batch_size=512).validated(data, seed=0)
    # The fifth is the third without a better one than the second.
    assert [metrics[HR] for metrics in result.config["history"]] == [0.2, 0.5, 0.5, 0.4, 0.5]
    assert result.metrics == {HR: 0.5, "epochs": 2}


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


def test_item_to_item_is_with_what_was_best_on_validation(data: SampledTest) -> None:
    histories, negatives = positions(data)
    choices = (0.3, 3.0, 30.0, 1e4)
    held_out = [sorted(set(line)) for line in ncf.validation_part(data).negatives.tolist()]

    def hand(known: int, l2: float, lists: list[list[int]]) -> tuple[float, float]:
        scores = ease_scores([history[:known] for history in histories], l2)
        return metrics_by_hand(scores, [history[known] for history in histories], lists)

    validated = [hand(-2, l2, held_out)[0] for l2 in choices]
    tested = [hand(-1, l2, negatives)[0] for l2 in choices]
    # On the test items another would be best.
    assert np.argmax(validated) == 2 and np.argmax(tested) == 3

    result = ncf.item_to_item(lambda f, l2: EASE(f, l2=l2), choices)(data, 0)
    assert (result.model, result.config["l2"]) == ("EASE", 30.0)
    hit_rate, ndcg = hand(-1, 30.0, negatives)
    assert result.metrics[HR] == pytest.approx(hit_rate)
    assert result.metrics[NDCG] == pytest.approx(ndcg, abs=1e-6)


def test_popularity_by_hand(data: SampledTest) -> None:
    histories, negatives = positions(data)
    counts = multi_hot([h[:-1] for h in histories]).sum(0)
    scores = np.tile(counts, (USERS, 1))
    hit_rate, ndcg = metrics_by_hand(scores, [h[-1] for h in histories], negatives)
    result = ncf.popularity(data, 0)
    assert result.metrics[HR] == pytest.approx(hit_rate)
    assert result.metrics[NDCG] == pytest.approx(ndcg, abs=1e-6)


def test_the_rows_are_those_of_the_paper(data: SampledTest) -> None:
    assert {"Popularity", "ItemKNN", "EASE", "MF-192"} <= set(ncf.ROWS)
    features = ncf.test_part(data).train.fit_features(recipes.id_spec(data.log))

    def config(row: Any) -> dict[str, Any]:
        return row.build(features, 5).get_config()

    towers = {8: (32, 16, 8), 16: (64, 32, 16), 32: (128, 64, 32), 64: (256, 128, 64)}
    for factors, tower in towers.items():
        assert config(ncf.ROWS[f"GMF-{factors}"])["embedding_dim"] == factors
        mlp = config(ncf.ROWS[f"MLP-{factors}"])
        assert (mlp["hidden_units"], mlp["embedding_dim"]) == (tower, tower[0] // 2)
        both = config(ncf.ROWS[f"NeuMF-{factors}"])
        assert (both["embedding_dim"], both["hidden_units"]) == (factors, tower)
        assert both["mlp_embedding_dim"] == tower[0] // 2 and both["seed"] == 5
        row = ncf.ROWS[f"NeuMF-pretrained-{factors}"]
        assert isinstance(row, ncf.Row) and row.optimizer == "sgd"
        halves = (ncf.ROWS[f"GMF-{factors}"], ncf.ROWS[f"MLP-{factors}"])
        # The same objects: the halves are trained once for all three rows.
        assert row.pretrained is not None
        assert all(one is other for one, other in zip(row.pretrained, halves, strict=True))
    matrix = config(ncf.ROWS["MF-192"])
    assert (matrix["embedding_dim"], matrix["loss"]) == (192, "logistic")
    assert ncf.tower(8) == (32, 16, 8) and ncf.tower(16, 1) == (16,) and ncf.tower(16, 0) == ()
    layers = [config(ncf.ABLATIONS[f"MLP-{n}-layers"].__self__)["hidden_units"] for n in range(5)]  # type: ignore[attr-defined]
    assert layers == [(), (16,), (32, 16), (64, 32, 16), (128, 64, 32, 16)]


def test_the_table_takes_a_log_or_a_test_of_its_own(
    data: SampledTest, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def row(log: Any, seed: int) -> Any:
        seen.append(log)
        return ncf.popularity(log, seed)

    monkeypatch.setitem(ncf.ROWS, "spy-8", row)  # type: ignore[arg-type]
    (from_log,) = tables.run(
        "ncf", tables.prepare("ncf", data.log), tmp_path / "a", seeds=[0], rows=["spy-8"]
    )
    (from_test,) = tables.run(
        "ncf", tables.prepare("ncf", data), tmp_path / "b", seeds=[0], rows=["spy-8"]
    )
    assert from_log["metrics"] == from_test["metrics"]
    assert from_log["checksum"] == from_test["checksum"] == data.checksum
    assert seen[1] is data and isinstance(seen[0], SampledTest)
