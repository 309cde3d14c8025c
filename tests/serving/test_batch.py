"""Recommendations to many: every format, parts that outlive a kill, errors that say where."""

import functools
import gzip
import json
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo.data import Log
from tfrec_zoo.serving import Served, load
from tfrec_zoo.serving.batch import recommend_all
from tfrec_zoo.serving.request_files import RequestFile
from tfrec_zoo.serving.user_requests import UserRequests
from tfrec_zoo.training import Training

pytestmark = pytest.mark.usefixtures("module_eagerly")

TRAINING = Training(epochs=1, verbose=0)


@pytest.fixture(scope="module")
def exported(small_log: Log, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Returns the folder that a model, by its name, is exported to."""
    arguments: dict[str, Any] = {"EASE": {"l2": 2.0}, "YouTubeRetrieval": {"hidden_units": (8,)}}

    @functools.cache
    def exported(name: str) -> pathlib.Path:
        run = tfrec_zoo.train(name, small_log, TRAINING, **arguments.get(name, {}))
        return run.export(tmp_path_factory.mktemp("batch") / "model")

    return exported


@pytest.fixture(scope="module")
def folder(exported: Any) -> pathlib.Path:
    return exported("EASE")


@pytest.fixture(scope="module")
def served(folder: pathlib.Path) -> Served:
    return load(folder)


@pytest.fixture(scope="module")
def requests() -> pd.DataFrame:
    """Seven requests, one of them with nothing, and a column of each further kind."""
    history = [["i1", "i2"], ["i3"], [], ["i4", "i5", "i6"], ["i7"], ["i8", "?"], ["i9"]]
    return pd.DataFrame(
        {
            "customer": [f"c{i}" for i in range(7)],
            "history": history,
            "exclude": [["i3"], [], [], [], ["i1"], [], []],
            "visits": range(7),
        }
    )


def write(frame: pd.DataFrame, path: pathlib.Path) -> pathlib.Path:
    """A file of requests, bags as each format has them."""
    name = path.name.lower()
    if name.endswith(".parquet"):
        frame.to_parquet(path)
    elif ".csv" in name:
        text = frame.assign(
            history=frame["history"].map("|".join), exclude=frame["exclude"].map(json.dumps)
        )
        text.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path


def read(path: pathlib.Path) -> pd.DataFrame:
    if path.name.endswith(".parquet"):
        return pd.read_parquet(path)
    return pd.read_csv(path) if ".csv" in path.name else pd.read_json(path, lines=True)


NAMES = ("r.parquet", "r.csv", "r.CSV.gz", "r.jsonl", "r.ndjson.gz")


@pytest.mark.parametrize("name", NAMES)
def test_every_format_in_and_out(
    name: str, served: Served, requests: pd.DataFrame, tmp_path: pathlib.Path
) -> None:
    expected = served.recommend(requests[["history", "exclude"]], 3)
    source = RequestFile(write(requests, tmp_path / name))
    for end in (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz"):
        output = tmp_path / f"out{end}"
        assert recommend_all(served, source, output, 3, shard_size=3) == 7
        found = read(output)
        names = ["row", "customer", "visits", "rank", "id", "title", "score"]
        assert found.columns.tolist() == names
        assert found["customer"].tolist() == [f"c{row}" for row in found["row"]]
        assert found["visits"].astype(int).tolist() == found["row"].tolist()
        for column in ("row", "rank", "id", "title"):
            assert found[column].tolist() == expected[column].tolist()
        np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-5)
        assert not output.with_name(f"{output.name}.parts").exists()


def test_options(served: Served, requests: pd.DataFrame, tmp_path: pathlib.Path) -> None:
    source = RequestFile(write(requests, tmp_path / "r.parquet"))
    recommend_all(served, source, tmp_path / "o.csv", 15, keep=["visits"], include_history=True)
    found = read(tmp_path / "o.csv")
    assert found.columns.tolist() == ["row", "visits", "rank", "id", "title", "score"]
    assert {"i1", "i2"} <= set(found.query("row == 0")["id"])
    for k in (0, 101):
        with pytest.raises(ValueError, match=f"`k` must be a whole number.*Received: {k}"):
            recommend_all(served, source, tmp_path / "k.csv", k)


def test_no_requests_at_all(served: Served, requests: pd.DataFrame, tmp_path: pathlib.Path) -> None:
    for name in ("r.parquet", "r.csv"):
        source = RequestFile(write(requests[:0], tmp_path / name))
        for end in (".parquet", ".csv"):
            assert recommend_all(served, source, tmp_path / f"o{end}", 3) == 0
            found = read(tmp_path / f"o{end}")
            assert found.empty and {"row", "rank", "id", "score"} <= set(found)
    (tmp_path / "r.jsonl").write_text("")
    assert recommend_all(served, RequestFile(tmp_path / "r.jsonl"), tmp_path / "o.jsonl", 3) == 0
    assert (tmp_path / "o.jsonl").read_text() == ""


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("r.csv", "history,age\ni1,1\n", None),
        ("r.csv", "histroy,age\ni1,1\n", r"'histroy' is no feature of the model. Is it 'history'"),
        ("r.csv", "customer\nc1\n", r"some of the features .*Received columns: \['customer'\]"),
        ("r.csv", "history,rank\ni1,1\n", r"other names than those of the answers.*\['rank'\]"),
        ("r.csv", 'history\ni1\n"a\n', "r.csv can't be read as requests"),
        ("r.jsonl", '{"history": ["i1"]}\n{"history": [3.5]}\n',
         r"r.jsonl, row 1 \(the first is 0\), column 'history': Expected strings.*Received: 3.5"),
        ("r.jsonl", '{"history": ["i1"]}\n\n{"history": ', "r.jsonl, line 3, is no JSON"),
        ("r.jsonl", "[1]\n", r"r.jsonl, line 1, must be a JSON object. Received: \[1\]"),
        ("r.jsonl", '{"history": {"a": 1}}\n', "r.jsonl, row 0 .*'history': Expected a sequence"),
        ("r.csv", "history,n\ni1,1,2\n", "r.csv can't be read.*more cells than its header"),
        ("r.parquet", "no parquet", "r.parquet can't be read as requests"),
        ("r.jsonl.gz", "no gzip", "r.jsonl.gz can't be read as requests"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    name: str, text: str, message: str | None, served: Served, tmp_path: pathlib.Path
) -> None:
    (tmp_path / name).write_text(text)
    if message is None:
        recommend_all(served, RequestFile(tmp_path / name), tmp_path / "o.csv", 3)
        return
    with pytest.raises((KeyError, TypeError, ValueError), match=message):
        recommend_all(served, RequestFile(tmp_path / name), tmp_path / "o.csv", 3)
    assert not (tmp_path / "o.csv").exists()


def test_names_of_files(served: Served, tmp_path: pathlib.Path) -> None:
    for name in ("r.txt", "r", "r.parquet.gz", "r.gz"):
        with pytest.raises(ValueError, match=f"must end in .parquet, .csv.*Received: .*{name}"):
            RequestFile(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no such file of requests. Received: .*r.csv"):
        RequestFile(tmp_path / "r.csv")


_KILLED = """
import sys
import tfrec_zoo
from tfrec_zoo.serving import load
from tfrec_zoo.serving.batch import recommend_all
from tfrec_zoo.serving.request_files import RequestFile
served = load(sys.argv[1])
recommend_all(served, RequestFile(sys.argv[2]), sys.argv[3], 4, shard_size=2)
"""


@pytest.mark.parametrize("end", [".parquet", ".jsonl.gz"])
def test_killed_in_the_middle(
    end: str, folder: pathlib.Path, served: Served, tmp_path: pathlib.Path, monkeypatch: Any
) -> None:
    rng = np.random.default_rng(0)
    history = [[f"i{i}" for i in rng.choice(15, 3)] for _ in range(400)]
    source = tmp_path / "r.parquet"
    pd.DataFrame({"history": history, "n": range(400)}).to_parquet(source)
    output, parts = tmp_path / f"out{end}", tmp_path / f"out{end}.parts"
    process = subprocess.Popen([sys.executable, "-c", _KILLED, folder, source, output])
    try:
        while process.poll() is None and not (parts / "00000005").exists():
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    assert not output.exists()
    finished = [path for path in parts.iterdir() if path.name.isdigit()]
    assert 5 < len(finished) < 200

    asked = []
    recommend = Served.recommend

    def counted(self: Served, request: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(len(next(iter(request.values()))))
        return recommend(self, request, *args, **kwargs)

    monkeypatch.setattr(Served, "recommend", counted)
    recommend_all(served, RequestFile(source), output, 4, shard_size=2)
    assert len(asked) == 200 - len(finished) and set(asked) == {2}
    whole = tmp_path / f"whole{end}"
    recommend_all(served, RequestFile(source), whole, 4, shard_size=2)
    assert output.read_bytes() == whole.read_bytes()
    assert not parts.exists()


def test_parts_of_another_plan_are_of_no_use(
    served: Served, requests: pd.DataFrame, tmp_path: pathlib.Path
) -> None:
    source = write(requests, tmp_path / "r.jsonl")
    output = tmp_path / "o.jsonl"
    broken = source.read_text().replace('"i9"', "9.5")
    (tmp_path / "broken.jsonl").write_text(broken)
    with pytest.raises(TypeError, match="row 6"):
        recommend_all(served, RequestFile(tmp_path / "broken.jsonl"), output, 3, shard_size=2)
    kept = tmp_path / "o.jsonl.parts"
    assert sorted(path.name for path in kept.iterdir()) == [
        "00000000", "00000001", "00000002", "plan.json"
    ]  # fmt: skip
    (kept / "00000000").write_text("of a broken file")
    recommend_all(served, RequestFile(source), output, 3, shard_size=2)
    assert "broken" not in output.read_text()
    assert len(output.read_text().splitlines()) == 21


def test_candidates_of_each_row(exported: Any, tmp_path: pathlib.Path) -> None:
    served = load(exported("NeuMF"))
    lines = [
        {"user_id": "u1", "candidates": ["i3", "i4", "i5"]},
        {"user_id": "u2", "candidates": ["i6"]},
    ]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, lines)))
    recommend_all(served, RequestFile(tmp_path / "r.jsonl"), tmp_path / "o.csv", keep=["user_id"])
    found = read(tmp_path / "o.csv")
    users = {"user_id": ["u1", "u2"]}
    expected = served.recommend(users, candidates=[["i3", "i4", "i5"], ["i6"]])
    assert found["id"].tolist() == expected["id"].tolist()
    assert found["user_id"].tolist() == ["u1"] * 3 + ["u2"]


@pytest.mark.parametrize("name", ["EASE", "MatrixFactorization", "NeuMF", "YouTubeRetrieval"])
def test_all_users_ask_with_what_the_log_says_of_them(
    name: str, exported: Any, small_log: Log, tmp_path: pathlib.Path
) -> None:
    served = load(exported(name))
    requests = UserRequests(small_log, set(served.accepts))
    output = tmp_path / "o.parquet"
    assert recommend_all(served, requests, output, 5, keep=["user_id"], shard_size=5) == 12
    found = read(output)
    users = small_log.users.set_index("user_id")
    events = small_log.interactions
    for user, mine in found.groupby("user_id"):
        history = events[events["user_id"] == user]["item_id"].tolist()
        assert not set(history) & set(mine["id"])
        request = {"history": [history], "user_id": [user], "country": [users["country"][user]]}
        request = {key: request[key] for key in request if key in served.accepts}
        expected = served.recommend(request, 5)
        assert mine["id"].tolist() == expected["id"].tolist()
        np.testing.assert_allclose(mine["score"], expected["score"], rtol=1e-4, atol=1e-6)
    assert found["user_id"].nunique() == 12


def test_requests_of_users_at_the_end_of_a_log(simulated_log: Log) -> None:
    keys = {"history", "history_age", "history_channel", "search_tokens", "recent_impressions"}
    log = simulated_log
    requests = UserRequests(log, keys | {"country"})
    frame = pd.concat(list(requests.shards(7)), ignore_index=True)
    assert set(frame) == keys | {"country", "user_id"} and len(frame) == len(log.users)
    end = log.interactions["time"].max()
    channels = log.items.set_index("video_id")["channel"]
    for row in (0, 11, 59):
        user = log.users["user_id"][row]
        mine = log.interactions[log.interactions["user_id"] == user]
        assert frame["history"][row].tolist() == mine["video_id"].tolist()
        assert frame["history_age"][row].tolist() == (end - mine["time"]).tolist()
        expected = channels[mine["video_id"]].tolist()
        assert frame["history_channel"][row].tolist() == expected
        shown = log.impressions[log.impressions["user_id"] == user]["video_id"].tolist()[-50:]
        assert frame["recent_impressions"][row].tolist() == shown
        assert frame["country"][row] == log.users["country"][row]
        words = log.searches[log.searches["user_id"] == user]["query"].tolist()
        tokens = frame["search_tokens"][row].tolist()
        if words:
            assert tokens[-1] == " ".join(words[-1].lower().split()[-2:])
        assert bool(words) == bool(tokens)


def test_a_gzip_file_has_no_time_in_it(
    served: Served, requests: pd.DataFrame, tmp_path: pathlib.Path
) -> None:
    source = RequestFile(write(requests, tmp_path / "r.jsonl"))
    recommend_all(served, source, tmp_path / "a.csv.gz", 2, shard_size=2)
    recommend_all(served, source, tmp_path / "a.csv", 2, shard_size=3)
    assert (
        gzip.decompress((tmp_path / "a.csv.gz").read_bytes()) == (tmp_path / "a.csv").read_bytes()
    )
