"""Files are read as they are: ids as they are written, separators and encodings found."""

import gzip
import logging
import pathlib
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Log, Roles, read_frame


def write(folder: pathlib.Path, name: str, content: str | bytes) -> pathlib.Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_ids_are_text_as_they_are_written(tmp_path: pathlib.Path) -> None:
    text = "user_id,item_id,time\n007,0108775015,1\n7,NA,2\n07,null,3\n1E5,nan,4\n100000,None,5\n"
    log = Log.read(write(tmp_path, "w.csv", text))
    by_time = log.interactions.sort_values("time")
    assert by_time.user_id.tolist() == ["007", "7", "07", "1E5", "100000"]
    assert by_time.item_id.tolist() == ["0108775015", "NA", "null", "nan", "None"]


@pytest.mark.parametrize("quoted", [False, True])
def test_an_empty_cell_is_missing(tmp_path: pathlib.Path, quoted: bool) -> None:
    empty = '""' if quoted else ""
    path = write(tmp_path, "w.csv", f"user_id,item_id,time\na,x,1\n{empty},y,2\n")
    with pytest.raises(ValueError, match="'user_id' of `interactions`.* 1 of 2 missing.* in row 1"):
        Log.read(path)
    assert Log.read(path, bad_rows="skip").interactions.user_id.tolist() == ["a"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.csv", "customer;sku;bought at\na;x;2\nb;é;1\n"),
        ("w.CSV", "customer;sku;bought at\na;x;2\nb;é;1\n".encode("latin-1")),
        ("w.tsv", "customer\tsku\tbought at\r\na\tx\t2\r\nb\té\t1\r\n"),
        ("w.txt", "customer|sku|bought at\na|x|2\nb|é|1"),
        # As Excel is told, in UTF-8 with a byte order mark.
        ("w.csv", "\ufeffsep=;\r\ncustomer;sku;bought at\r\na;x;2\r\nb;é;1\r\n"),
        ("w.csv", '"sep=\t"\ncustomer\tsku\tbought at\na\tx\t2\nb\té\t1\n'),
        ("w.csv.gz", gzip.compress("\ufeffcustomer,sku,bought at\na,x,2\nb,é,1\n".encode())),
        ("w.Csv", " customer , sku,bought at \na,x,2\n\nb,é,1\n"),
        ("w.tab", "customer\tsku\tbought at\na\tx\t2\nb\té\t1\n".encode("utf-16")),
        ("w.jsonl", '{"customer":"a","sku":"x","bought at":2}\n'
                    '{"customer":"b","sku":"é","bought at":1}\n'),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("w.") else "",
)  # fmt: skip
def test_separator_encoding_and_kind_are_found(
    tmp_path: pathlib.Path, name: str, content: str | bytes
) -> None:
    path = write(tmp_path, name, content)
    log = Log.read(path, user="customer", item="sku", time="bought at")
    assert log.name == "w"
    assert log.interactions.values.tolist() == [["a", "x", 2], ["b", "é", 1]]


