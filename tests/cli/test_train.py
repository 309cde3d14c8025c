"""train: what it leaves of a model and of a preset; one line where it can't."""

import json
import os
import pathlib
import shutil
from typing import Any

import pandas as pd
import pytest

from tfrec_zoo import artifacts
from tfrec_zoo.data import Log, read_ncf
from tfrec_zoo.evaluation import command
from tfrec_zoo.features import EmbeddingColumn, FeatureSpec, VocabularyColumn
from tfrec_zoo.serving import load

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

#: What is left of a training.
LEFT = ["README.md", "checkpoint", "model", "report.html", "result.json"]

pytestmark = pytest.mark.usefixtures("eagerly")


def test_train_leaves_model_checkpoint_and_result(retrieval: Any, dataset: Any) -> None:
    assert sorted(os.listdir(retrieval)) == LEFT
    result = json.loads((retrieval / "result.json").read_text())
    assert (result["model"], result["task"]) == ("YouTubeRetrieval", "next-watch")
    assert (result["dataset"], result["seed"]) == ("mylog", 3)
    log = Log(
        "mylog",
        pd.read_parquet(dataset / "interactions.parquet"),
        items=pd.read_csv(dataset / "items.csv"),
    )
    assert result["data_checksum"] == log.checksum
    assert len(result["checksum"]) == 64 and result["checksum"] != result["data_checksum"]
    assert result["protocol"] == "next watch, leave-last-out, full ranking over the training items"
    config = result["config"]
    assert config["arguments"]["hidden_units"] == [32, 16]
    assert (config["arguments"]["activation"], config["arguments"]["dropout"]) == ("tanh", 0.1)
    assert (config["training"]["epochs"], config["training"]["batch_size"]) == (1, 256)
    assert (config["training"]["clipping"], config["training"]["verbose"]) == (5, 0)
    assert (config["options"], config["preset"]) == ({}, None)
    assert result["command"] == command()
    assert result["versions"] == artifacts.versions()
    metrics = result["metrics"]
    assert {"hit_rate_at_10", "hit_rate_at_50", "ndcg_at_10"} <= set(metrics)
    assert all(0 <= value <= 1 for value in metrics.values())
    assert 0 < metrics["hit_rate_at_10"] <= metrics["hit_rate_at_50"]

    served = load(retrieval / "model", verify=True)
    assert served.manifest["metrics"] == metrics
    frame = served.recommend({"history": [[1, 2, 3], []]}, k=5)
    assert len(frame) == 10
    assert frame["id"].between(1, 50).all()


def test_the_arguments_reached_the_model(retrieval: Any) -> None:
    config = json.loads((retrieval / "checkpoint" / "model.json").read_text())["config"]
    assert config["hidden_units"] == [32, 16]
    assert config["activation"] == "tanh"
    assert config["dropout"] == 0.1


def test_the_options_reached_the_task(ranking: Any) -> None:
    result = json.loads((ranking / "result.json").read_text())
    assert result["task"] == "watch-time"
    assert result["config"]["options"] == {"negatives": 2, "seed": 7}
    assert "sampled impressions with 2 negatives of seed 7" in result["protocol"]
    assert result["seed"] == 5


def test_tensorboard_finds_what_was_reported(dataset: Any, train: Any, tmp_path: Any) -> None:
    options = ("--set", "embedding_dim=4", "--epochs", "2", "--tensorboard", tmp_path / "logs")
    train(dataset, tmp_path / "out", "MatrixFactorization", *options)
    assert not list((tmp_path / "out").rglob("events.*"))
    [file] = (tmp_path / "logs" / "train").glob("events.*")
    values = [
        (event.step, value.tag)
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    ]
    assert [step for step, tag in values if tag == "epoch_loss"] == [0, 1]


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("NeuMF", {"embedding_dim": 4, "hidden_units": [8, 4]}),
        ("EASE", {"l2": 50.0}),
        ("MatrixFactorization", {"embedding_dim": 4, "loss": "bpr"}),
    ],
)
def test_models_of_ids_and_of_whole_histories(
    model: str, settings: Any, dataset: Any, train: Any, run_json: Any, tmp_path: Any
) -> None:
    given = [part for k, v in settings.items() for part in ("--set", f"{k}={v}")]
    printed = train(dataset, tmp_path, model, *given, "--epochs", 1)
    assert printed["model"] == model and "leave-last-out" in printed["protocol"]
    metrics = printed["metrics"]
    assert {"hit_rate_at_10", "hit_rate_at_10_seen_kept"} <= set(metrics)
    assert all(0 <= value <= 1 for value in metrics.values())
    config = json.loads((tmp_path / "checkpoint" / "model.json").read_text())["config"]
    assert {key: config[key] for key in settings} == settings
    assert load(tmp_path / "model", verify=True).manifest["metrics"] == metrics
    if model == "MatrixFactorization":
        assert run_json("evaluate", tmp_path) == pytest.approx(metrics, rel=1e-5)


