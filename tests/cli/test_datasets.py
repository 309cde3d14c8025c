"""Files of one's own: any columns, separators and rows, from the command line."""

import dataclasses
import inspect
import pathlib
from typing import Any

import pytest

from tfrec_zoo.cli.datasets import READING, ROLES
from tfrec_zoo.data import Log, Roles


def test_the_arguments_are_those_of_reading() -> None:
    assert ROLES == {field.name: field.default for field in dataclasses.fields(Roles)}
    others = set(inspect.signature(Log.read).parameters) - {"path", "name", "roles", "columns"}
    assert {name.replace("-", "_") for name in READING} == others


def write(folder: pathlib.Path, name: str, text: str, encoding: str = "utf-8") -> pathlib.Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def ratings(folder: pathlib.Path) -> pathlib.Path:
    """Semicolons, latin-1, stray quotes, no times: book ratings."""
    rows = [f'"{u}";"0{(u * 7 + k) % 9}X";"{k}"' for u in range(12) for k in range(4)]
    rows[5:5] = ['"9";"034"545104X";"0"', '"1";"x"', '"Zoë";"01X";"3"']
    text = "\n".join(['"User-ID";"ISBN";"Book-Rating"', *rows]) + "\n"
    return write(folder, "BX-Book-Ratings.csv", text, "latin-1")


@pytest.mark.usefixtures("eagerly")
def test_from_a_file_without_times_to_recommendations(
    tmp_path: pathlib.Path, run: Any, run_json: Any, fails: Any
) -> None:
    path = ratings(tmp_path)
    titles = write(tmp_path, "books.csv", "ISBN;Book-Title\n00X;Emma\n01X;Ulysses\n", "latin-1")
    columns = ("--user", "User-ID", "--item", "ISBN", "--weight", "Book-Rating",
               "--items", titles, "--title", "Book-Title")  # fmt: skip
    given = ("EASE", "--dataset", path, *columns, "--output", tmp_path / "ease")
    assert "1 rows (1 lines) that are no 3 cells: row 8" in fails("train", *given)
    out = run("train", *given, "--bad-rows", "skip")
    assert "choice, leave-random-out of seed 0" in out
    for line in (
        "BX-Book-Ratings.csv: separated by semicolon",
        "BX-Book-Ratings.csv: in latin-1",
        "BX-Book-Ratings: no column 'time': the order of events is unknown",
        "BX-Book-Ratings.csv: left out 1 rows (1 lines) that are no 3 cells: row 8",
        "items: added 8 rows without features, of ids that have events only",
    ):
        assert line in out
    found = run_json("recommend", tmp_path / "ease" / "model", "--request", '{"history": ["00X"]}')
    assert {row["id"] for row in found} <= {f"0{i}X" for i in range(9)} | {'034545104X"'}
    # It is read again as it was for training.
    metrics = run_json("evaluate", tmp_path / "ease")
    assert metrics["hit_rate_at_10"] == 1.0
    message = fails("train", "YouTubeRetrieval", *given[1:], "--bad-rows", "skip",
                    "--task", "next-watch")  # fmt: skip
    assert "the task 'next-watch' needs the order of events" in message


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("model", ["NeuMF", "MatrixFactorization"])
def test_models_of_ids_need_no_times(tmp_path: pathlib.Path, run_json: Any, model: str) -> None:
    text = "".join(f"u{u}\ta{(u * 3 + k) % 7}\tband {k}\t{k}\n" for u in range(9) for k in range(3))
    path = write(tmp_path, "plays.tsv", text)
    result = run_json(
        "train", model, "--dataset", path, "--names", "who", "artist", "name", "plays",
        "--user", "who", "--item", "artist", "--title", "name", "--weight", "plays",
        "--task", "ncf", "--set", "embedding_dim=4", "--epochs", 1, "--output", tmp_path / "out",
    )  # fmt: skip
    assert result["protocol"].startswith("NCF, leave-random-out of seed 0, 99 negatives")
    assert 0 <= result["metrics"]["sampled_hit_rate_at_10"] <= 1


def test_what_is_wrong_with_a_file_is_one_line(tmp_path: pathlib.Path, fails: Any) -> None:
    path = write(tmp_path, "w.csv", "who,what,when\na,x,2024-01-31\nb,y,tomorrow\n")
    train = ("train", "EASE", "--output", tmp_path / "out", "--dataset")
    named = ("--user", "who", "--item", "what", "--time", "when")
    assert "must have a column 'user_id'" in fails(*train, path)
    assert "The user must be a column of a frame" in fails(*train, path, "--user", "buyer")
    assert "'when' of `interactions`" in (line := fails(*train, path, *named))
    assert "'tomorrow'], in row 1" in line
    assert "There is no such file" in fails(*train, path, *named, "--users", tmp_path / "u.csv")
    assert "'simulated' knows them. Received: ['user']" in fails(*train, "simulated", *named[:2])
    assert "`--dataset` must be simulated" in fails(*train, tmp_path / "nothing.csv")
