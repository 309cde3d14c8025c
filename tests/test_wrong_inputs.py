"""Wrong frames and wrong invocations: one clear line that says what came, and no silent NaN."""

import contextlib
import io
import json
import pathlib
import shutil
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfrec_zoo import tasks
from tfrec_zoo.cli import main
from tfrec_zoo.data import Log
from tfrec_zoo.models import DeepFM, MatrixFactorization, YouTubeRanking, YouTubeRetrieval

_SETTINGS = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def frames() -> dict[str, pd.DataFrame]:
    """A small log with every frame: six users, five items."""
    n = np.arange(36)
    events = pd.DataFrame(
        {"user_id": [f"u{i % 6}" for i in n], "item_id": [f"i{i * 7 % 5}" for i in n], "time": n}
    )
    return {
        "interactions": events.assign(weight=1.0 + n % 4),
        "impressions": events.assign(clicked=n % 2, weight=n % 2 * 2.0, page_id=n // 3),
        "searches": pd.DataFrame({"user_id": ["u0", "u1"], "time": [3, 4], "query": ["a b", "c"]}),
        "users": pd.DataFrame(
            {"user_id": [f"u{i}" for i in range(6)], "job": list("aabbcc"), "age": range(20, 26)}
        ),
        "items": pd.DataFrame(
            {
                "item_id": [f"i{i}" for i in range(5)],
                "kind": list("xxyyx"),
                "tags": [["p"], ["p", "q"], [], ["q"], ["p"]],
                "price": [1.0, 2.0, 4.0, 8.0, 16.0],
                "upload_time": range(5),
            }
        ),
    }


#: Values that make a column wrong, or odd.
_VALUES = st.sampled_from(
    [
        *(None, "", " ", "NA", "x\ny", "0", "007", 0, 1, -1, 5, 2**24 + 1, 2**63, 10**21, 1e308),
        *(0.5, float("nan"), float("inf"), -float("inf"), True, b"b", b"\xff", ["p"], [], [1, "p"]),
        *({"a": 1}, (1, 2), pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-01", tz="UTC")),
        *(pd.NaT, pd.NA, np.int64(3), np.float32(2), "2020-01-01", "2020-01-01T00:00:00+02:00"),
    ]
)
_NAMES = st.sampled_from(
    [
        *("history", "time", "item_id", "user_id", "country", "release year", "class", "größe"),
        *("Unnamed: 0", "a/b", "example_age", "exclude", "history_kind", "0", "", " ", 7),
    ]
)
_CHANGES = ("cell", "column", "drop", "rename", "add", "rows", "repeat")


@st.composite
def odd_frames(draw: Any) -> dict[str, Any]:
    """Frames of a log of which one to three columns are odd, missing, renamed or added."""
    made: dict[str, Any] = frames()
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(made)))
        frame = made[name]
        column = draw(st.sampled_from(list(frame.columns)))
        change = draw(st.sampled_from(_CHANGES))
        if not frame.columns.is_unique and change in ("cell", "column"):
            continue
        if change == "cell" and len(frame):
            values = frame[column].astype(object).tolist()
            for row in draw(st.lists(st.integers(0, len(frame) - 1), min_size=1, max_size=3)):
                values[row] = draw(_VALUES)
            made[name] = frame.assign(**{str(column): pd.Series(values, frame.index, dtype=object)})
        elif change == "column":
            values = [draw(_VALUES)] * len(frame)
            made[name] = frame.assign(**{str(column): pd.Series(values, frame.index, dtype=object)})
        elif change == "drop":
            made[name] = frame.drop(columns=column)
        elif change == "rename":
            made[name] = frame.rename(columns={column: draw(_NAMES)})
        elif change == "add":
            values = pd.Series([draw(_VALUES)] * len(frame), frame.index, dtype=object)
            made[name] = pd.concat([frame, values.rename(draw(_NAMES))], axis=1)
        elif change == "rows":
            made[name] = frame.head(draw(st.integers(0, 2)))
        else:
            made[name] = pd.concat([frame, frame.head(1)])
        if not len(made[name].columns):
            del made[name]
            break
    return made


def assert_is_clear(error: BaseException) -> None:
    """An error of the package's own: it says what was wrong, and what came."""
    message = str(error)
    assert isinstance(error, ValueError | TypeError | KeyError), repr(error)
    assert any(word in message for word in ("Received", "Twice", "twice")), repr(error)


