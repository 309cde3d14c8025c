"""Runs: `train` from a name and a task to a model that recommends, is exported and saved."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo import checkpoints, tasks
from tfrec_zoo.data import Log
from tfrec_zoo.models import EASE
from tfrec_zoo.serving import load
from tfrec_zoo.training import Training
from tfrec_zoo.training.runs import Run

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


@pytest.fixture(scope="module")
def halves() -> Log:
    """Everyone chooses 8 of the 20 even items, or of the 20 odd ones."""
    rng = np.random.default_rng(1)
    chosen = [2 * rng.choice(20, 8, replace=False) + user % 2 for user in range(60)]
    frame = pd.DataFrame(
        {"user_id": np.repeat(np.arange(60), 8), "item_id": np.concatenate(chosen)}
    )
    return Log("halves", frame.assign(time=np.arange(480)))


@pytest.mark.parametrize(
    ("name", "task", "arguments"),
    [
        ("NeuMF", "choice", {}),
        ("EASE", "next-watch", {"l2": 20.0}),
        ("MatrixFactorization", "next-watch", {"embedding_dim": 8, "loss": "bpr"}),
    ],
)
def test_train_learns_who_chooses_what(
    name: str, task: str, arguments: dict[str, Any], halves: Log
) -> None:
    training = Training(batch_size=128, verbose=0)
    if name != "EASE":
        how: dict[str, Any] = {"epochs": 8, "learning_rate": 0.03, "optimizer": "lazy_adam"}
        training = dataclasses.replace(training, **how)
    # A log stands for the default task on it.
    run = tfrec_zoo.train(name, halves, training, **arguments)
    assert type(run.model).__name__ == name and run.task.name == task
    predicts = task.replace("-", " ")
    ranks = "full ranking over the training items"
    assert run.protocol == f"{predicts}, leave-last-out, {ranks}"
    assert all(0 <= value <= 1 for value in run.metrics.values())
    # 10 of the 13 items of the half that are left: 10 / 13; 10 / 33 by chance.
    assert run.metrics["hit_rate_at_10"] > 0.6
    # What the user has chosen comes before what is held out, unless it is left out.
    assert run.metrics["hit_rate_at_10_seen_kept"] < run.metrics["hit_rate_at_10"]
    assert len(run.history) == run.statistics["epochs"] == (1 if name == "EASE" else 8)


def test_the_default_task_of_a_ranker_in_half_precision(halves: Log) -> None:
    training = Training(epochs=1, mixed_precision=True, verbose=0)
    run = tfrec_zoo.train("FactorizationMachine", halves, training, embedding_dim=4)
    assert tf.keras.mixed_precision.global_policy().name == "float32"
    assert set(run.metrics) == {"auc", "logloss", "gauc"}
    assert np.isfinite(list(run.metrics.values())).all()
    # A log without labels gets impressions, which the protocol says.
    assert run.protocol.startswith("clicks, sampled impressions with 4 negatives of seed 0")


def test_what_is_refused(small_log: Log) -> None:
    with pytest.raises(KeyError, match=r"only \[.*'Popularity'.*\]. Received: 'SASRec9'"):
        tfrec_zoo.train("SASRec9", small_log)
    with pytest.raises(TypeError, match="unexpected keyword argument 'width'"):
        tfrec_zoo.train("EASE", small_log, Training(verbose=0), width=3)
    with pytest.raises(TypeError, match="`log` must be a Log. Received: DataFrame"):
        tasks.NextWatch(small_log.interactions)  # type: ignore[arg-type]


def test_a_task_says_how_it_is_trained_by_default(
    small_log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Training] = []

    def fit(model: Any, examples: Any, training: Training, *_: Any, **__: Any) -> Any:
        seen.append(training)
        raise InterruptedError

    monkeypatch.setattr("tfrec_zoo.training.trainer.fit", fit)
    for name in ("ncf", "clicks", "next-watch"):
        with pytest.raises(InterruptedError):
            tfrec_zoo.train("MatrixFactorization", tasks.make(name, small_log))
    found = [(t.optimizer, t.learning_rate, t.decay, t.plateau) for t in seen]
    # The patience of NCF and of clicks is in, too.
    assert [t.patience for t in seen] == [3, 2, None]
    assert found == [
        ("lazy_adam", 0.001, False, None),
        (None, 0.002, True, 0.2),
        (None, 0.002, True, None),
    ]


QUICK = Training(
    epochs=9, batch_size=64, learning_rate=0.05, optimizer="lazy_adam", decay=False, verbose=0
)


class Epochs(tf.keras.callbacks.Callback):
    """Remembers what was reported after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.rows.append(dict(logs))


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("monitor", ["val_loss", "ndcg_at_10"])
def test_training_ends_by_the_monitor_of_the_task(monitor: str, halves: Log) -> None:
    task = tasks.NextWatch(halves, monitor=monitor, patience=5)
    training = dataclasses.replace(QUICK, patience=1)
    seen = Epochs()
    run = tfrec_zoo.train("MatrixFactorization", task, training, [seen], embedding_dim=4)
    values = [row[monitor] for row in run.history]
    # Callbacks see what the task measures as well as what Keras does.
    assert [row[monitor] for row in seen.rows] == values
    assert [row["loss"] for row in seen.rows] == [row["loss"] for row in run.history]
    best = int(np.argmin(values) if monitor == "val_loss" else np.argmax(values)) + 1
    assert run.statistics["epochs"] == best
    # The patience of the training goes before that of the task.
    assert len(values) == min(best + 1, 9)
    # The weights are those of the best epoch: the validation items are ranked as they were then.
    if monitor == "ndcg_at_10":
        found = task.validating().evaluate(run.model)
        assert found[monitor] == pytest.approx(max(values), abs=1e-6)
    # It doesn't train on what it validates on.
    spec = run.model.features.vocabularies["item_id"]
    assert len(spec) == halves.interactions["item_id"][task.rows.train].nunique()


