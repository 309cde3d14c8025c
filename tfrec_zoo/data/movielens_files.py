"""MovieLens from its own files, in the order in which they hold the ratings.

tensorflow-datasets shuffles the ratings; which of a user's ratings of the same second comes last,
and so is held out, is then another than in tables that were made from the files. In MovieLens-1M
the last two ratings of 40 % of the users share a second, and 26 % have another test movie.
"""

import functools
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data.log import Log
from tfrec_zoo.data.roles import Roles

_RATINGS = ("user_id", "movie_id", "rating", "time")
#: Genres of 100k, and occupations of 1m, by the numbers that stand for them.
_GENRES = (
    *("Unknown", "Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary"),
    *("Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi"),
    *("Thriller", "War", "Western"),
)
_OCCUPATIONS = (
    *("other/not specified", "academic/educator", "artist", "clerical/admin"),
    *("college/grad student", "customer service", "doctor/health care", "executive/managerial"),
    *("farmer", "homemaker", "K-12 student", "lawyer", "programmer", "retired", "sales/marketing"),
    *("scientist", "self-employed", "technician/engineer", "tradesman/craftsman", "unemployed"),
    "writer",
)


def is_movielens(directory: str | pathlib.Path) -> bool:
    """Whether a folder holds the files of a MovieLens data set."""
    folder = pathlib.Path(directory)
    return any(all((folder / name).is_file() for name in form[:2]) for form in _FORMS)


def read_movielens_files(directory: str | pathlib.Path) -> Log:
    """Reads an unpacked MovieLens data set; ratings of the same second stay in its order.

    The frames are those of `movielens`, to the names of genres and occupations.

    Args:
        directory: Folder of `ratings.dat`, `movies.dat` and `users.dat` (1m; 10m has no users), of
            `u.data`, `u.item` and `u.user` (100k), or of `ratings.csv` and `movies.csv` (all
            others).

    Returns:
        A log named after the folder, with frames `interactions` (user_id, movie_id, time, rating),
        `users` (user_id and, in 100k and 1m, gender, age, occupation, zip_code) and `items`
        (movie_id, title, genres, year; those nobody rated included).

    Raises:
        FileNotFoundError: If they are not there.
        ValueError: If one is damaged.

    Example:

    >>> import tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "ratings.csv").write_text(
    ...     "userId,movieId,rating,timestamp\\n1,20,3.5,7\\n1,10,4.0,7\\n1,30,5.0,6\\n")
    >>> _ = (folder / "movies.csv").write_text(
    ...     "movieId,title,genres\\n10,Heat (1995),Action|Crime\\n20,Sabrina (1995),Comedy\\n"
    ...     "30,Casino (1995),Crime|Drama\\n")
    >>> log = read_movielens_files(folder)
    >>> log.interactions["movie_id"].tolist()
    ['30', '20', '10']
    >>> log.items["genres"].tolist()
    [['Action', 'Crime'], ['Comedy'], ['Crime', 'Drama']]
    """
    folder = pathlib.Path(directory)
    if not is_movielens(folder):
        expected = ", or ".join(" and ".join(form[:2]) for form in _FORMS)
        found = sorted(path.name for path in folder.glob("*"))[:20]
        raise FileNotFoundError(f"Expected {expected} in {folder}. Received: {found}")
    ratings_name, movies_name, users_name, ratings_of, movies_of, users_of = next(
        form for form in _FORMS if (folder / form[0]).is_file() and (folder / form[1]).is_file()
    )
    ratings = _read(folder / ratings_name, ratings_of)
    movies = _read(folder / movies_name, movies_of)
    movies["genres"] = [
        ["Children" if genre == "Children's" else genre for genre in genres]
        for genres in movies["genres"]
    ]
    movies["year"] = movies["title"].str.extract(r"\((\d{4})\)\s*$")[0].astype(np.float32)
    users = ratings[["user_id"]].drop_duplicates()
    if users_name and (folder / users_name).is_file():
        known = _read(folder / users_name, users_of)
        users = known[known["user_id"].isin(users["user_id"])]
    return Log(
        name=f"movielens-files/{folder.resolve().name}",
        interactions=ratings[["user_id", "movie_id", "time", "rating"]],
        users=users.sort_values("user_id"),
        items=movies.sort_values("movie_id"),
        roles=Roles(item="movie_id", weight="rating"),
    )