@_SETTINGS
@given(odd_frames())
def test_odd_frames_make_examples_or_a_clear_error(made: dict[str, Any]) -> None:
    try:
        log = Log("odd", **{"interactions": None, **made})
    except (ValueError, TypeError, KeyError) as error:
        assert_is_clear(error)
        return
    assert log.checksum
    for task, model in (
        (tasks.NextWatch, YouTubeRetrieval),
        (tasks.Choice, MatrixFactorization),
        (tasks.Clicks, DeepFM),
        (tasks.WatchTime, YouTubeRanking),
    ):
        try:
            examples = task(log).examples(model)
            features = examples.fit_features()
        except (ValueError, TypeError, KeyError) as error:
            assert_is_clear(error)
            continue
        for values in features.statistics.values():
            assert np.isfinite(values).all()
        if examples.train.label.dtype.kind == "f":
            assert np.isfinite(examples.train.label).all()
        batch = next(iter(examples.train.dataset(8, negatives=examples.negatives)))
        assert set(features.spec.raw) <= set(batch[0])


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files to be wrong about: a log, a file that is none, a folder of something else."""
    folder = tmp_path_factory.mktemp("own")
    events = frames()["interactions"]
    events.to_csv(folder / "log.csv", index=False)
    events.drop(columns="time").to_csv(folder / "untimed.csv", index=False)
    (folder / "broken.csv").write_text("user_id,item_id\na\nb,c,d\n")
    (folder / "empty.csv").write_text("")
    (folder / "table.xlsx").write_bytes(b"PK")
    (folder / "spec.json").write_text("{}")
    (folder / "other").mkdir()
    (folder / "other" / "file").write_text("")
    return {"": str(folder), **{path.name: str(path) for path in folder.iterdir()}}


_WRONG: dict[str, tuple[str, ...]] = {
    "model": ("", "Foo", "ease", "NeuMF2", "YouTubeRanking", "🙂"),
    "--dataset": ("", "nope", "movielens/13b", "@broken.csv", "@empty.csv", "@table.xlsx",
                  "@other", "@untimed.csv", "/dev/null"),
    "--epochs": ("0", "-1", "x", "1.5", "nan", "1e400"),
    "--batch-size": ("0", "-8", "many", "2.5"),
    "--learning-rate": ("nan", "inf", "-1", "0", "fast"),
    "--optimizer": ("adamm", "ftrl+", "+", "ftrl+adagrad+sgd"),
    "--seed": ("-1", "x", "99999999999", "1.5"),
    "--set": ("l2=-1", "l2=nan", "l2=big", "foo=1", "l2", "=3", "l2=None", "max_neighbors=0",
              "max_neighbors=1.5", "l2=True", "features=1", "name=3"),
    "--task": ("foo", "watch-time", "ratings", "clicks"),
    "--task-set": ("split=foo", "negatives=0", "negatives=x", "seed=x", "split=3", "bags=0",
                   "bags=()", "patience=0", "held_out=train", "spec=@spec.json", "spec=nope.json",
                   "examples_per_user=0", "min_watch_share=2", "log=1", "monitor=3"),
    "--training": ("clipping=-1", "clipping=nan", "warmup=2", "epochs=x", "grid=5", "foo=1",
                   "grid={'l2':()}", "verbose=loud", "plateau=-1", "averaging=1",
                   "averaging=most", "pretraining={'epochs':0}",
                   "pretraining=3", "wide=3", "patience=0", "decay=3"),
    "--user": ("nope", "", "time"),
    "--item": ("nope", "user_id"),
    "--time": ("nope", "user_id"),
    "--weight": ("item_id", "nope"),
    "--bad-rows": ("drop",),
    "--time-unit": ("h",),
    "--encoding": ("klingon", "utf-16"),
    "--separator": ("::", ";"),
    "--users": ("nope.csv", "@empty.csv", "@log.csv"),
    "--preset": ("nope", "ratings/MF"),
    "--output": ("@log.csv",),
    "--nonsense": ("1",),
}  # fmt: skip


@_SETTINGS
@given(
    st.lists(
        st.sampled_from([(flag, value) for flag, values in _WRONG.items() for value in values]),
        min_size=1,
        max_size=3,
        unique_by=lambda pair: pair[0],
    )
)
def test_wrong_invocations_are_one_clear_line(
    own: dict[str, str], wrong: list[tuple[str, str]]
) -> None:
    given_: dict[str, str] = {
        "model": "EASE",
        "--dataset": "@log.csv",
        "--output": "@/out",
        **dict(wrong),
    }
    arguments = ["train"]
    for flag, value in given_.items():
        head, at, name = value.partition("@")
        value = head + (own[""] + name if name.startswith("/") else own[name]) if at else value
        arguments += [value] if flag == "model" else [flag, value]
    shutil.rmtree(pathlib.Path(own[""]) / "out", ignore_errors=True)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: Any = main([*arguments, "--json"])
        except SystemExit as exit_:
            code = exit_.code
    if code == 0:
        # What looked wrong was right, such as an option that makes no difference to the model.
        json.loads(out.getvalue(), parse_constant=pytest.fail)
        return
    assert (code, out.getvalue()) == (2, "")
    [line] = err.getvalue().splitlines()
    assert "Traceback" not in line
    values = [value.partition("@")[2] or value for _, value in wrong]
    parts = [part for value in values for part in value.split("=") if part]
    assert "Received" in line or "Twice" in line or any(part in line for part in parts), line
    assert not (pathlib.Path(own[""]) / "out" / "result.json").exists()