def test_clicks_are_trained_evaluated_again_and_exported(
    dataset: Any, train: Any, run_json: Any, tmp_path: Any
) -> None:
    """Ratings above 3 are positives, those of 3 are dropped; L1 of 100 leaves no wide weight."""
    options = ("label=rating", "threshold=3", "crosses=50")
    given = [part for option in options for part in ("--task-set", option)]
    given += ["--optimizer", "ftrl+adagrad", "--set", "hidden_units=(4,)", "--epochs", "1"]
    given += ["--training", "wide={'l1_regularization_strength':100.0}"]
    result = train(dataset, tmp_path, "WideDeep", "--task", "clicks", *given)
    rating = pd.read_parquet(dataset / "interactions.parquet")["rating"]
    number = int((rating != 3).sum())
    train_end, validation_end = int(0.8 * number + 1e-9), int(0.9 * number + 1e-9)
    sizes = (train_end, validation_end - train_end, number - validation_end)
    assert result["protocol"] == (
        "clicks of 'rating', random split of seed 0 (leaks the future), "
        f"{sizes[0]}/{sizes[1]}/{sizes[2]} examples"
    )
    metrics = result["metrics"]
    assert set(metrics) == {"auc", "logloss", "gauc"} and 0 < metrics["auc"] < 1
    assert result["statistics"]["wide_zeros"] == 1.0
    assert result["config"]["options"] == {"label": "rating", "threshold": 3, "crosses": 50}
    # The task's own training, but for what was given.
    assert result["config"]["training"]["plateau"] == 0.2
    assert run_json("evaluate", tmp_path) == pytest.approx(metrics, rel=1e-5)
    served = load(tmp_path / "model", verify=True)
    assert served.manifest["config"]["training"]["wide"] == {"l1_regularization_strength": 100.0}


def test_a_spec_of_ones_own(dataset: Any, train: Any, run_json: Any, tmp_path: Any) -> None:
    """Its file is not needed again."""
    spec = FeatureSpec(
        (EmbeddingColumn(VocabularyColumn("user_id"), 4),),
        (EmbeddingColumn(VocabularyColumn("kind"), 4),),
    )
    path = tmp_path / "spec.json"
    path.write_text(spec.to_json())
    output = tmp_path / "out"
    given = ("--task-set", "label=rating", "--task-set", f"spec={path}", "--epochs", 1)
    result = train(dataset, output, "LogisticRegression", *given)
    assert {row["key"] for row in load(output / "model").manifest["request"]} == {
        "user_id",
        "kind",
    }
    path.unlink()
    assert run_json("evaluate", output) == pytest.approx(result["metrics"], rel=1e-5)


def test_a_preset(dataset: Any, train: Any, run_json: Any, tmp_path: Any) -> None:
    """With fields of training and options of the task in place of its own."""
    given = ("--epochs", 1, "--task-set", "bags=2,4", "--set", "hidden_units=(8,4)")
    result = train(dataset, tmp_path, "--preset", "next-watch/bag-50", *given, "--seed", 2)
    assert sorted(os.listdir(tmp_path)) == LEFT
    assert (result["model"], result["seed"]) == ("YouTubeRetrieval", 2)
    config = result["config"]
    assert config["preset"] == "next-watch/bag-50"
    assert config["options"] == {"bags": [2, 4], "profile": False, "example_age": False}
    assert config["arguments"]["tied"] is True and config["arguments"]["hidden_units"] == [8, 4]
    assert run_json("evaluate", tmp_path) == pytest.approx(result["metrics"], rel=1e-5)


def test_what_is_given_is_not_chosen_from_the_grid_of_a_preset(
    dataset: Any, train: Any, tmp_path: Any
) -> None:
    """The preset chooses l2 from 100 and 500."""
    result = train(dataset, tmp_path, "--preset", "next-watch/EASE", "--set", "l2=50.0")
    assert result["config"]["arguments"]["l2"] == 50.0
    assert result["config"]["training"]["grid"] == {}


def test_a_preset_that_is_a_baseline_leaves_its_result(
    dataset: Any, train: Any, fails: Any, tmp_path: Any
) -> None:
    """Item rates draw nothing and have no model."""
    label = ("--preset", "ctr/item-rates", "--task-set", "label=rating")
    result = train(dataset, tmp_path, *label)
    assert sorted(os.listdir(tmp_path)) == ["report.html", "result.json"]
    assert result["model"] == "item-rates" and 0 < result["metrics"]["auc"] < 1
    line = fails("train", *label, "--dataset", dataset, "--output", tmp_path, "--set", "l2=1")
    assert "`--set` is for models; this preset is a baseline" in line and "--set l2=1" in line


