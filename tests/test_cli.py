"""The command line: what it leaves, prints and answers; one line where it can't."""

import contextlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo import artifacts, cli
from tfrec_zoo.cli import main
from tfrec_zoo.data import read_ncf, simulate
from tfrec_zoo.evaluation.result import command
from tfrec_zoo.experiments import ncf, tables
from tfrec_zoo.quickstart import quickstart
from tfrec_zoo.serving import load


def tfrec_zoo_program(*arguments, **environment):
    """`python -m tfrec_zoo`, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tfrec_zoo", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=150,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A folder with somebody's log: 60 users, integer item ids, items with a column."""
    folder = tmp_path_factory.mktemp("data") / "mylog"
    folder.mkdir()
    rng = np.random.default_rng(0)
    n = 900
    item = np.minimum(rng.geometric(0.06, n), 50)
    pd.DataFrame(
        {
            "user_id": [f"u{i}" for i in rng.integers(0, 60, n)],
            "item_id": item,
            "time": rng.uniform(0, 1e6, n),
        }
    ).to_parquet(folder / "interactions.parquet")
    pd.DataFrame(
        {"item_id": np.arange(1, 51), "kind": [f"k{i % 5}" for i in range(50)]}
    ).to_csv(folder / "items.csv", index=False)  # fmt: skip
    return folder


def run(capsys, *arguments):
    """Runs a command; returns what it printed, which must be nothing on stderr."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return printed.out


def run_json(capsys, *arguments):
    out = run(capsys, *arguments, "--json")
    assert out.count("\n") == 1
    return json.loads(out)


def fails(capsys, *arguments):
    """Runs a command that must fail; returns its one line of stderr."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert line.startswith("tfrec-zoo: ")
    return line


