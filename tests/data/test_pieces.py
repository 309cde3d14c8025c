"""Files read a piece at a time come to the same as when they are read whole."""

import pathlib

import pandas as pd
import pytest
from shardable import events

from tfrec_zoo.data import read_frame
from tfrec_zoo.data.read import read_pieces

COLUMNS = ("user_id", "item_id", "time")


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfrec_zoo.data.delimited._BLOCK", 200)
    monkeypatch.setattr("tfrec_zoo.data.read._PIECE", 7)


@pytest.mark.parametrize(
    "name", ["w.parquet", "w.csv", "w.csv.gz", "w.csv.zip", "w.tsv", "w.jsonl"]
)
def test_pieces_come_to_the_whole(tmp_path: pathlib.Path, name: str) -> None:
    path, frame = tmp_path / name, events(50)
    if name == "w.parquet":
        frame.to_parquet(path)
    elif name == "w.jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        # A quoted cell holds a line break and a separator; among tabs, quotes are text.
        words = "words" if name == "w.tsv" else 'one,\ntwo "words"'
        noted = frame.assign(note=[words if row % 9 == 0 else "" for row in range(50)])
        noted.to_csv(path, index=False, sep="\t" if name == "w.tsv" else ",")
    pieces = [piece for piece in read_pieces(path, COLUMNS) if len(piece)]
    assert (len(pieces) > 3) == (name != "w.jsonl")
    whole = read_frame(path)[[*COLUMNS]]
    pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), whole)


def test_bad_rows_have_their_numbers_in_any_piece(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "w.csv"
    lines = ["user_id,item_id,time", *(f"u{row},i{row},{row}" for row in range(60))]
    lines[40] += ",more"
    path.write_text("\n".join(lines) + "\nu60,i6")
    with pytest.raises(ValueError, match=r"w\.csv is damaged.*that are no 3 cells: row 41 .*more"):
        list(read_pieces(path, COLUMNS))
    kept = pd.concat(read_pieces(path, COLUMNS, bad_rows="skip"), ignore_index=True)
    assert len(kept) == 59 and "u39" not in set(kept.user_id)
    # A quote that is never closed takes the rest of a file.
    path.write_text("\n".join(lines[:40]) + '\nu60,i6,"7\nu61,i6,8\n')
    with pytest.raises(ValueError, match="that are no 3 cells: row 41"):
        list(read_pieces(path, COLUMNS))


def test_an_error_names_the_first_bad_row_however_far_was_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "w.csv"
    lines = ["user_id,item_id,time", *(f"u{row},i{row},{row}" for row in range(60))]
    # Two of one block, and one that is read ahead or not.
    for row in (40, 41, 55):
        lines[row] += ",more"
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"no 3 cells: row 41 \(.*'u39,i39,39,more'"):
        list(read_pieces(path, COLUMNS))
    kept = pd.concat(read_pieces(path, COLUMNS, bad_rows="skip"), ignore_index=True)
    assert len(kept) == 57 and not {"u39", "u40", "u54"} & set(kept.user_id)