def test_the_files_of_the_ncf_paper_are_a_data_set_like_others(
    ncf_files: Any, train: Any, run_json: Any, tmp_path: Any
) -> None:
    result = train(ncf_files, tmp_path, "Popularity")
    assert result["dataset"] == "ncf/small"
    assert result["data_checksum"] == read_ncf(ncf_files).log.checksum
    assert run_json("evaluate", tmp_path) == pytest.approx(result["metrics"], rel=1e-5)


def test_training_as_the_task_says(
    ncf_files: Any, train: Any, run_json: Any, tmp_path: Any
) -> None:
    """The NCF protocol trains by lazy Adam at .001 without decay, on the authors' negatives."""
    given = ("--task", "ncf", "--epochs", 1, "--set", "embedding_dim=4")
    result = train(ncf_files, tmp_path, "GMF", *given)
    training = result["config"]["training"]
    assert (training["optimizer"], training["learning_rate"]) == ("lazy_adam", 0.001)
    assert training["decay"] is False
    assert "15 given negatives" in result["protocol"]
    found = run_json("evaluate", tmp_path)
    assert found == pytest.approx({name: result["metrics"][name] for name in found}, rel=1e-5)


def test_text(dataset: Any, run: Any, tmp_path: Any) -> None:
    text = run("train", "Popularity", "--dataset", dataset, "--output", tmp_path)
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    words = text.split()
    assert words[words.index("hit_rate_at_10") + 1] == f"{metrics['hit_rate_at_10']:.4f}"
    assert "leave-last-out" in text and "mylog" in text
    assert text.splitlines()[-1] == f"written: {tmp_path}"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("num_towers=3", "num_towers"),
        ("features=3", "features"),
        ("hidden_units=wide", "units"),
        ("hidden_units=(0,)", "0"),
        ("hidden_units=64", "{'hidden_units': 64}"),
        ("activation=gelu2000", "gelu2000"),
        ("dropout=2", "2"),
        ("dropout=some", "some"),
        ("temperature=0", "`temperature` must be positive. Received: 0"),
        ("negatives=all", "`negatives` must be one of"),
        ("seed=lucky", "lucky"),
        ("l2=much", "much"),
        ("embedding_dim=(3", "(3"),
    ],
)
def test_wrong_arguments_of_the_model(
    setting: str, message: str, fails: Any, dataset: Any, tmp_path: Any
) -> None:
    arguments = ["--dataset", dataset, "--output", tmp_path / "x", "--epochs", 1]
    if setting.startswith("embedding_dim"):
        arguments += ["--set", "hidden_units=()"]
    line = fails("train", "YouTubeRetrieval", *arguments, "--set", setting)
    assert message in line
    assert not (tmp_path / "x" / "result.json").exists()


def test_a_training_that_diverges_leaves_nothing(fails: Any, dataset: Any, tmp_path: Any) -> None:
    given = ["--task", "ratings", "--task-set", "label=rating", "--epochs", 30]
    given += ["--optimizer", "sgd", "--learning-rate", "1e9", "--training", "verbose=0"]
    given += ["--dataset", dataset]
    line = fails("train", "MatrixFactorization", *given, "--output", tmp_path)
    assert "Training diverged in epoch" in line and "not finite. Received: the " in line
    assert os.listdir(tmp_path) == []