def trained(dataset, output, *arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(
            ["train", *arguments, "--dataset", str(dataset), "--output", str(output),
             "--epochs", "1", "--json"]
        )  # fmt: skip
    assert code == 0
    return json.loads(out.getvalue())


@pytest.fixture(scope="module")
def retrieval(dataset, tmp_path_factory):
    """What `train` leaves of a retrieval model."""
    output = tmp_path_factory.mktemp("train") / "retrieval"
    printed = trained(dataset, output, "YouTubeRetrieval", "--seed", "3", "--batch-size", "256",
                      "--set", "hidden_units=(32,16)", "--set", "dropout=0.1",
                      "--set", "activation=tanh")  # fmt: skip
    assert printed == json.loads((output / "result.json").read_text())
    return output


@pytest.fixture(scope="module")
def ranking(dataset, tmp_path_factory):
    """What `train` leaves of a ranking model, on impressions sampled with its seed."""
    output = tmp_path_factory.mktemp("train") / "ranking"
    trained(dataset, output, "YouTubeRanking", "--seed", "5", "--set", "hidden_units=(8,)")
    return output


def test_every_table_has_a_name_on_the_command_line():
    assert sorted(cli.TABLES) == sorted(tables.TABLES)


def test_list(capsys):
    rows = run_json(capsys, "list")
    families = {row["name"]: row["family"] for row in rows}
    assert families["Popularity"] == families["YouTubeRetrieval"] == "retrieval"
    assert families["YouTubeRanking"] == "ranking"
    assert all(set(row) == {"name", "family", "paper"} and row["paper"] for row in rows)
    text = run(capsys, "list").splitlines()
    assert [line.split()[0] for line in text] == [row["name"] for row in rows]


def test_train(retrieval, dataset, capsys):
    assert sorted(os.listdir(retrieval)) == ["checkpoint", "model", "result.json"]
    result = json.loads((retrieval / "result.json").read_text())
    assert result["model"] == "YouTubeRetrieval"
    assert result["dataset"] == "mylog"
    assert len(result["checksum"]) == 64
    assert "leave" in result["protocol"] or "last" in result["protocol"]
    assert result["seed"] == 3
    assert result["config"]["set"] == {
        "hidden_units": [32, 16],
        "dropout": 0.1,
        "activation": "tanh",
    }
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


def test_the_arguments_reached_the_model(retrieval):
    config = json.loads((retrieval / "checkpoint" / "model.json").read_text())["config"]
    assert config["hidden_units"] == [32, 16]
    assert config["activation"] == "tanh"
    assert config["dropout"] == 0.1


@pytest.mark.parametrize("kind", ["retrieval", "ranking"])
def test_evaluate_gives_the_result_again(kind, dataset, capsys, request):
    """With no argument but the folder: the data set and the seed are in its result."""
    output = request.getfixturevalue(kind)
    metrics = json.loads((output / "result.json").read_text())["metrics"]
    assert run_json(capsys, "evaluate", output) == pytest.approx(metrics, rel=1e-5)
    if kind == "retrieval":
        again = run_json(capsys, "evaluate", output, "--dataset", dataset)
        assert again == pytest.approx(metrics, rel=1e-5)
        text = run(capsys, "evaluate", output)
        assert f"{metrics['hit_rate_at_10']:.4f}" in text
        assert "mylog" in text


def test_export(retrieval, capsys, tmp_path):
    target = tmp_path / "model"
    printed = run_json(capsys, "export", retrieval, "--output", target, "--k", 4)
    assert printed == {"output": str(target)}
    exported, first = load(target, verify=True), load(retrieval / "model")
    request = {"history": [[1, 2, 3], [], [7]], "exclude": [[], [5], []]}
    outputs, before = exported(request), first(request)
    assert outputs["ids"].shape == (3, 4)
    # The restored weights are those that were exported after training.
    assert outputs["ids"].tolist() == before["ids"][:, :4].tolist()
    np.testing.assert_allclose(outputs["scores"], before["scores"][:, :4], rtol=1e-5)
    assert exported.manifest["metrics"] == first.manifest["metrics"]
    assert f"written: {target}" in run(capsys, "export", retrieval, "--output", target)


def test_export_of_a_ranking_model(ranking, capsys, tmp_path):
    run(capsys, "export", ranking, "--output", tmp_path / "model")
    exported, first = load(tmp_path / "model", verify=True), load(ranking / "model")
    request = {"item_id": [1, 2, 3], "history": [[4, 5]] * 3}
    np.testing.assert_allclose(
        exported(request)["predictions"], first(request)["predictions"], rtol=1e-5
    )


def test_recommend(retrieval, capsys, tmp_path):
    model = retrieval / "model"
    request = json.dumps({"history": [1, 2], "exclude": [3, 4]})
    rows = run_json(capsys, "recommend", model, "--request", request, "--k", 6)
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert not {3, 4} & {row["id"] for row in rows}
    expected = load(model).recommend({"history": [[1, 2]], "exclude": [[3, 4]]}, 6)
    assert [row["id"] for row in rows] == expected["id"].tolist()
    assert [row["score"] for row in rows] == pytest.approx(expected["score"].tolist())
    text = run(capsys, "recommend", model, "--request", request)
    assert len(text.splitlines()) == 11
    # Shorter lists than the ten it gives by itself.
    run(capsys, "export", retrieval, "--output", tmp_path / "short", "--k", 3)
    rows = run_json(capsys, "recommend", tmp_path / "short", "--request", request)
    assert len(rows) == 3


def test_the_program(retrieval):
    """What the others call `main` for, in a process: silent but for its answer."""
    found = tfrec_zoo_program("list")
    assert (found.returncode, found.stderr) == (0, "")
    assert "YouTubeRanking" in found.stdout
    found = tfrec_zoo_program(
        "recommend", retrieval / "model", "--request", '{"history": [1]}', "--k", 2, "--json"
    )
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    assert [row["rank"] for row in json.loads(found.stdout)] == [1, 2]


def test_the_program_fails_in_one_line(dataset, tmp_path):
    found = tfrec_zoo_program("train", "DeepFM2000", "--dataset", dataset, "--output", tmp_path)
    assert found.returncode == 2
    assert found.stdout == ""
    [line] = found.stderr.splitlines()
    assert "'DeepFM2000'" in line and "YouTubeRanking" in line


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["train", "Popularity"],
        ["train", "Popularity", "--output", "x", "--set", "seed"],
        ["train", "Popularity", "--output", "x", "--epochs", "many"],
        ["export", "x", "--output", "y", "--index", "fast"],
        ["recommend", "x"],
    ],
)
def test_usage(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("usage: tfrec-zoo")
    assert ": error: " in printed.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("num_towers=3", "num_towers"),
        ("features=3", "features"),
        ("hidden_units=wide", "units"),
        ("hidden_units=(0,)", "0"),
        ("hidden_units=7", "int"),
        ("activation=gelu2000", "gelu2000"),
        ("dropout=2", "2"),
        ("dropout=some", "some"),
        ("temperature=0", "`temperature` must be positive. Received: 0"),
        ("num_sampled=-1", "`num_sampled` must be in 1"),
        ("tied=True", "Received: 64 and 256"),
        ("seed=lucky", "lucky"),
        ("l2=much", "much"),
        ("embedding_dim=(3", "(3"),
    ],
)
def test_wrong_set(setting, message, capsys, dataset, tmp_path):
    arguments = ["--dataset", dataset, "--output", tmp_path / "x", "--epochs", 1]
    if setting.startswith("embedding_dim"):
        arguments += ["--set", "hidden_units=()"]
    line = fails(capsys, "train", "YouTubeRetrieval", *arguments, "--set", setting)
    print(line)
    assert message in line
    assert not (tmp_path / "x" / "result.json").exists()