@pytest.mark.usefixtures("eagerly")
def test_refits_train_on_validation_too_for_the_chosen_epochs(
    small_log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tfrec_zoo.training import trainer

    fitted: list[tuple[int, int]] = []
    fit = trainer.fit

    def spy(model: Any, examples: Any, *args: Any, **kwargs: Any) -> Any:
        history = fit(model, examples, *args, **kwargs)
        fitted.append((len(examples), len(history.epoch)))
        return history

    monkeypatch.setattr("tfrec_zoo.training.trainer.fit", spy)
    task = tasks.Ratings(small_log, validation_fraction=0.2)
    training = dataclasses.replace(QUICK, patience=2, learning_rate=0.2)
    seen = Epochs()
    run = tfrec_zoo.train("MatrixFactorization", task, training, [seen], embedding_dim=4)
    size, rows = len(small_log.interactions), task.rows
    (first, tried), (second, trained) = fitted
    assert first == len(rows.train) < second == size - len(rows.test)
    # As many epochs as were best, of those that were tried.
    assert trained == run.statistics["epochs"] == len(run.history)
    assert trained == min(max(tried - 2, 1), 9) or tried == 9
    # Callbacks watch the training that the model comes of.
    assert len(seen.rows) == trained


@pytest.mark.usefixtures("eagerly")
def test_a_grid_is_chosen_from_on_validation(halves: Log) -> None:
    training = dataclasses.replace(QUICK, grid={"epochs": (1, 4), "embedding_dim": (2, 8)})
    task = tasks.NextWatch(halves)
    run = tfrec_zoo.train("MatrixFactorization", task, training)
    by_hand = {}
    for epochs in (1, 4):
        for width in (2, 8):
            tried = dataclasses.replace(QUICK, epochs=epochs)
            other = tfrec_zoo.train(
                "MatrixFactorization", task.validating(), tried, embedding_dim=width
            )
            by_hand[epochs, width] = other.metrics["hit_rate_at_10"]
    chosen = (run.training.epochs, run.arguments["embedding_dim"])
    assert chosen == max(by_hand, key=by_hand.__getitem__)
    assert len(set(by_hand.values())) > 1 and not run.training.grid
    assert len(run.history) == run.training.epochs


def test_pretraining_of_what_starts_from_nothing(small_log: Log) -> None:
    training = Training(epochs=1, verbose=0, pretraining=Training(epochs=1))
    with pytest.raises(ValueError, match="NCFMLP starts from no other models.*Received: Training"):
        tfrec_zoo.train("NCFMLP", small_log, training)


# What a run does.


@pytest.fixture(scope="module", params=["EASE", "YouTubeRetrieval", "GMF", "FactorizationMachine"])
def run(request: pytest.FixtureRequest, small_log: Log) -> Run:
    """One of each: of histories, of windows, of ids, and a ranker of features."""
    arguments: dict[str, Any] = {}
    if request.param == "YouTubeRetrieval":
        arguments = {"hidden_units": (8,), "tied": True}
    task = tasks.NextWatch(small_log, bags=(3,))
    training = Training(epochs=None if request.param == "EASE" else 1, verbose=0)
    return tfrec_zoo.train(request.param, task, training, **arguments)


def of_two(run: Run) -> dict[str, Any]:
    if run.model.reads == "ids":
        return {"user_id": ["u0", "nobody"]}
    return {"history": [["i5", "i2"], []]}


@pytest.mark.filterwarnings("ignore")
def test_a_run_recommends_what_its_export_answers(
    run: Run, small_log: Log, tmp_path: pathlib.Path
) -> None:
    request = of_two(run)
    found = run.recommend(request, k=4, include_history=True)
    assert list(found) == ["row", "rank", "id", "title", "score"]
    assert found["row"].tolist() == [0] * 4 + [1] * 4
    assert found["rank"].tolist() == [1, 2, 3, 4] * 2
    # Titles are those of the log: "title 7" of "i7".
    assert found["title"].tolist() == [f"title {item[1:]}" for item in found["id"]]

    exported = load(run.export(tmp_path / "export"))
    if run.model.family == "retrieval":
        answers = exported.recommend(request, k=4, include_history=True)
        pd.testing.assert_frame_equal(answers, found)
        return
    answers = exported.recommend(request, k=4, include_history=True)
    pd.testing.assert_frame_equal(answers, found)
    # Every item that the model knows, scored by the export, best first.
    known = set(run.model.features.vocabularies["item_id"].tokens)
    items = small_log.items[small_log.items["item_id"].isin(known)]
    for row in (0, 1):
        rows = {key: [values[row]] * len(items) for key, values in request.items()}
        columns = {"item_id": items["item_id"].tolist(), "genres": items["genres"].tolist()}
        given = {key: v for key, v in {**rows, **columns}.items() if key in exported.request}
        scores = exported(given)["predictions"]
        best = pd.Series(scores, items["item_id"]).sort_values(ascending=False)
        mine = found[found["row"] == row]
        np.testing.assert_allclose(mine["score"], best.iloc[:4], rtol=1e-5)
        np.testing.assert_allclose(best[mine["id"].tolist()], mine["score"], rtol=1e-5)
        np.testing.assert_allclose(run.score(given), scores, rtol=1e-5)


def test_what_was_watched_is_left_out_unless_asked_for(run: Run) -> None:
    if run.model.reads == "ids":
        request = {**of_two(run), "exclude": [["i5", "i2"], []]}
        assert not {"i5", "i2"} & set(run.recommend(request, k=10).query("row == 0")["id"])
        return
    request = of_two(run)
    known = len(run.model.features.vocabularies["item_id"])
    without = run.recommend(request, k=known)
    assert set(without.query("row == 0")["id"]) & {"i5", "i2"} == set()
    assert len(without) == 2 * known - 2
    everything = run.recommend(request, k=known, include_history=True)
    assert {"i5", "i2"} <= set(everything.query("row == 0")["id"])
    assert len(everything) == 2 * known
    # What `exclude` holds is left out as well.
    other = run.recommend({**request, "exclude": [["i1"], ["i1"]]}, k=known)
    assert not {"i5", "i2", "i1"} & set(other.query("row == 0")["id"])
    assert len(other) == 2 * known - 4
    # The least likely items are found where they alone are allowed.
    least = everything.query("row == 0")["id"].tolist()[-3:]
    found = run.recommend({**request, "allow": [[*least, "never seen"], []]}, k=2)
    left = [item for item in least if item not in ("i5", "i2")][:2]
    assert found.query("row == 0")["id"].tolist() == left


def test_only_rankers_score(run: Run) -> None:
    if run.model.family == "ranking":
        found = run.score({"user_id": ["u0"], "item_id": ["i1"]} if run.model.reads == "ids"
                          else {"history": [["i5"]], "item_id": ["i1"]})  # fmt: skip
        assert found.shape == (1,) and 0 < found[0] < 1
    else:
        with pytest.raises(TypeError, match="Rows are scored by ranking models.*Received: "):
            run.score({"history": [["i5"]]})


@pytest.mark.filterwarnings("ignore")
def test_save_leaves_what_can_be_loaded_and_restored(run: Run, tmp_path: pathlib.Path) -> None:
    folder = run.save(tmp_path / "run", preset="a/b")
    names = ["README.md", "checkpoint", "model", "report.html", "result.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    task = run.task
    assert result["metrics"] == pytest.approx(dict(run.metrics))
    assert (result["model"], result["task"]) == (type(run.model).__name__, "next-watch")
    assert (result["checksum"], result["data_checksum"]) == (task.checksum, task.log.checksum)
    assert (result["dataset"], result["protocol"], result["seed"]) == ("small", task.protocol, 0)
    assert result["statistics"]["epochs"] == 1
    assert result["config"]["options"] == {"bags": [3]} and result["config"]["preset"] == "a/b"
    assert result["config"]["training"]["epochs"] == run.training.epochs
    assert "features" not in result["config"]["arguments"]
    assert result["history"] == run.history
    manifest = json.loads((folder / "model" / "manifest.json").read_text(encoding="utf-8"))
    assert "history" not in manifest

    # Metrics against K, and by activity and popularity.
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<img") == 2 and task.protocol in page and task.log.checksum in page
    ranks = np.concatenate(run.outcomes.ranks)
    assert (ranks < 10).mean() == pytest.approx(run.metrics["hit_rate_at_10"])

    restored = checkpoints.restore(folder / "checkpoint")
    found = task.evaluate(restored)
    assert found == pytest.approx(dict(run.metrics), abs=1e-6)
    # By the folder of the run, or that of the model within.
    for path in (folder, folder / "model"):
        served = tfrec_zoo.load(path)
        assert served.manifest["metrics"] == result["metrics"]
        assert set(served.request) >= set(of_two(run))
    (path,) = (folder / "model").glob("saved_model.pb")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="saved_model.pb is damaged"):
        tfrec_zoo.load(folder)


def test_pretrained_models_by_name(
    small_log: Log, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tfrec_zoo.train(EASE, small_log, Training(verbose=0), l2=2.0)
    run.save(tmp_path / "ease" / "small")
    monkeypatch.setenv("TFREC_ZOO_MODELS", str(tmp_path))
    request = {"history": [["i5", "i2"]]}
    expected = run.recommend(request, k=3)
    answers = tfrec_zoo.load("ease/small").recommend(request, k=3)
    assert answers["id"].tolist() == expected["id"].tolist()
    model = tfrec_zoo.from_preset("ease/small")
    assert type(model) is EASE and model.l2 == 2.0
    for function in (tfrec_zoo.load, tfrec_zoo.from_preset):
        with pytest.raises(FileNotFoundError, match=r"'ease/small'.*Received: 'ease/large'"):
            function("ease/large")


@pytest.mark.parametrize(
    ("name", "task"), [("GMF", "choice"), ("GMF", "ncf"), ("YouTubeRetrieval", "next-watch")]
)
def test_a_plateau_needs_validation_while_training(name: str, task: str, halves: Log) -> None:
    training = Training(epochs=1, plateau=0.5, verbose=0)
    with pytest.raises(ValueError, match=f"give `patience`.*plateau=0.5, task '{task}'"):
        tfrec_zoo.train(name, tasks.make(task, halves), training)


@pytest.mark.parametrize("k", [2.5, True, "3", None])
def test_k_is_a_whole_number(k: Any, halves: Log) -> None:
    run = tfrec_zoo.train("Popularity", halves, Training(verbose=0))
    with pytest.raises(ValueError, match="`k` must be a whole number from 1 up. Received: "):
        run.recommend({"exclude": [[]]}, k=k)
    assert len(run.recommend({"exclude": [[]]}, k=np.int64(3))) == 3
