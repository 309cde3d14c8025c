"""recommend: what an exported model answers, and requests that it can't."""

import json
import pathlib
import shutil
from typing import Any

import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo.serving import load


def test_recommend(retrieval: Any, run: Any, run_json: Any, tmp_path: Any) -> None:
    model = retrieval / "model"
    request = json.dumps({"history": [1, 2], "exclude": [3, 4]})
    rows = run_json("recommend", model, "--request", request, "--k", 6)
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert not {1, 2, 3, 4} & {row["id"] for row in rows}
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
        ('{"history": ["01"]}', "'history': Expected whole numbers"),
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
    ids = ("--candidates", "[1, 2]")
    assert "restrict them by `allow`" in fails("recommend", retrieval, *ask, *ids)
    for text in ("{", "3", '"a"'):
        line = fails("recommend", ranking, *ask, "--candidates", text)
        assert "`--candidates` must be" in line
    assert "is for the answers to many" in fails("recommend", retrieval, *ask, "--output", "a.csv")
    broken = pathlib.Path(shutil.copytree(retrieval / "model", tmp_path / "broken"))
    (broken / "saved_model.pb").write_bytes(b"\x0a\x05")
    assert "saved_model.pb is damaged: export the model again" in fails("recommend", broken, *ask)


def test_the_history_is_left_out_unless_asked_for(retrieval: Any, run_json: Any) -> None:
    ask = ("recommend", retrieval, "--k", 100, "--request", '{"history": ["1", 2, 3]}')
    assert not {1, 2, 3} & {row["id"] for row in run_json(*ask)}
    assert {1, 2, 3} <= {row["id"] for row in run_json(*ask, "--include-history")}
    request = '{"history": [1, 2], "allow": [1, 7, 8, 1000]}'
    rows = run_json("recommend", retrieval, "--request", request)
    assert {row["id"] for row in rows} == {7, 8}


def test_a_ranking_model_ranks_candidates_or_everything(
    ranking: Any, run: Any, run_json: Any, tmp_path: Any
) -> None:
    ask = ("recommend", ranking, "--request", '{"history": [1, 2]}')
    rows = run_json(*ask, "--candidates", '[5, "7", 9, 2]')
    assert sorted(row["id"] for row in rows) == [5, 7, 9]
    assert [row["score"] for row in rows] == sorted((r["score"] for r in rows), reverse=True)
    lists = '{"item_id": [5, 7, 9], "kind": ["k4", "k1", "k3"]}'
    assert run_json(*ask, "--candidates", lists) == rows
    every = run_json(*ask, "--k", 60)
    # All that the model knows: what was chosen in training.
    assert {row["id"] for row in every} <= set(range(1, 51)) - {1, 2} and len(every) > 40
    scores = {row["id"]: row["score"] for row in every}
    assert [scores[row["id"]] for row in rows] == pytest.approx([row["score"] for row in rows])
    assert len(run_json(*ask)) == 10
    # An export made again of the checkpoint carries the same.
    run("export", ranking, "--output", tmp_path / "again")
    assert run_json("recommend", tmp_path / "again", *ask[2:]) == run_json(*ask)


def test_titles(small_log: Any, run: Any, run_json: Any, tmp_path: Any) -> None:
    trained = tfrec_zoo.train("EASE", small_log, tfrec_zoo.Training(verbose=0))
    trained.save(tmp_path / "run", given={"dataset": "small", "data_dir": None})
    ask = ("recommend", tmp_path / "run", "--request", '{"history": ["i1", "i2"]}', "--k", 3)
    for row in run_json(*ask):
        assert row["title"] == f"title {row['id'][1:]}"
    assert run(*ask).split("\n")[0].split() == ["rank", "id", "title", "score"]
    run("export", tmp_path / "run", "--output", tmp_path / "short", "--k", 3)
    assert run_json("recommend", tmp_path / "short", *ask[2:]) == run_json(*ask)


def test_many(retrieval: Any, run: Any, run_json: Any, fails: Any, tmp_path: Any) -> None:
    source, output = tmp_path / "requests.csv", tmp_path / "out" / "answers.csv"
    source.write_text('customer,history\nann,1|2\nbob,"[3, 4]"\ncy,\n')
    many = ("recommend", retrieval, "--requests", source, "--output", output)
    assert run_json(*many, "--k", 2) == {"output": str(output), "requests": 3}
    found = pd.read_csv(output)
    assert found.columns.tolist() == ["row", "customer", "rank", "id", "score"]
    assert found["customer"].tolist() == ["ann", "ann", "bob", "bob", "cy", "cy"]
    assert "answers to 3 requests" in run(*many, "--keep", "customer", "--shard-size", 1)
    assert len(pd.read_csv(output)) == 30
    source.write_text("history\n1|x\n")
    line = fails(*many)
    assert f"{source}, row 0 (the first is 0), column 'history': Expected whole numbers" in line
    assert "which file the answers go to" in fails(*many[:4])
    assert "must end in .parquet" in fails(*many[:5], tmp_path / "a.txt")
    assert "not allowed with argument" in fails(*many, "--request", "{}")
    assert "is for one request" in fails(*many, "--candidates", "[1]")
    assert "one of the arguments" in fails("recommend", retrieval)


def test_all_users(retrieval: Any, ranking: Any, dataset: Any, run_json: Any, fails: Any,
                   tmp_path: Any) -> None:  # fmt: skip
    events = pd.read_parquet(dataset / "interactions.parquet")
    for trained in (retrieval, ranking):
        output = tmp_path / "answers.parquet"
        ask = ("recommend", trained, "--all-users", "--output", output, "--k", 5)
        assert run_json(*ask)["requests"] == events["user_id"].nunique()
        found = pd.read_parquet(output)
        assert found.columns.tolist() == ["row", "user_id", "rank", "id", "score"]
        seen = set(zip(events["user_id"], events["item_id"], strict=True))
        assert not seen & set(zip(found["user_id"], found["id"], strict=True))
        assert (found.groupby("user_id").size() == 5).all()
    line = fails("recommend", retrieval / "model", "--all-users", "--output", output)
    assert "`--dataset` must name the data set whose users are asked for" in line
    elsewhere = ("recommend", retrieval / "model", "--all-users", "--dataset", dataset)
    assert run_json(*elsewhere, "--output", output)["requests"] == events["user_id"].nunique()
