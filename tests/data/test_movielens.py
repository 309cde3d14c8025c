"""MovieLens as its own README describes it, and clear errors where it is not there."""

import pathlib
import shutil
from collections.abc import Callable

import pandas as pd
import pytest

from tfrec_zoo.data import Log, leave_last_out, movielens, next_watch_examples


@pytest.fixture(scope="module")
def log(movielens_dir: pathlib.Path) -> Log:
    return movielens("100k", movielens_dir)


def test_the_numbers_of_its_readme(log: Log) -> None:
    # u.info: 943 users, 1682 items, 100000 ratings; every user has rated at least 20 movies.
    assert (len(log.users), len(log.items), len(log.interactions)) == (943, 1682, 100_000)
    assert log.name == "movielens/100k"
    ratings = log.interactions
    assert ratings.columns.tolist() == ["user_id", "movie_id", "time", "rating"]
    assert ratings.user_id.nunique() == 943 and ratings.movie_id.nunique() == 1682
    assert set(log.users.user_id) == {str(i) for i in range(1, 944)}
    assert set(log.items.movie_id) == {str(i) for i in range(1, 1683)}
    assert ratings.groupby("user_id").size().min() == 20
    # The counts of one to five stars in u.data.
    stars = ratings.rating.value_counts().sort_index()
    assert stars.to_dict() == {1.0: 6110, 2.0: 11370, 3.0: 27145, 4.0: 34174, 5.0: 21201}
    # From 20 September 1997 to 22 April 1998.
    days = pd.to_datetime(ratings.time, unit="s").dt.strftime("%Y-%m-%d")
    assert (days.min(), days.max()) == ("1997-09-20", "1998-04-22")


def test_known_movies(log: Log) -> None:
    # Lines of u.item.
    movies = log.items.set_index("movie_id")
    assert movies.title["1"] == "Toy Story (1995)" and movies.year["1"] == 1995
    assert set(movies.genres["1"]) == {"Animation", "Children", "Comedy"}
    assert movies.title["50"] == "Star Wars (1977)"
    assert set(movies.genres["50"]) == {"Action", "Adventure", "Romance", "Sci-Fi", "War"}
    assert movies.title["1682"] == "Scream of Stone (Schrei aus Stein) (1991)"
    assert movies.genres["1682"] == ["Drama"] and movies.year["1682"] == 1991
    assert movies.year.isna().sum() == movies.title.str.endswith("(V)").sum() + 1  # "unknown"


def test_known_users_and_ratings(log: Log) -> None:
    # Lines of u.user and u.data.
    users = log.users.set_index("user_id")
    columns = ["gender", "age", "occupation", "zip_code"]
    assert users.loc["1", columns].tolist() == ["M", 24.0, "technician", "85711"]
    assert users.loc["943", columns].tolist() == ["M", 22.0, "student", "77841"]
    assert users.gender.value_counts().to_dict() == {"M": 670, "F": 273}
    ratings = log.interactions.set_index(["user_id", "movie_id"])
    assert ratings.loc[("196", "242")].tolist() == [881_250_949, 3.0]
    assert ratings.loc[("186", "302")].tolist() == [891_717_742, 3.0]


def test_ratings_are_sorted_and_the_same_each_time(log: Log, movielens_dir: pathlib.Path) -> None:
    ordered = log.interactions.sort_values(["user_id", "time"], kind="stable")
    assert ordered.index.equals(log.interactions.index)
    assert movielens("100k", str(movielens_dir)).checksum == log.checksum


def test_it_makes_examples(log: Log) -> None:
    examples = next_watch_examples(log, leave_last_out(log).test[:3])
    raw = examples.raw(["history", "gender", "movie_id"])
    assert raw["movie_id"].tolist() == examples.label.tolist()
    first = log.interactions[log.interactions.user_id == "1"].movie_id
    assert raw["history"][0].tolist() == first[-51:-1].tolist()


def test_an_unknown_version_is_named() -> None:
    with pytest.raises(ValueError, match="`version` must be one of .*'latest'.*Received: '10m'"):
        movielens("10m")


def test_where_it_cannot_be_prepared_the_command_is_named(tmp_path: pathlib.Path) -> None:
    # No network needed: the "downloaded" file is not the one tfds knows.
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    (manual / "ml-100k.zip").write_bytes(b"not a zip")
    with pytest.raises(FileNotFoundError) as error:
        movielens("100k", tmp_path)
    message = str(error.value)
    assert "movielens/100k-ratings is not prepared in " + str(tmp_path) in message
    assert "tfds build movielens --config 100k-ratings --data_dir" in message
    assert "TFDS_DATA_DIR" in message


def test_a_folder_that_cannot_be_made_is_named_too(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="tfds build movielens --config 1m-ratings"):
        movielens("1m", tmp_path / "file" / "data")


def _cut_record(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _cut_at_record(path: pathlib.Path) -> None:
    # A record: 8 bytes of length, 4 of checksum, the data, 4 of checksum.
    data = path.read_bytes()
    path.write_bytes(data[: int.from_bytes(data[:8], "little") + 16])


def _flip(path: pathlib.Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def _empty(path: pathlib.Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    "damage", [_cut_record, _cut_at_record, _flip, _empty, pathlib.Path.unlink]
)
@pytest.mark.parametrize("part", ["ratings", "movies"])
def test_damaged_files_are_named(
    movielens_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    part: str,
    damage: Callable[[pathlib.Path], None],
) -> None:
    for name in ("100k-ratings", "100k-movies"):
        shutil.copytree(movielens_dir / "movielens" / name, tmp_path / "movielens" / name)
    [file] = (tmp_path / "movielens" / f"100k-{part}").glob("*/*.tfrecord*")
    file.chmod(0o644)
    damage(file)
    with pytest.raises(ValueError, match=f"movielens/100k-{part} in .* is damaged: remove"):
        movielens("100k", tmp_path)
