"""Model cards: metadata that others read, and the words and programs below it."""

import pathlib
import re
from typing import Any

import pytest

import tfrec_zoo
from tfrec_zoo import Training, cards, checkpoints
from tfrec_zoo.data import Log


@pytest.fixture(scope="module")
def run(small_log: Log, untraced: Any) -> Any:
    with untraced():
        task = tfrec_zoo.tasks.Clicks(small_log, validation_fraction=0.2, test_fraction=0.2)
        return tfrec_zoo.train(
            "FactorizationMachine", task, Training(epochs=1, verbose=0), embedding_dim=2
        )


@pytest.fixture(scope="module")
def text(run: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = run.save(tmp_path_factory.mktemp("run"))
    card = (folder / cards.FILE).read_text(encoding="utf-8")
    # The same from the files, as from the model.
    assert card == cards.card(folder, checkpoints.read_features(folder / "checkpoint"))
    return card.replace("path/to/this/folder", folder.as_posix())


def metadata(text: str) -> Any:
    yaml = pytest.importorskip("yaml")
    before, found, rest = text.split("---\n", 2)
    assert before == "" and rest.startswith("\n# ")
    return yaml.safe_load(found)


def test_the_metadata_is_that_of_the_hub(text: str, run: Any) -> None:
    found = metadata(text)
    assert found["library_name"] == "tfrec_zoo" and found["pipeline_tag"] == "other"
    assert {"recommender-system", "ranking", "FactorizationMachine"} <= set(found["tags"])
    assert found["datasets"] == ["small"] and "license" not in found  # It is the user's to choose.
    assert found["metrics"] == list(run.metrics)
    [model] = found["model-index"]
    [result] = model["results"]
    assert model["name"] == "FactorizationMachine on small"
    assert (result["task"]["type"], result["dataset"]["type"]) == ("clicks", "small")
    assert {one["type"]: one["value"] for one in result["metrics"]} == pytest.approx(
        dict(run.metrics), rel=1e-5
    )


def test_it_says_what_the_model_is_and_is_asked(text: str, run: Any) -> None:
    assert "Rendle: Factorization Machines, ICDM 2010" in text and "Args:" not in text
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", text, flags=re.MULTILINE))
    assert rows == {
        "user_id": "text",
        "country": "text",
        "item_id": "text",
        "genres": "bag: any number of texts",
        "predictions": "[rows]",
    }
    assert f"- Data: small, sha256 `{run.task.log.checksum}`" in text and "- Seed: 0\n" in text
    assert f"| auc | {run.metrics['auc']:.4f} |" in text and "MovieLens" not in text
    assert "The split leaks the future" in text


def test_its_programs_run(text: str, run_python: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with_package, alone = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(with_package, names)
    assert type(names["model"]) is tfrec_zoo.FactorizationMachine
    assert re.search(r"rank +id", capsys.readouterr().out)
    asked = run_python(alone)
    assert asked.returncode == 0, asked.stderr
    assert "shape=(1,), dtype=float32" in asked.stdout
