"""export: another SavedModel of the same weights; and folders that hold nothing to export."""

import json
import os
import pathlib
import shutil
from typing import Any

import numpy as np
import pytest

from tfrec_zoo.serving import load


def test_export(retrieval: Any, run: Any, run_json: Any, tmp_path: Any) -> None:
    target = tmp_path / "model"
    printed = run_json("export", retrieval, "--output", target, "--k", 4)
    assert printed == {"output": str(target)}
    exported, first = load(target, verify=True), load(retrieval / "model")
    request = {"history": [[1, 2, 3], [], [7]], "exclude": [[], [5], []]}
    outputs, before = exported(request), first(request)
    assert outputs["ids"].shape == (3, 4)
    # The restored weights are those that were exported after training.
    assert outputs["ids"].tolist() == before["ids"][:, :4].tolist()
    np.testing.assert_allclose(outputs["scores"], before["scores"][:, :4], rtol=1e-5)
    assert exported.manifest["metrics"] == first.manifest["metrics"]
    assert f"written: {target}" in run("export", retrieval, "--output", target)


def test_export_of_a_ranking_model(ranking: Any, run: Any, fails: Any, tmp_path: Any) -> None:
    run("export", ranking, "--output", tmp_path / "model")
    exported, first = load(tmp_path / "model", verify=True), load(ranking / "model")
    request = {"item_id": [1, 2, 3], "history": [[4, 5]] * 3}
    np.testing.assert_allclose(
        exported(request)["predictions"], first(request)["predictions"], rtol=1e-5
    )
    # It searches nothing.
    for given, received in ((("--k", 3), "{'k': 3}"), (("--index", "exact"), "'exact'")):
        line = fails("export", ranking, "--output", tmp_path / "other", *given)
        assert "YouTubeRanking ranks what it is given" in line and received in line
    assert not (tmp_path / "other").exists()


def test_export_of_a_whole_catalogue(
    ranking: Any, retrieval: Any, run_json: Any, fails: Any, tmp_path: Any
) -> None:
    target = tmp_path / "model"
    run_json("export", ranking, "--output", target, "--whole-catalogue", "--k", 7)
    whole, plain = load(target, verify=True), load(ranking / "model")
    assert whole.longest == 7 and "rank" not in whole.signatures
    request = {"history": [[1, 2, 3], [], [7]], "exclude": [[], [5], []]}
    found, expected = whole.recommend(request), plain.recommend(request, 7)
    assert found["id"].tolist() == expected["id"].tolist()
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-5)
    other = ("--output", tmp_path / "other", "--whole-catalogue")
    assert "Received: YouTubeRetrieval" in fails("export", retrieval, *other)
    assert "`--index` is how a retrieval model searches" in fails(
        "export", ranking, *other, "--index", "exact"
    )
    assert not (tmp_path / "other").exists()


def test_export_beside_other_files(fails: Any, retrieval: Any, tmp_path: Any) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert "with other files" in fails("export", retrieval, "--output", tmp_path)
    assert os.listdir(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize("name", ["evaluate", "export"])
def test_nothing_to_evaluate_or_export(
    name: str, fails: Any, retrieval: Any, tmp_path: Any
) -> None:
    more = () if name == "evaluate" else ("--output", tmp_path / "x")
    assert "There is no checkpoint" in fails(name, tmp_path / "none", *more)
    for contents in ("{", "[]", "{}", json.dumps({"config": {"given": {}}})):
        broken = pathlib.Path(shutil.copytree(retrieval, tmp_path / "1", dirs_exist_ok=True))
        (broken / "result.json").write_text(contents)
        assert f"{broken / 'result.json'} is damaged" in fails(name, broken, *more)
    (broken / "result.json").unlink()
    assert "result.json" in fails(name, broken, *more)
    broken = pathlib.Path(shutil.copytree(retrieval, tmp_path / "2"))
    (broken / "checkpoint" / "model.json").write_text("{")
    assert "checkpoint is damaged" in fails(name, broken, *more)
    for path in (broken / "checkpoint").glob("weights.*"):
        path.write_bytes(path.read_bytes()[:50])
    shutil.copy(retrieval / "checkpoint" / "model.json", broken / "checkpoint")
    assert "damaged" in fails(name, broken, *more)


def test_lists_of_no_length(fails: Any, retrieval: Any, tmp_path: Any) -> None:
    line = fails("export", retrieval, "--output", tmp_path / "x", "--k", 0)
    assert "`k` must be positive" in line and "0" in line
