"""Model cards: metadata that others read, and the words and programs below it."""

import json
import pathlib
import re
import shutil
from typing import Any

import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo import cards, checkpoints, cli, model_folders


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A model as if somebody had trained it on a log of their own."""
    folder = tmp_path_factory.mktemp("runs") / "fm"
    shutil.copytree(model_folders.find("fm/movielens-100k"), folder)
    path = folder / "result.json"
    path.write_text(path.read_text().replace("movielens/100k", "purchases"))
    return folder


@pytest.fixture(scope="module")
def result(folder: pathlib.Path) -> Any:
    return json.loads((folder / "result.json").read_text())


@pytest.fixture(scope="module")
def text(folder: pathlib.Path) -> str:
    return cards.card(folder, checkpoints.read_features(folder / "checkpoint"))


def metadata(text: str) -> Any:
    yaml = pytest.importorskip("yaml")
    before, found, rest = text.split("---\n", 2)
    assert before == "" and rest.startswith("\n# ")
    return yaml.safe_load(found)


def test_the_metadata_is_that_of_the_hub(text: str, result: Any) -> None:
    found = metadata(text)
    assert found["library_name"] == "tfrec_zoo" and found["pipeline_tag"] == "other"
    assert {"recommender-system", "ranking", "FactorizationMachine"} <= set(found["tags"])
    assert found["datasets"] == ["purchases"]
    assert "license" not in found  # It is the user's to choose.
    assert found["metrics"] == list(result["metrics"])
    [model] = found["model-index"]
    [measured] = model["results"]
    assert model["name"] == "FactorizationMachine on purchases"
    assert (measured["task"]["type"], measured["dataset"]["type"]) == ("clicks", "purchases")
    assert {one["type"]: one["value"] for one in measured["metrics"]} == pytest.approx(
        result["metrics"], rel=1e-5
    )
    own = pathlib.Path(model_folders.find("fm/movielens-100k")) / cards.FILE
    found = metadata(own.read_text(encoding="utf-8"))
    assert (found["license"], found["license_name"]) == ("other", "apache-2.0-and-movielens")


def test_it_says_what_the_model_is_and_is_asked(text: str, result: Any) -> None:
    assert "Rendle: Factorization Machines, ICDM 2010" in text and "Args:" not in text
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", text, flags=re.MULTILINE))
    texts = ("user_id", "gender", "occupation", "zip_code", "movie_id")
    assert rows == {
        **dict.fromkeys(texts, "text"),
        **dict.fromkeys(("age", "year"), "number"),
        "genres": "bag: any number of texts",
        "predictions": "[rows]",
    }
    assert f"- Data: purchases, sha256 `{result['data_checksum']}`" in text
    assert "- Seed: 0\n" in text and "The split leaks the future" in text
    assert f"| auc | {result['metrics']['auc']:.4f} |" in text and "MovieLens" not in text


def test_its_programs_run(
    text: str, folder: pathlib.Path, run_python: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    text = text.replace("path/to/this/folder", folder.as_posix())
    with_package, alone = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(with_package, names)
    assert type(names["model"]) is tfrec_zoo.FactorizationMachine
    [chance] = re.findall(r"^\[(0\.\d+)\]$", capsys.readouterr().out, flags=re.MULTILINE)
    asked = run_python(alone)
    assert asked.returncode == 0, asked.stderr
    assert f"[{chance[:5]}" in asked.stdout


def test_ids_of_any_text_stay_in_their_cell(tmp_path: pathlib.Path) -> None:
    ids = ["a|b", "`x`", 'q"uote']
    users = [user for user in "abcdefgh" for _ in ids]
    log = tfrec_zoo.Log("mine", pd.DataFrame({"user_id": users, "item_id": ids * 8}))
    folder = tfrec_zoo.train("EASE", tfrec_zoo.tasks.Choice(log)).save(tmp_path / "ease")
    text = (folder / cards.FILE).read_text(encoding="utf-8")
    [row] = re.findall(r"^\| `history` \| bag: any number of texts \| (.*) \|$", text, flags=re.M)
    # By the rules of CommonMark and of GitHub's tables: a fence of two for one, and \| for |.
    assert row.startswith("``[") and row.endswith("]``")
    assert sorted(json.loads(row.strip("`").replace(r"\|", "|"))) == sorted(ids)
    assert not re.search(r"(?<!\\)\|", row)


def test_a_metric_may_be_undefined(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(model_folders.find("fm/movielens-100k"), tmp_path / "mine" / "log")
    path = folder / "result.json"
    result = json.loads(path.read_text())
    path.write_text(json.dumps({**result, "metrics": {"auc": None}}))
    monkeypatch.setenv(model_folders.ENVIRONMENT, str(tmp_path))
    assert cli.main(["list", "--pretrained"]) == 0
    [line] = [x for x in capsys.readouterr().out.splitlines() if x.startswith("mine/log ")]
    assert "auc=undefined" in line
    assert "| auc |  |" in cards.card(folder, checkpoints.read_features(folder / "checkpoint"))
