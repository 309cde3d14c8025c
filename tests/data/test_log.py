"""A log is sorted and checked, with errors that say what was wrong."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_logs import frame, watches

from tfrec_zoo.data import Log, Roles


def test_events_are_sorted_by_user_then_time_and_ties_stay_in_order() -> None:
    events = frame(
        user_id=["b", "a", "a", "b", "a", "a"],
        item_id=["p", "q", "r", "s", "t", "u"],
        time=[5, 7, 1, 5, 7, 1],
    )
    log = Log(
        "mine",
        interactions=events,
        impressions=events.assign(clicked=[0, 1, 0, 1, 0, 1]),
        searches=frame(user_id=["b", "a"], time=[1, 2], query=["late", "early"]),
    )
    assert log.interactions.item_id.tolist() == ["r", "u", "q", "t", "p", "s"]
    assert log.interactions.index.tolist() == [0, 1, 2, 3, 4, 5]
    assert log.impressions is not None and log.searches is not None
    assert log.impressions.clicked.tolist() == [0, 1, 1, 0, 0, 1]
    assert log.searches["query"].tolist() == ["early", "late"]
    # What was given is not touched.
    assert events.item_id.tolist() == ["p", "q", "r", "s", "t", "u"]


def test_integer_ids_sort_as_numbers() -> None:
    log = Log("mine", watches(user_id=[10, 9, 9], item_id=[2, 1, 3]))
    assert log.interactions.user_id.tolist() == [9, 9, 10]
    assert log.interactions.item_id.tolist() == [3, 1, 2]


def test_users_and_items_are_made_of_all_events() -> None:
    log = Log(
        "mine",
        watches(),
        impressions=frame(user_id=["c"], item_id=["z"], time=[0], clicked=[0]),
        searches=frame(user_id=["0"], time=[0], query=["q"]),
    )
    assert log.users.user_id.tolist() == ["0", "a", "b", "c"]
    assert log.items.item_id.tolist() == ["x", "y", "z"]


def test_columns_of_the_same_name_in_other_tables_are_not_ids_of_events() -> None:
    items = frame(item_id=["x", "y"], user_id=["uploader", None])
    users = frame(user_id=["a", "b"], item_id=[1, 2])
    log = Log("mine", watches(), users=users, items=items)
    assert log.items.user_id.tolist()[0] == "uploader"
    assert Log("mine", watches(), items=items).users.user_id.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ({"users": frame(name=["a", "b"])}, "`users` must have a column 'user_id'"),
        ({"items": frame(id=["x", "y"])}, "`items` must have a column 'item_id'"),
        ({"impressions": watches()}, "`impressions` must have a column 'clicked'"),
        ({"searches": frame(user_id=["a"], time=[1])}, "`searches` must have a column 'query'"),
        ({"interactions": watches(user_id=["a", None, "b"])}, "'user_id' .* 1 of 3 missing"),
        ({"interactions": watches(item_id=["x", "", "y"])}, "'item_id' .* 1 of 3 missing"),
        ({"interactions": watches(time=[1, np.nan, 2])}, "'time' .* 1 of 3 missing"),
        ({"users": frame(user_id=["a", "b", "a"])}, "`users` .* one row per id. Twice: 'a'"),
        ({"items": frame(item_id=["x", "y", "y"])}, "`items` .* one row per id. Twice: 'y'"),
        ({"users": frame(user_id=["a"])}, "`users` must have a row for every user.*: 'b'"),
        (
            {"impressions": frame(user_id=["e"], item_id=["x"], time=[1], clicked=[1]),
             "users": frame(user_id=["a", "b"])},
            "for every user of `impressions`.*: 'e'",
        ),
        ({"users": frame(user_id=[1, 2])}, "'user_id' must have one type everywhere"),
        ({"items": frame(item_id=[1, 2])}, "'item_id' must have one type everywhere"),
        ({"interactions": watches(item_id=[1.0, 2.0, 3.5])}, "1 of 3 no whole number: .3.5.,"),
        ({"interactions": watches(item_id=[1, "x", 2])}, "strings or whole numbers, not both"),
        ({"interactions": watches(time=[1, np.inf, 2])}, "'time' .* 1 of 3 that .* .inf.,"),
        ({"interactions": watches(time=[True, False, True])}, "'time' .*3 of 3.* in row 0, 1, 2"),
        ({"interactions": watches(time=["2020-01-01", "soon", ""])}, "'time' .* 1 of 3 missing"),
        ({"interactions": watches(time=["2020-01-01", "soon", "x"])}, "'time' .*'soon', 'x'"),
        ({"interactions": watches(time=[[1], [2], [3]])}, "'time' .* must hold finite times"),
        ({"interactions": watches(), "time_unit": "h"}, "`time_unit` must be one of .*'h'"),
        (
            {"interactions": watches(when=[1, 2, 3]).drop(columns="time"),
             "roles": Roles(time="at")},
            "`interactions` must have a column 'at'",
        ),
        ({"impressions": watches(clicked=[-1, 1, 1])}, "'clicked' .* 0 or 1 .*-1.*row 0"),
        ({"impressions": watches(clicked=[0, 5, 1])}, "'clicked' .* 0 or 1 .*5.*row 1"),
        ({"impressions": watches(clicked=["yes", "no", 1])}, "'clicked' .* 0 or 1 .*'yes'"),
        ({"interactions": watches(weight=[1, np.nan, 2])}, "'weight' .* from 0 up.*nan.*row 1"),
        ({"interactions": watches(weight=[1, 2, -2])}, "'weight' .* from 0 up.*-2.*row 2"),
        ({"interactions": watches(weight=[np.inf, 2, 2])}, "'weight' .* from 0 up.*inf.*row 0"),
        ({"interactions": watches(weight=["much", 2, 2])}, "'weight' .* from 0 up.*row 0"),
        (
            {"impressions": watches(clicked=[1, 0, 1], weight=[1, np.nan, np.nan])},
            "'weight' .* from 0 up.* 1 of 3 .*row 2",
        ),
        ({"interactions": watches(item_id=["x", "y\nz", "x"])}, "'item_id' .* more than one line"),
        ({"interactions": watches(item_id=[b"x", b"\xff", b"x"])}, "'item_id' .* not UTF-8"),
        ({"interactions": watches(item_id=[True, False, True])}, "'item_id' .* boolean"),
        ({"interactions": watches(item_id=[["x"], ["y"], ["x"]])}, "'item_id' .* mixed"),
        (
            {"items": pd.DataFrame([["x", 1, 2]], columns=["item_id", "n", "n"])},
            "`items` must have columns of different names.*'n'",
        ),
        ({"items": frame(item_id=["x", "y"], **{" ": [5, 7]})}, "`items` must .* a name.*column 1"),
        (
            {"users": frame(user_id=["a", "b"], since=[{"x": 1}, None])},
            "'since' of `users` must hold strings, numbers, or lists .*Received mixed: .{'x': 1}",
        ),
        ({"users": frame(user_id=["a", "b"], code=[b"\xff", b"b"])}, "'code' of `users`.*bytes"),
        ({"users": frame(user_id=["a", "b"], code=["x", 1])}, "'code' of `users`.*'x', 1"),
        ({"interactions": None}, "`interactions` must be a pandas.DataFrame"),
        ({"interactions": {"user_id": ["a"]}}, "must be a pandas.DataFrame. .*dict"),
    ],
)  # fmt: skip
def test_errors_name_the_frame_and_what_was_received(frames: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Log("mine", **{"interactions": watches(), **frames})


def test_times_of_every_kind_become_seconds() -> None:
    seconds = [86_400, 10, 3_610]
    dates = pd.to_datetime(["1970-01-02 00:00:00", "1970-01-01 00:00:10", "1970-01-01 01:00:10"])
    for given in (
        dates,
        dates.tz_localize("UTC").tz_convert("Asia/Tokyo"),
        dates.strftime("%Y-%m-%d %H:%M:%S"),
        ["1970-01-02", "1970-01-01T01:00:10+01:00", "1970-01-01T01:00:10Z"],
    ):
        log = Log("mine", watches(time=given), impressions=watches(time=given, clicked=1))
        assert log.impressions is not None
        for events in (log.interactions, log.impressions):
            assert events.time.tolist() == [*sorted(seconds[1:]), seconds[0]]


def test_units_of_time_are_recognized_by_magnitude_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seconds = np.array([1_650_000_000, 1_650_086_400, 1_650_172_800])
    for unit, factor in (("milli", 10**3), ("micro", 10**6), ("nano", 10**9)):
        caplog.clear()
        log = Log("mine", watches(user_id=["a"] * 3, time=seconds * factor))
        assert log.interactions.time.tolist() == seconds.tolist()
        assert f"times in 'time' are {unit}seconds" in caplog.text
    caplog.clear()
    assert Log("m", watches(time=seconds)).interactions.time.dtype == np.int64
    assert Log("m", watches(time=[20220425, 20220426, 20220427])).interactions.time.max() == (
        1_651_017_600
    )
    log = Log("m", watches(time=[1, 3000, 2000]), time_unit="ms")
    assert log.interactions.time.tolist() == [2.0, 3.0, 0.001]
    # The times of a changed log are not converted once more.
    assert dataclasses.replace(log, name="n").interactions.time.tolist() == [2.0, 3.0, 0.001]


def test_the_time_of_an_upload_may_be_missing_or_a_date() -> None:
    items = frame(item_id=["x", "y"], upload_time=["1970-01-02", None])
    log = Log("mine", watches(), items=items)
    assert log.items.upload_time[0] == 86_400 and np.isnan(log.items.upload_time[1])
    assert Log("m", watches(), users=frame(user_id=["a", "b"], born=pd.to_datetime(
        ["1970-01-02", None]))).users.born[0] == 86_400  # fmt: skip


def test_a_log_without_times_is_in_no_order(caplog: pytest.LogCaptureFixture) -> None:
    log = Log("mine", watches().drop(columns="time"))
    assert not log.has_times and log.interactions.item_id.tolist() == ["y", "x", "x"]
    assert "mine: no column 'time': the order of events is unknown" in caplog.text
    with pytest.raises(ValueError, match="A split by time needs the order of events.*'user_id'"):
        log.require_times("A split by time")
    caplog.clear()
    assert not Log("mine", watches(), roles=Roles(time="")).has_times
    assert not caplog.text


@pytest.mark.parametrize(
    ("ids", "kept"),
    [
        ([1.0, 2.0, 1.0], [1, 2, 1]),
        (np.array([2**63 + 5, 1, 1], np.uint64), ["9223372036854775813", "1", "1"]),
        ([10**20, 5, 5], ["100000000000000000000", "5", "5"]),
        ([-7, 3, 3], ["-7", "3", "3"]),
        ([b"x", b"y", b"y"], ["x", "y", "y"]),
        (pd.array([1, 2, 2], "Float64"), [1, 2, 2]),
        (["1E5", "100000", "NA"], ["1E5", "100000", "NA"]),
    ],
)
def test_ids_of_every_kind(ids: Any, kept: list[Any]) -> None:
    log = Log("mine", watches(user_id=["a"] * 3, item_id=ids, time=[1, 2, 3]))
    assert log.interactions.item_id.tolist() == kept
    assert log.items.item_id.tolist() == sorted(set(kept))
    assert log.items.item_id[log.item_codes].tolist() == kept


def test_numbers_too_large_in_one_frame_are_text_in_all() -> None:
    log = Log("mine", watches(item_id=[5, -1, -1]), items=frame(item_id=[5, -1]))
    assert log.interactions.item_id.tolist() == log.items.item_id[[1, 1, 0]].tolist()
    assert log.items.item_id.tolist() == ["5", "-1"] and log.item_codes.tolist() == [1, 1, 0]


def test_columns_without_a_name_or_a_value(caplog: pytest.LogCaptureFixture) -> None:
    users = frame(
        user_id=["a", "b"], job=["", None], **{"Unnamed: 0": [0, 1], "level": [np.inf, np.nan]}
    )
    log = Log(
        "mine", watches(), users=users, items=pd.DataFrame({"item_id": ["x", "y"], 0: [5, 6]})
    )
    assert log.users.columns.tolist() == ["user_id"]
    assert log.items.columns.tolist() == ["item_id", "0"]
    assert "users: left out ['job', 'level'], which hold no value" in caplog.text


def test_repeated_events_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    events = frame(user_id=list("aaaab"), item_id=list("xyxxx"), time=[1, 1, 1, 2, 1])
    with caplog.at_level("INFO"):
        Log("mine", events)
    assert "1 of 5 interactions repeat another" in caplog.text


def test_roles_name_the_columns() -> None:
    roles = Roles(user="who", item="what", time="when")
    events = frame(who=["a", "a"], what=["x", "y"], when=[2, 1])
    log = Log("mine", events, roles=roles)
    assert log.interactions.what.tolist() == ["y", "x"]
    assert log.users.columns.tolist() == ["who"] and log.items.columns.tolist() == ["what"]
    with pytest.raises(ValueError, match="(?s)'user_id'.*named in `roles`.*'who'"):
        Log("mine", events)


@pytest.mark.parametrize(
    "dtype", ["str", "object", "category", "string", pytest.param("string[pyarrow]")]
)
def test_text_ids_of_every_pandas_type(dtype: str) -> None:
    log = Log("mine", watches().astype({"user_id": dtype, "item_id": dtype}))
    assert log.interactions.user_id.tolist() == ["a", "a", "b"]
    assert log.interactions.item_id.tolist() == ["x", "y", "x"]
    assert log.interactions.item_id.to_numpy().dtype == object
    assert log.users.user_id.tolist() == ["a", "b"]


@pytest.mark.parametrize("dtype", ["int32", "uint8", "Int64", "int64[pyarrow]", "category", object])
def test_whole_number_ids_of_every_pandas_type_become_int64(dtype: Any) -> None:
    events = watches(user_id=[2, 1, 1], item_id=[7, 8, 7]).astype(
        {"user_id": dtype, "item_id": dtype}
    )
    log = Log("mine", events)
    assert log.interactions.item_id.tolist() == [7, 8, 7]
    for ids in (log.interactions.user_id, log.interactions.item_id, log.items.item_id):
        assert ids.dtype == np.int64


def test_categorical_attributes_become_plain_and_keep_what_is_missing() -> None:
    users = frame(
        user_id=["a", "b"],
        country=pd.Categorical([None, "DE"]),
        level=pd.Categorical([3, 1]),
        share=pd.Categorical([0.5, None]),
    )
    log = Log("mine", watches(), users=users)
    assert log.users.country.isna().tolist() == [True, False] and log.users.country[1] == "DE"
    assert log.users.level.tolist() == [3, 1] and log.users.level.dtype == np.int64
    assert log.users.share[0] == 0.5 and np.isnan(log.users.share[1])


def test_an_empty_log_is_a_log() -> None:
    log = Log("none", watches().head(0))
    assert (len(log.interactions), len(log.users), len(log.items)) == (0, 0, 0)


def test_checksum_does_not_depend_on_the_order_given() -> None:
    users = frame(user_id=["a", "b"], age=[1.0, np.nan])
    items = frame(item_id=["x", "y"], genres=[["p", "q"], []])
    first = Log("mine", watches(), users=users, items=items)
    second = Log("mine", watches()[::-1], users=users[::-1], items=items[::-1])
    assert first.checksum == second.checksum
    assert len(first.checksum) == 64


@pytest.mark.parametrize(
    "frames",
    [
        {"interactions": watches(time=[1.0, 3.0, 2.5])},
        {"interactions": watches(item_id=["x", "x", "y"])},
        {"interactions": watches(weight=[1, 1, 1])},
        {"interactions": watches().rename(columns={"item_id": "i"}), "roles": Roles(item="i"),
         "items": frame(i=["x", "y"])},
        {"users": frame(user_id=["a", "b"], age=[2, 2])},
        {"items": frame(item_id=["x", "y"], genres=[["p,q"], None])},
        {"items": frame(item_id=["x", "y"], genres=[["p", "r"], None])},
        {"searches": frame(user_id=["a"], time=[1], query=["q"])},
    ],
)  # fmt: skip
def test_checksum_changes_with_the_content(frames: Any) -> None:
    given = {
        "interactions": watches(),
        "users": frame(user_id=["a", "b"], age=[1, 2]),
        "items": frame(item_id=["x", "y"], genres=[["p", "q"], None]),
    }
    assert Log("mine", **given).checksum != Log("mine", **{**given, **frames}).checksum


def test_checksum_tells_a_list_from_its_text() -> None:
    texts = (["p|q"], ["p", "q"], "p|q")
    logs = [Log("m", watches(), items=frame(item_id=["x", "y"], g=[t, ["r"]])) for t in texts]
    assert len({log.checksum for log in logs}) == 3
