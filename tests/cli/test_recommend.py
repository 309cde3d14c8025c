"""recommend: what an exported model answers, and requests that it can't."""

import json
import pathlib
import shutil
from typing import Any

import pytest

from tfrec_zoo.serving import load


def test_recommend(retrieval: Any, run: Any, run_json: Any, tmp_path: Any) -> None:
    model = retrieval / "model"
    request = json.dumps({"history": [1, 2], "exclude": [3, 4]})
    rows = run_json("recommend", model, "--request", request, "--k", 6)
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert not {3, 4} & {row["id"] for row in rows}
    expected = load(model).recommend({"history": [[1, 2]], "exclude": [[3, 4]]}, 6)
    assert [row["id"] for row in rows] == expected["id"].tolist()
    assert [row["score"] for row in rows] == pytest.approx(expected["score"].tolist())
    text = run("recommend", model, "--request", request)
    assert len(text.splitlines()) == 11
    # Shorter lists than the ten it gives by itself.
    run("export", retrieval, "--output", tmp_path / "short", "--k", 3)
    assert len(run_json("recommend", tmp_path / "short", "--request", request)) == 3


def test_the_folder_that_train_wrote_will_do(retrieval: Any, run_json: Any) -> None:
    request = ("--request", '{"history": [1]}', "--k", 3)
    rows = run_json("recommend", retrieval, *request)
    assert rows == run_json("recommend", retrieval / "model", *request)
    assert len(rows) == 3


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
def test_wrong_requests(fails: Any, retrieval: Any, request_: str, message: str) -> None:
    assert message in fails("recommend", retrieval / "model", "--request", request_)


def test_wrong_recommend(fails: Any, retrieval: Any, ranking: Any, tmp_path: Any) -> None:
    ask = ("--request", '{"history": [1]}')
    assert "There is no exported model" in fails("recommend", tmp_path, *ask)
    line = fails("recommend", "neumf/nowhere", *ask)
    assert "There is no pretrained model of that name" in line and "'neumf/nowhere'" in line
    for k in (0, 101):
        assert f"Received: {k}" in fails("recommend", retrieval / "model", *ask, "--k", k)
    assert "recommends nothing by itself" in fails("recommend", ranking / "model", *ask)
    broken = pathlib.Path(shutil.copytree(retrieval / "model", tmp_path / "broken"))
    (broken / "saved_model.pb").write_bytes(b"\x0a\x05")
    assert "saved_model.pb is damaged: export the model again" in fails("recommend", broken, *ask)