def damage(folder, dataset, contents):
    shutil.copytree(dataset, folder)
    (folder / "interactions.parquet").write_bytes(contents)
    return folder


def test_wrong_data_sets(capsys, dataset, tmp_path):
    def line(name):
        return fails(capsys, "train", "Popularity", "--dataset", name, "--output", tmp_path / "x")

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
    assert not (tmp_path / "x" / "result.json").exists()


def test_movielens_that_is_not_prepared_does_not_hang(tmp_path):
    """There is no network behind these proxies: an error says what to run."""
    begin = time.monotonic()
    nowhere = "http://127.0.0.1:9"
    proxies = {name: nowhere for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    found = tfrec_zoo_program(
        "train", "Popularity", "--dataset", "movielens/100k", "--data-dir", tmp_path / "tfds",
        "--output", tmp_path / "x", **proxies, NO_PROXY="", no_proxy="",
    )  # fmt: skip
    assert found.returncode == 2, found.stderr
    assert time.monotonic() - begin < 120
    line = found.stderr.splitlines()[-1]
    assert line.startswith("tfrec-zoo: movielens/100k")
    assert "tfds build movielens" in line
    assert "Traceback" not in found.stderr


def test_wrong_numbers(capsys, dataset, tmp_path):
    base = ("train", "Popularity", "--dataset", dataset, "--output", tmp_path / "x")
    for option in ("--epochs", "--batch-size"):
        assert "must be positive" in fails(capsys, *base, option, 0)


def test_output_that_is_a_file(capsys, dataset, retrieval, tmp_path):
    """Found out before training, not after."""
    path = tmp_path / "file"
    path.write_text("mine")
    for output in (path, path / "below"):
        line = fails(capsys, "train", "Popularity", "--dataset", dataset, "--output", output)
        assert str(path) in line
        line = fails(capsys, "quickstart", "--dataset", dataset, "--output", output)
        assert str(path) in line
        assert str(path) in fails(capsys, "export", retrieval, "--output", output)
    assert path.read_text() == "mine"


def test_export_beside_other_files(capsys, retrieval, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert "with other files" in fails(capsys, "export", retrieval, "--output", tmp_path)
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_nothing_to_evaluate_or_export(capsys, retrieval, tmp_path):
    for name in ("evaluate", "export"):
        more = () if name == "evaluate" else ("--output", tmp_path / "x")
        assert "There is no checkpoint" in fails(capsys, name, tmp_path / "none", *more)
        broken = pathlib.Path(shutil.copytree(retrieval, tmp_path / f"{name}1"))
        (broken / "result.json").write_text("{")
        assert "result.json is damaged" in fails(capsys, name, broken, *more)
        broken = pathlib.Path(shutil.copytree(retrieval, tmp_path / f"{name}2"))
        (broken / "checkpoint" / "model.json").write_text("{")
        assert "checkpoint is damaged" in fails(capsys, name, broken, *more)
        for path in (broken / "checkpoint").glob("weights.*"):
            path.write_bytes(path.read_bytes()[:50])
        shutil.copy(retrieval / "checkpoint" / "model.json", broken / "checkpoint")
        fails(capsys, name, broken, *more)
    assert "`k` must be positive" in fails(
        capsys, "export", retrieval, "--output", tmp_path / "x", "--k", 0
    )


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("{", "`--request` must be JSON"),
        ("[1]", r"must be a JSON object. Received: [1]"),
        ("[" * 100_000, ""),
        ("{}", "at least one feature"),
        ('{"histroy": [1]}', "['histroy']"),
        ('{"history": 1}', "'history'"),
        ('{"history": ["a"]}', "'history': Expected whole numbers"),
        ('{"history": [[1]]}', "'history'"),
    ],
)
def test_wrong_requests(capsys, retrieval, request_, message):
    line = fails(capsys, "recommend", retrieval / "model", "--request", request_)
    assert message in line