def test_what_was_found_is_said(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        read_frame(write(tmp_path, "w.csv", "user_id;n\né;1\n".encode("latin-1")))
    assert caplog.messages == ["w.csv: separated by semicolon", "w.csv: in latin-1"]


def test_separator_encoding_and_names_are_given(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "w.dat", "a~x~5\nb~€~3\n".encode("iso8859-15"))
    names = ["user_id", "item_id", "stars"]
    frame = read_frame(path, separator="~", encoding="iso8859-15", names=names)
    assert frame.columns.tolist() == names
    assert frame.values.tolist() == [["a", "x", 5], ["b", "€", 3]]
    for wrong, message in (
        ({"separator": "::"}, "`separator` must be one character. Received: '::'"),
        ({"separator": "~", "names": ["a"]}, "for each of the 3 columns. Received: .'a'"),
        ({"encoding": "utf-8"}, "damaged or no csv file"),
    ):
        with pytest.raises(ValueError, match=message):
            read_frame(path, **wrong)


def test_rows_are_numbered_behind_the_line_that_tells_the_separator(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "w.csv", "sep=|\na|x\nb|y|z\n")
    frame = read_frame(path, names=["user_id", "item_id"], bad_rows="skip")
    assert frame.values.tolist() == [["a", "x"]]
    with pytest.raises(ValueError, match=r"1 rows .* no 2 cells: row 3 .*'b\|y\|z'"):
        read_frame(path, names=["user_id", "item_id"])
    # A column may have the name, where it is not alone.
    text = "sep=;,n\na,1\n"
    assert read_frame(write(tmp_path, "n.csv", text)).columns.tolist() == ["sep=;", "n"]


@pytest.mark.parametrize("text", ["", "\ufeff", "\n\n", "  \r\n", "sep=;", "sep=;\n \n"])
def test_a_file_of_nothing_is_empty(tmp_path: pathlib.Path, text: str) -> None:
    with pytest.raises(ValueError, match="w.csv is damaged or no csv file: the file is empty"):
        read_frame(write(tmp_path, "w.csv", text))


@pytest.mark.parametrize("begin", ["\n", "\r\n\n", "  \n", "sep=,\n\n"])
def test_lines_before_the_header_are_no_rows(tmp_path: pathlib.Path, begin: str) -> None:
    path = write(tmp_path, "w.csv", begin + 'user_id,"about\nit"\na,x\n')
    assert read_frame(path).to_dict("list") == {"user_id": ["a"], "about\nit": ["x"]}
    path = write(tmp_path, "w.csv", begin + "user_id,n\n\n")
    assert read_frame(path).to_dict("list") == {"user_id": [], "n": []}


@pytest.mark.parametrize("text", ["25,49,4,1600000000\n", "1,1,4,1600000000\n", "u7,i9, 4.5\n"])
def test_a_file_without_a_header_is_told_of(tmp_path: pathlib.Path, text: str) -> None:
    path = write(tmp_path, "w.csv", text * 2)
    with pytest.raises(ValueError, match=r"whose first line is data, give the `names` \(--names"):
        Log.read(path)


def test_a_quoted_cell_holds_what_it_will(tmp_path: pathlib.Path) -> None:
    text = 'item_id,about\nx,"two\nlines, one ""word"""\ny,"a;b"\n'
    frame = read_frame(write(tmp_path, "items.csv", text))
    assert frame.about.tolist() == ['two\nlines, one "word"', "a;b"]
    # Files that are separated by tabs seldom quote, and names hold quotes.
    text = 'item_id\tname\nx\t"Weird Al" Yankovic\ny\t"\nz\tO\'Jays\n'
    frame = read_frame(write(tmp_path, "items.tsv", text))
    assert frame.name.tolist() == ['"Weird Al" Yankovic', '"', "O'Jays"]


def test_rows_that_do_not_fit_are_numbered_or_left_out(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, "w.csv", 'user_id,item_id\na,x\nb\nc,y,1\nd,"z\ne,w,2\nf,v\n')
    with pytest.raises(
        ValueError, match=r"3 rows \(5 lines\) that are no 2 cells: row 3, 4, 5 .*'b'"
    ):
        read_frame(path)
    assert read_frame(path, bad_rows="skip").values.tolist() == [["a", "x"]]
    assert "w.csv: left out 3 rows (5 lines)" in caplog.text
    with pytest.raises(ValueError, match='`bad_rows` must be "error" or "skip". Received: .drop'):
        Log.read(path, bad_rows="drop")  # type: ignore[arg-type]


def test_columns_are_numbers_where_all_of_their_cells_are(tmp_path: pathlib.Path) -> None:
    header = "whole,real,gaps,words,code,large,big,flag,text,zeros"
    rows = ["1,1.5,,NA,02134,9007199254740993,123456789012345678901,true,1,0",
            "-2,1e3,3,7,10115,5,6,FALSE,x,00"]  # fmt: skip
    frame = read_frame(write(tmp_path, "items.csv", "\n".join([header, *rows])))
    assert frame.whole.tolist() == [1, -2] and frame.whole.dtype == np.int64
    assert frame.real.tolist() == [1.5, 1000.0]
    assert frame.gaps.isna().tolist() == [True, False] and frame.gaps[1] == 3
    assert frame.words.isna().tolist() == [True, False] and frame.words[1] == 7
    assert frame.code.tolist() == ["02134", "10115"]
    assert frame.large.tolist() == [9_007_199_254_740_993, 5]
    assert frame.big.tolist() == ["123456789012345678901", "6"]
    assert frame.flag.tolist() == [True, False]
    assert frame.text.tolist() == ["1", "x"] and frame.zeros.tolist() == ["0", "00"]


def test_large_whole_numbers_with_gaps_keep_their_digits(tmp_path: pathlib.Path) -> None:
    frame = read_frame(write(tmp_path, "items.csv", "item_id,n\nx,9007199254740993\ny,\n"))
    assert frame.n[0] == "9007199254740993" and frame.n.isna()[1]


def test_columns_of_lists(tmp_path: pathlib.Path) -> None:
    text = 'item_id,json,bars,python,dots\nx,"[""a"", ""b""]",p|q,"[\'r\']",1.2\ny,[],,[],\n'
    path = write(tmp_path, "items.csv", text)
    frame = read_frame(path, bags=("json", "bars", "python"))
    assert frame.json.tolist() == [["a", "b"], []] and frame.bars.tolist() == [["p", "q"], []]
    assert frame.python.tolist() == [["r"], []]
    assert read_frame(path, bags={"bars": "q"}).bars.tolist() == [["p|"], []]
    with pytest.raises(ValueError, match="'bars' must hold lists. Received: '.p'"):
        read_frame(write(tmp_path, "i.csv", "item_id,bars\nx,[p\n"), bags=("bars",))
    with pytest.raises(ValueError, match="bags, column 0.* must be a column .*'genres'"):
        Log.read(write(tmp_path, "w.csv", "user_id,item_id,time\na,x,1\n"), bags=("genres",))


def test_files_without_rows(tmp_path: pathlib.Path) -> None:
    assert Log.read(write(tmp_path, "w.csv", "user_id,item_id,time")).interactions.empty
    assert Log.read(write(tmp_path, "w.csv", "user_id,item_id,time\n")).interactions.empty
    for content in ("", b"\x00\xff" * 40):
        with pytest.raises(ValueError, match="w.csv is damaged or no csv file: "):
            read_frame(write(tmp_path, "w.csv", content))


def test_an_index_that_was_written_is_left_out(tmp_path: pathlib.Path) -> None:
    pd.DataFrame({"user_id": ["b", "a"], "item_id": ["x", "y"], "time": [1, 2]}).to_csv(
        tmp_path / "w.csv"
    )
    assert Log.read(tmp_path / "w.csv").interactions.columns.tolist() == [
        "user_id", "item_id", "time"]  # fmt: skip
    write(tmp_path, "w.csv", ",user_id,item_id,time\n5,a,x,1\n7,b,y,2\n")
    with pytest.raises(ValueError, match="`interactions` must have a name.* column 0 .*5, 7"):
        Log.read(tmp_path / "w.csv")


def test_a_column_without_name_and_value_is_left_out(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Lines that end in a comma have one."""
    path = write(tmp_path, "w.csv", "user_id,item_id,time,\na,x,1,\nb,y,2,\n")
    with caplog.at_level(logging.INFO):
        log = Log.read(path)
    assert [*log.interactions] == ["user_id", "item_id", "time"]
    assert "interactions: left out column 3, which has no name and no value" in caplog.messages


def test_a_column_that_is_there_twice_is_named(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "w.csv", "user_id,item_id,time,time\na,x,1,2\n")
    with pytest.raises(ValueError, match="`interactions` must have columns of diff.*: .'time'"):
        Log.read(path)
    path = write(tmp_path, "w.csv", "user_id,item_id,time\na,x,1\n")
    items = write(tmp_path, "i.csv", "item_id,n,n\nx,1,2\n")
    with pytest.raises(ValueError, match="`items` must have columns of different .*: .'n'"):
        Log.read(path, items=items)


def test_one_file_says_something_of_users_and_items(tmp_path: pathlib.Path) -> None:
    text = "who,what,when,name,country\na,1,2,tea,DE\nb,1,3,green tea,\na,2,1,,FR\na,3,3,cup,\n"
    log = Log.read(
        write(tmp_path, "w.csv", text),
        user="who", item="what", time="when", title="name", user_columns=["country"],
    )  # fmt: skip
    assert log.interactions.columns.tolist() == ["who", "what", "when"]
    # The latest: of item 1 at 3, of user a at 2.
    titles = dict(zip(log.items["what"], log.items["name"].fillna(""), strict=True))
    assert titles == {"1": "green tea", "2": "", "3": "cup"}
    countries = dict(zip(log.users["who"], log.users["country"].fillna(""), strict=True))
    assert countries == {"a": "DE", "b": ""}
    with pytest.raises(ValueError, match="item_column.* must be a column .*item_columns='price'"):
        Log.read(tmp_path / "w.csv", user="who", item="what", time="", item_columns=["price"])


def test_columns_that_play_a_part_stay_in_the_events(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "w.csv", "user_id,item_id,time\na,x,1\n")
    log = Log.read(path, title="item_id")
    assert log.interactions.values.tolist() == [["a", "x", 1]]
    for name in ("user_columns", "item_columns"):
        with pytest.raises(ValueError, match=r"play no part in the events. Received: .'time'"):
            Log.read(path, **{name: ["time"]})


def test_a_file_with_labels_holds_impressions(tmp_path: pathlib.Path) -> None:
    path = write(
        tmp_path, "w.csv", "user_id,item_id,time,ok,s\na,x,1,true,5\na,y,2,false,\na,z,3,true,7\n"
    )
    log = Log.read(path, label="ok", weight="s")
    assert log.impressions is not None and log.impressions.item_id.tolist() == ["x", "y", "z"]
    assert log.interactions.values.tolist() == [["a", "x", 1, 5.0], ["a", "z", 3, 7.0]]


def test_tables_are_completed_where_bad_rows_are_left_out(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, "w.csv", "user_id,item_id,time,n\na,x,1,2\nb,y,2,-1\nb,z,2,1\n")
    items = write(tmp_path, "i.csv", "item_id,price\nx,5\nx,6\nq,7\n")
    users = write(tmp_path, "u.csv", "user_id,age\na,30\n")
    given: dict[str, Any] = {"users": users, "items": items, "weight": "n"}
    with pytest.raises(ValueError, match="'n' of `interactions` must hold .* from 0 up.*row 1"):
        Log.read(path, **given)
    log = Log.read(path, **given, bad_rows="skip")
    assert log.interactions.item_id.tolist() == ["x", "z"]
    assert log.items.item_id.tolist() == ["x", "q", "z"]
    assert log.items.price.fillna(-1).tolist() == [5, 7, -1]
    assert log.users.user_id.tolist() == ["a", "b"]
    assert caplog.messages == [
        "interactions: left out 1 of 3 rows whose 'n' is missing, negative or infinite",
        "users: added 1 rows without features, of ids that have events only",
        "items: left out 1 rows that repeat an id",
        "items: added 1 rows without features, of ids that have events only",
    ]


def test_one_type_of_ids_in_all_files(tmp_path: pathlib.Path) -> None:
    events = pd.DataFrame({"user_id": ["a", "a"], "item_id": [10, 9], "time": [1, 2]})
    events.to_parquet(tmp_path / "w.parquet")
    items = write(tmp_path, "i.csv", "item_id,price\n9,5\n10,6\n")
    log = Log.read(tmp_path / "w.parquet", items=items)
    assert log.items.item_id.tolist() == [9, 10] and log.item_codes.tolist() == [1, 0]
    # 010 is not 10, and nothing says whether it is meant to be.
    items = write(tmp_path, "i.csv", "item_id,price\n9,5\n010,6\n")
    with pytest.raises(ValueError, match="'item_id' must have one type .* text file are text"):
        Log.read(tmp_path / "w.parquet", items=items)


def test_times_by_a_format(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "w.csv", "user_id,item_id,time\na,x,2.1.1970 10:00\n")
    with pytest.raises(ValueError, match="'time' .* as `time_format` says.*2.1.1970 10:00"):
        Log.read(path)
    log = Log.read(path, time_format="%d.%m.%Y %H:%M")
    assert log.interactions.time.tolist() == [86_400 + 36_000]
    assert Log.read(path, time="").roles == Roles(time="")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("user_id,item_id\na,x\n", {"time_unit": "s"}, "`time_unit` is for a column of times"),
        ("user_id,item_id\na,x\n", {"time_format": "%Y"}, "`time_format` is for a column of times"),
        (
            "user_id,item_id,time\na,x,2024-01-31\n",
            {"time_unit": "ms"},
            "`time_unit` is for times that are numbers; these are dates: leave it out",
        ),
        (
            "user_id,item_id,time\na,x,1\n",
            {"time_unit": "ms", "time_format": "%Y"},
            "leave one of the two out. Received: 'ms' and '%Y'",
        ),
    ],
)
def test_what_is_said_of_times_in_vain(
    content: str, options: dict[str, Any], message: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Log.read(write(tmp_path, "w.csv", content), **options)


@pytest.mark.parametrize("name", ["separator", "encoding", "names"])
def test_what_is_said_of_text_in_vain(name: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "w.parquet"
    pd.DataFrame({"user_id": ["a"], "item_id": ["x"], "time": [1]}).to_parquet(path)
    given: Any = {name: ["a", "b", "c"] if name == "names" else ";"}
    message = f"`{name}` is for delimited text, such as CSV, which w.parquet is not: leave it out"
    with pytest.raises(ValueError, match=message):
        Log.read(path, **given)


def test_names_of_columns_are_in_the_encoding_of_the_file(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "w.csv", "Käufer;n\né;1\n".encode("latin-1"))
    assert read_frame(path, ids=("Käufer",)).to_dict("list") == {"Käufer": ["é"], "n": [1]}
