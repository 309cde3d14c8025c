"""MovieLens's own files, drawn by hand in each of their three forms."""

import pathlib

import pandas as pd
import pytest

from tfrec_zoo.cli.datasets import load_dataset
from tfrec_zoo.data import Log, leave_last_out
from tfrec_zoo.data.movielens_files import is_movielens, read_movielens_files

#: User 2 rates three movies in the same second; 30 comes last in the file.
RATINGS = [(10, 7, 5, 100), (2, 20, 4, 50), (2, 7, 3, 50), (2, 30, 1, 50), (10, 20, 2, 90)]
FILES = {
    "1m": {
        "ratings.dat": "".join(f"{u}::{m}::{r}::{t}\n" for u, m, r, t in RATINGS),
        "movies.dat": "30::Léon: The Professional (1994)::Crime|Drama\r\n"
        "7::Sabrina (1995)::Children's|Comedy\n20::Unrated::Drama\n40::M (1931)::Film-Noir\n",
        "users.dat": "2::M::56::16::70072\n10::F::1::10::48067-1\n3::M::25::15::55117\n",
    },
    "100k": {
        "u.data": "".join(f"{u}\t{m}\t{r}\t{t}\n" for u, m, r, t in RATINGS),
        "u.item": "".join(
            f"{movie}|{title}|01-Jan-1995|||{'|'.join('01'[i in on] for i in range(19))}\n"
            for movie, title, on in (
                (30, "Léon: The Professional (1994)", (6, 8)),
                (7, "Sabrina (1995)", (4, 5)),
                (20, "Unrated", (8,)),
                (40, "M (1931)", (10,)),
            )
        ),
        "u.user": "2|56|M|self-employed|70072\n10|1|F|K-12 student|48067-1\n3|25|M|writer|5\n",
    },
    "csv": {
        "ratings.csv": "userId,movieId,rating,timestamp\n"
        + "".join(f"{u},{m},{r}.0,{t}\n" for u, m, r, t in RATINGS),
        "movies.csv": 'movieId,title,genres\n30,"Léon: The Professional (1994)",Crime|Drama\n'
        "7,Sabrina (1995),Children|Comedy\n20,Unrated,Drama\n40,M (1931),Film-Noir\n",
    },
}


def write(folder: pathlib.Path, form: str) -> pathlib.Path:
    for name, text in FILES[form].items():
        encoding = "utf-8" if form == "csv" else "latin-1"
        (folder / name).write_bytes(text.encode(encoding))
    return folder


@pytest.mark.parametrize("form", FILES)
def test_every_form_is_the_same_log(form: str, tmp_path: pathlib.Path) -> None:
    log = load_dataset(str(write(tmp_path, form)))
    assert isinstance(log, Log) and log.name == f"movielens-files/{tmp_path.name}"
    # By user, as text, and time; what was rated in the same second in the order of the file.
    assert log.interactions.values.tolist() == [
        ["10", "20", 90, 2.0],
        ["10", "7", 100, 5.0],
        ["2", "20", 50, 4.0],
        ["2", "7", 50, 3.0],
        ["2", "30", 50, 1.0],
    ]
    assert list(log.interactions) == ["user_id", "movie_id", "time", "rating"]
    last = log.interactions.iloc[leave_last_out(log).test]
    assert last["movie_id"].tolist() == ["7", "30"]
    items = log.items.set_index("movie_id")
    assert items.index.tolist() == ["20", "30", "40", "7"]
    assert items["genres"].tolist() == [
        *(["Drama"], ["Crime", "Drama"], ["Film-Noir"], ["Children", "Comedy"])
    ]
    assert items["title"]["30"] == "Léon: The Professional (1994)"
    assert items["year"].drop("20").tolist() == [1994, 1931, 1995] and pd.isna(items["year"]["20"])
    if form == "csv":
        assert log.users.values.tolist() == [["10"], ["2"]]
        return
    # User 3 rated nothing.
    assert list(log.users) == ["user_id", "gender", "age", "occupation", "zip_code"]
    assert log.users.values.tolist() == [
        ["10", "F", 1.0, "K-12 student", "48067-1"],
        ["2", "M", 56.0, "self-employed", "70072"],
    ]


def test_what_is_damaged_or_missing_is_named(tmp_path: pathlib.Path) -> None:
    folder = write(tmp_path, "1m")
    with pytest.raises(ValueError, match="Columns and files are given"):
        load_dataset(str(folder), None, {"user": "user_id"})
    users = FILES["1m"]["users.dat"]
    (folder / "users.dat").write_text(users + "4::M::25::15\n")
    with pytest.raises(ValueError, match="users.dat is damaged.*row 4 has 4 cells instead of 5"):
        read_movielens_files(folder)
    (folder / "users.dat").write_text(users.replace("::16::", "::21::"))
    with pytest.raises(ValueError, match="users.dat is damaged"):
        read_movielens_files(folder)
    (folder / "users.dat").unlink()  # As in 10m.
    assert list(read_movielens_files(folder).users) == ["user_id"]
    for line, reason in (
        ("2::7::5", ""),
        ("2::7::good::9", "good"),
        ("2::::4::9", "lacks a value"),
    ):
        (folder / "ratings.dat").write_text(FILES["1m"]["ratings.dat"] + line + "\n")
        with pytest.raises(ValueError, match=f"ratings.dat is damaged, or not of.*{reason}"):
            read_movielens_files(folder)
    (folder / "movies.dat").unlink()
    assert not is_movielens(folder)
    with pytest.raises(FileNotFoundError, match=r"ratings.dat and movies.dat, or .* Received: \["):
        read_movielens_files(folder)