def test_wrong_recommend(capsys, retrieval, ranking, tmp_path):
    ask = ("--request", '{"history": [1]}')
    assert "There is no exported model" in fails(capsys, "recommend", tmp_path, *ask)
    for k in (0, 101):
        assert f"Received: {k}" in fails(capsys, "recommend", retrieval / "model", *ask, "--k", k)
    assert "recommends nothing by itself" in fails(capsys, "recommend", ranking / "model", *ask)
    broken = pathlib.Path(shutil.copytree(retrieval / "model", tmp_path / "broken"))
    (broken / "saved_model.pb").write_bytes(b"\x0a\x05")
    assert "is damaged: export it again" in fails(capsys, "recommend", broken, *ask)


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("NeuMF", {"embedding_dim": 4, "hidden_units": [8, 4]}),
        ("EASE", {"l2": 50.0}),
        ("MatrixFactorization", {"embedding_dim": 4, "loss": "bpr"}),
    ],
)
def test_train_on_ids_and_on_whole_histories(model, settings, dataset, capsys, tmp_path):
    given = [part for k, v in settings.items() for part in ("--set", f"{k}={v}")]
    printed = trained(dataset, tmp_path, model, *given)
    assert printed == json.loads((tmp_path / "result.json").read_text())
    assert printed["model"] == model and printed["protocol"].startswith("leave-last-out")
    metrics = printed["metrics"]
    assert {"hit_rate_at_10", "hit_rate_at_10_seen_kept"} <= set(metrics)
    assert all(0 <= value <= 1 for value in metrics.values())
    config = json.loads((tmp_path / "checkpoint" / "model.json").read_text())["config"]
    assert {key: config[key] for key in settings} == settings
    assert load(tmp_path / "model", verify=True).manifest["metrics"] == metrics
    if model == "MatrixFactorization":
        assert run_json(capsys, "evaluate", tmp_path) == pytest.approx(metrics, rel=1e-5)


def test_wrong_loss(capsys, dataset, tmp_path):
    arguments = ["--dataset", dataset, "--output", tmp_path, "--epochs", 1]
    line = fails(capsys, "train", "MatrixFactorization", *arguments, "--set", "loss=hinge")
    assert "`loss` must be one of" in line and "'hinge'" in line
    assert os.listdir(tmp_path) == []


@pytest.fixture(scope="module")
def ncf_files(tmp_path_factory):
    """A folder with the NCF paper's files: 20 users, 6 of 30 items each."""
    folder = tmp_path_factory.mktemp("ncf")
    rng = np.random.default_rng(0)
    train, test, negative = [], [], []
    for user in range(20):
        *chosen, last = rng.permutation(30)[:6].tolist()
        train += [f"{user}\t{item}\t1\t{time}" for time, item in enumerate(chosen)]
        test.append(f"{user}\t{last}\t1\t9")
        others = rng.permutation(sorted(set(range(30)) - {*chosen, last}))[:15]
        negative.append("\t".join([f"({user},{last})", *map(str, others)]))
    for end, lines in (
        ("train.rating", train),
        ("test.rating", test),
        ("test.negative", negative),
    ):
        (folder / f"small.{end}").write_text("\n".join(lines) + "\n")
    return folder