def test_wrong_loss(fails: Any, dataset: Any, tmp_path: Any) -> None:
    arguments = ["--dataset", dataset, "--output", tmp_path, "--epochs", 1]
    line = fails("train", "MatrixFactorization", *arguments, "--set", "loss=hinge")
    assert "`loss` must be one of" in line and "'hinge'" in line
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["DeepFM2000"], "There is no model of that name"),
        (["--preset", "ctr/DeepFM2000"], "There is no preset of that name"),
        (["--preset", "ctr/DeepFM2000"], "'ctr/DeepFM'"),
        (["DeepFM", "--preset", "ctr/DeepFM"], "Received: model 'DeepFM', preset 'ctr/DeepFM'"),
        ([], "Received: model None, preset None"),
        (["DeepFM", "--task-set", "labels=rating"], "Received: ['labels']"),
        (["DeepFM", "--task-set", "labels=rating"], "'label', 'threshold'"),
        (["DeepFM", "--task-set", "threshold=high"], "Received: 'high'"),
        (["DeepFM", "--task-set", "split=later"], '"random" or "time". Received: \'later\''),
        (["DeepFM", "--task-set", "ids=true"], "`ids` must be True or False. Received: 'true'"),
        (["DeepFM", "--task-set", "test_fraction=2"], "`test_fraction`"),
        (["DeepFM", "--task-set", "spec=nowhere.json"], "nowhere.json"),
        (["EASE", "--task-set", "bags=ten"], "`bags` must be a tuple of whole numbers"),
        (["EASE", "--task-set", "bags=10"], "Received: 10"),
        (["EASE", "--task-set", "bags=(0,)"], "`bags` must hold positive sizes. Received: (0,)"),
        (["EASE", "--task-set", "negatives=many"], "`negatives` must be a whole number"),
        (["EASE", "--task-set", "split=later"], '"next-day", "random" or a Split'),
        (["EASE", "--task-set", "patience=0"], "`patience` must be positive. Received: 0"),
        (["EASE", "--task", "clicks"], "EASE can't be trained on the task 'clicks'"),
        (["EASE", "--epochs", 0], "`epochs` must be a positive whole number. Received: 0"),
        (["EASE", "--batch-size", 0], "`batch_size` must be a positive whole number. Received: 0"),
        (["EASE", "--learning-rate", 0], "`learning_rate` must be positive. Received: 0.0"),
        (["EASE", "--learning-rate", "nan"], "Received: nan"),
        (["EASE", "--seed", -1], "Received: -1"),
        (["EASE", "--training", "clipping=-1"], "`clipping` must be positive. Received: -1"),
        (["EASE", "--training", "clipping=tight"], "`clipping` must be a number or None"),
        (["EASE", "--training", "warmup=2"], "`warmup` must be in [0, 1). Received: 2"),
        (["EASE", "--training", "decay=never"], "`decay` must be True or False"),
        (["EASE", "--training", "grid={'l2':1.0}"], "Received: {'l2': 1.0}"),
        (["EASE", "--training", "rate=3"], "Received: ['rate']"),
        (["EASE", "--training", "rate=3"], "'learning_rate'"),
        (["EASE", "--training", "pretraining={'rate':3}"], "rate"),
        (["EASE", "--training", "pretraining=3"], "Received: 3"),
        (["MatrixFactorization", "--optimizer", "adam2000"], "adam2000"),
        (["--preset", "next-watch/EASE", "--task-set", "bag=3"], "Received: ['bag']"),
    ],
)
def test_wrong_invocations_say_what_was_received(
    arguments: list[Any], message: str, fails: Any, dataset: Any, tmp_path: Any
) -> None:
    line = fails("train", *arguments, "--dataset", dataset, "--output", tmp_path / "x")
    assert message in line
    assert not (tmp_path / "x" / "result.json").exists()


@pytest.mark.parametrize(
    "contents", ["{", "[1]", "3", '{"query": 3}', '{"query": [{"class": "Nothing"}]}']
)
def test_a_file_that_is_no_spec(contents: str, fails: Any, tmp_path: Any) -> None:
    path = tmp_path / "spec.json"
    path.write_text(contents)
    line = fails("train", "DeepFM", "--task-set", f"spec={path}", "--output", tmp_path / "x")
    assert str(path) in line


def damage(folder: pathlib.Path, dataset: pathlib.Path, contents: bytes) -> pathlib.Path:
    shutil.copytree(dataset, folder)
    (folder / "interactions.parquet").write_bytes(contents)
    return folder


def test_wrong_data_sets(fails: Any, dataset: Any, tmp_path: Any) -> None:
    def line(name: Any) -> str:
        return fails("train", "Popularity", "--dataset", name, "--output", tmp_path / "x")

    assert "Received: 'nowhere'" in line("nowhere")
    assert "`version` must be one of" in line("movielens/2m")
    (tmp_path / "empty").mkdir()
    assert "no interactions.parquet or interactions.csv" in line(tmp_path / "empty")
    whole = (dataset / "interactions.parquet").read_bytes()
    for name, contents in (("cut", whole[: len(whole) // 2]), ("none", b""), ("text", b"a,b\n1,2")):
        message = line(damage(tmp_path / name, dataset, contents))
        assert str(tmp_path / name / "interactions.parquet") in message
        assert "damaged" in message
    (tmp_path / "columns").mkdir()
    pd.DataFrame({"user": [1]}).to_csv(tmp_path / "columns" / "interactions.csv", index=False)
    assert "must have a column 'user_id'" in line(tmp_path / "columns")
    # The data set of a table is taken where none is given; this one is a folder of one's own.
    assert "Received: 'ncf/ml-1m'" in fails("train", "--preset", "ncf/EASE", "--output", tmp_path)
    assert not (tmp_path / "x").exists()


def test_output_that_is_a_file(fails: Any, dataset: Any, retrieval: Any, tmp_path: Any) -> None:
    """Found out before training, not after."""
    path = tmp_path / "file"
    path.write_text("mine")
    for output in (path, path / "below"):
        for command_ in ("train", "quickstart"):
            model = ["EASE"] if command_ == "train" else []
            line = fails(command_, *model, "--dataset", dataset, "--output", output)
            assert str(path) in line
        assert str(path) in fails("export", retrieval, "--output", output)
    assert path.read_text() == "mine"