def _read(path: pathlib.Path, parse: Callable[[pathlib.Path], pd.DataFrame]) -> pd.DataFrame:
    try:
        frame = parse(path)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise ValueError(f"{path} is damaged, or not of MovieLens: {error}") from error
    if frame.empty or frame.isna().any(axis=None):
        raise ValueError(f"{path} is damaged, or not of MovieLens: a line lacks a value")
    return frame


def _text(path: pathlib.Path, separator: str, width: int) -> list[list[str]]:
    """The cells of the lines of a file without a header, in UTF-8 or, if it is old, in latin-1."""
    contents = path.read_bytes()
    try:
        text = contents.decode("utf-8")
    except UnicodeDecodeError:
        text = contents.decode("latin-1")
    rows = [line.rstrip().split(separator) for line in text.split("\n") if line.strip()]
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            raise ValueError(f"row {number} has {len(row)} cells instead of {width}")
    return rows


def _ratings(path: pathlib.Path, separator: str, **reading: Any) -> pd.DataFrame:
    frame = pd.read_csv(path, sep=separator, dtype=str, index_col=False, **reading)
    frame.columns = [*_RATINGS]
    frame["rating"] = frame["rating"].astype(np.float32)
    frame["time"] = frame["time"].astype(np.int64)
    return frame


def _ratings_dat(path: pathlib.Path) -> pd.DataFrame:
    # Columns of `::` are every other one of `:`.
    return _ratings(path, ":", header=None, usecols=[0, 2, 4, 6])


def _movies_dat(path: pathlib.Path) -> pd.DataFrame:
    rows: list[Any] = [
        [movie, title, genres.split("|")] for movie, title, genres in _text(path, "::", 3)
    ]
    return pd.DataFrame(rows, columns=["movie_id", "title", "genres"])


def _users_dat(path: pathlib.Path) -> pd.DataFrame:
    names = ["user_id", "gender", "age", "occupation", "zip_code"]
    users = pd.DataFrame(_text(path, "::", 5), columns=names)
    users["age"] = users["age"].astype(np.float32)
    users["occupation"] = [_OCCUPATIONS[int(number)] for number in users["occupation"]]
    return users


def _movies_100k(path: pathlib.Path) -> pd.DataFrame:
    rows: list[Any] = [
        [
            row[0],
            row[1],
            [genre for genre, flag in zip(_GENRES, row[5:], strict=True) if flag == "1"],
        ]
        for row in _text(path, "|", 5 + len(_GENRES))
    ]
    return pd.DataFrame(rows, columns=["movie_id", "title", "genres"])


def _users_100k(path: pathlib.Path) -> pd.DataFrame:
    names = ["user_id", "age", "gender", "occupation", "zip_code"]
    users = pd.DataFrame(_text(path, "|", 5), columns=names)
    users["age"] = users["age"].astype(np.float32)
    return users[["user_id", "gender", "age", "occupation", "zip_code"]]


def _movies_csv(path: pathlib.Path) -> pd.DataFrame:
    movies = pd.read_csv(path, dtype=str, keep_default_na=False)[["movieId", "title", "genres"]]
    movies["genres"] = movies["genres"].str.split("|")
    return movies.rename(columns={"movieId": "movie_id"})


#: Files of ratings, movies and users, and how each is read.
_FORMS: tuple[Any, ...] = (
    ("ratings.dat", "movies.dat", "users.dat", _ratings_dat, _movies_dat, _users_dat),
    (
        *("u.data", "u.item", "u.user"),
        *(functools.partial(_ratings, separator="\t", header=None), _movies_100k, _users_100k),
    ),
    (
        *("ratings.csv", "movies.csv", None),
        *(functools.partial(_ratings, separator=","), _movies_csv, None),
    ),
)