def test_benchmark_on_the_files_of_the_ncf_paper(ncf_files, capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(ncf.ROWS, "GMF-8", ncf.gmf(8, epochs=2, batch_size=64))
    arguments = ["benchmark", "ncf", "--dataset", ncf_files, "--output", tmp_path, "--seeds", 4]
    arguments += ["--model", "GMF", "Popularity", "--factors", 8]
    [row] = run_json(capsys, *arguments)
    assert os.listdir(tmp_path) == ["GMF-8-4.json"]
    assert json.loads((tmp_path / "GMF-8-4.json").read_text()) == {
        key: value for key, value in row.items() if key != "row"
    }
    assert (row["row"], row["seed"], row["dataset"]) == ("GMF-8", 4, "ncf/small")
    assert row["checksum"] == read_ncf(ncf_files).checksum
    assert row["protocol"] == "NCF: latest item of each user, 99 fixed negatives"
    metrics = row["metrics"]
    rate = "sampled_hit_rate_at_10"
    assert 0 < metrics[rate] <= metrics[f"best_on_test_{rate}"] <= 1
    assert metrics["epochs"] in (1, 2)
    # Nothing is trained again; the table is of the columns that are asked for.
    monkeypatch.setitem(ncf.ROWS, "GMF-8", None)
    lines = run(capsys, *arguments, "--metrics", rate).splitlines()
    assert lines[0] == f"| row | {rate} |" and lines[2] == f"| GMF-8 | {metrics[rate]:.4f} |"
    line = fails(capsys, *arguments, "--rows", "EASE")
    assert "has the rows" in line and "rows=['EASE']" in line and "factors=[8]" in line


def test_the_files_of_the_ncf_paper_are_a_data_set_like_others(ncf_files, capsys, tmp_path):
    result = trained(ncf_files, tmp_path, "Popularity")
    assert result["dataset"] == "ncf/small"
    assert result["checksum"] == read_ncf(ncf_files).log.checksum
    assert run_json(capsys, "evaluate", tmp_path) == pytest.approx(result["metrics"], rel=1e-5)


def test_quickstart(tmp_path):
    """On a small simulated log: everything is left, and a program of its own asks the funnel."""
    log = simulate(num_users=150, num_items=120, num_days=7, seed=1, num_topics=5)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        result = quickstart(log, tmp_path / "q")
    text = out.getvalue()
    written = json.loads((tmp_path / "q" / "result.json").read_text())
    assert written == json.loads(json.dumps(result))
    assert written["dataset"] == "simulated"
    assert set(written["metrics"]) >= {"popularity", "retrieval", "funnel", "ranking"}
    left = set(os.listdir(tmp_path / "q"))
    assert left >= {"funnel", "result.json", "recommend.py", "titles.json", "requests.json"}
    assert not [name for name in left if name.startswith(".")]
    titles = json.loads((tmp_path / "q" / "titles.json").read_text())
    assert titles == dict(log.items[["video_id", "title"]].itertuples(index=False))
    # What the program printed: titles with a score, for three users and a new one.
    answer = text.split("in a process of its own")[1]
    assert answer.count("last watched:") == 4
    assert sum(any(t in line for t in titles.values()) for line in answer.splitlines()) >= 20
    served = load(tmp_path / "q" / "funnel", verify=True)
    assert len(served.recommend({"history": [[]]})) == 20
    assert served.manifest["versions"]["tfrec_zoo"] == tfrec_zoo.__version__
    source = (tmp_path / "q" / "recommend.py").read_text()
    assert "tfrec_zoo" not in source.split('"""')[2]


def test_quickstart_with_another_ranker(tmp_path, capsys):
    log = simulate(num_users=100, num_items=80, num_days=5, seed=1, num_topics=4)
    with contextlib.redirect_stdout(io.StringIO()):
        result = quickstart(log, tmp_path / "q", ranker="DeepFM")
    assert result["config"] == {"ranker": "DeepFM"}
    assert 0 < result["metrics"]["ranking"]["auc"] < 1  # A few steps teach nothing.
    served = load(tmp_path / "q" / "funnel", verify=True)
    assert len(served.recommend({"history": [[]]})) == 20
    for name in ("NeuMF", "EASE"):
        line = fails(capsys, "quickstart", "--ranker", name, "--output", tmp_path / "q")
        assert f"must be a ranking model of features; see: tfrec-zoo list. Received: {name}" in line


def test_clicks_are_trained_evaluated_again_and_exported(dataset, capsys, tmp_path):
    arguments = ("WideDeep", "--clicks", "with-ids-crossed", "--optimizer", "ftrl+adagrad")
    arguments += (
        "--label",
        "time",
        "--threshold",
        "500000",
        "--wide",
        "l1_regularization_strength=100.0",
        "--set",
        "hidden_units=(4,)",
    )
    result = trained(dataset, tmp_path / "out", *arguments)
    assert "click prediction with ids crossed, random 8:1:1" in result["protocol"]
    metrics = result["metrics"]
    assert metrics["wide_zeros"] == 1.0 and 0 < metrics["auc"] < 1
    again = run_json(capsys, "evaluate", tmp_path / "out")
    assert again == pytest.approx({key: metrics[key] for key in ("auc", "logloss", "gauc")})
    served = load(tmp_path / "out" / "model", verify=True)
    assert served.manifest["config"]["wide"] == {"l1_regularization_strength": 100.0}


def test_options_of_clicks_without_clicks(dataset, capsys, tmp_path):
    line = fails(
        capsys, "train", "DeepFM", "--label", "x", "--dataset", dataset, "--output", tmp_path
    )
    assert "add --clicks. Received: {'label': 'x'}" in line
    line = fails(capsys, "train", "DeepFM", "--clicks", "ids", "--dataset", dataset,
                 "--output", tmp_path)  # fmt: skip
    assert "must be one of ['ids-alone', 'with-ids'" in line and "Received: 'ids'" in line
