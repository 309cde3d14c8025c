"""MovieLens through tensorflow-datasets (Harper & Konstan, ACM TiiS 2015)."""

import pathlib
import socket
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.data.log import Log
from tfrec_zoo.data.roles import Roles

_HOST = "files.grouplens.org"

VERSIONS = ("100k", "1m", "20m", "25m", "latest-small", "latest")

_PARSED = {"f": tf.float32, "i": tf.int64, "b": tf.int64, "O": tf.string, "S": tf.string}


def movielens(version: str = "100k", data_dir: str | pathlib.Path | None = None) -> Log:
    """Loads MovieLens as a log: every rating is an interaction, its stars the weight.

    Ids are strings, as tensorflow-datasets has them. Ratings of one user in the same second stay in
    the (fixed, shuffled) order of the prepared files; `read_movielens_files` keeps that of the
    original ones.

    Args:
        version: One of `"100k"`, `"1m"`, `"20m"`, `"25m"`, `"latest-small"`, `"latest"`.
        data_dir: Where tensorflow-datasets keeps its data; defaults to `$TFDS_DATA_DIR` or
            `~/tensorflow_datasets`. Downloaded and prepared there if it isn't yet.

    Returns:
        A log with frames `interactions` (user_id, movie_id, time, rating), `users` (user_id and,
        in 100k and 1m, gender, age, occupation, zip_code) and `items` (movie_id, title, genres,
        year; those nobody rated included).

    Raises:
        ValueError: If the version is unknown, or the prepared files are damaged.
        FileNotFoundError: If the data are neither prepared nor to be downloaded; names the command.
    """
    if version not in VERSIONS:
        raise ValueError(f"`version` must be one of {VERSIONS}. Received: {version!r}")
    ratings, _ = _read(f"movielens/{version}-ratings", data_dir, without=("movie_genres",))
    movies, info = _read(f"movielens/{version}-movies", data_dir)
    interactions = pd.DataFrame(
        {
            "user_id": ratings["user_id"],
            "movie_id": ratings["movie_id"],
            "time": ratings["timestamp"],
            "rating": ratings["user_rating"],
        }
    )
    users = interactions[["user_id"]].copy()
    if "user_gender" in ratings:
        users["gender"] = np.where(ratings["user_gender"] > 0, "M", "F")
        # Years in 100k; in 1m the first year of an age group.
        users["age"] = ratings.get("raw_user_age", ratings["bucketized_user_age"])
        users["occupation"] = ratings["user_occupation_text"]
        users["zip_code"] = ratings["user_zip_code"]
    genre_names = np.array(info.features["movie_genres"].feature.names, object)
    items = pd.DataFrame(
        {
            "movie_id": movies["movie_id"],
            "title": movies["movie_title"],
            "genres": [genre_names[genres].tolist() for genres in movies["movie_genres"]],
        }
    )
    items["year"] = items["title"].str.extract(r"\((\d{4})\)\s*$")[0].astype(np.float32)
    return Log(
        name=f"movielens/{version}",
        interactions=interactions,
        users=users.drop_duplicates("user_id").sort_values("user_id"),
        items=items.drop_duplicates("movie_id").sort_values("movie_id"),
        roles=Roles(item="movie_id", weight="rating"),
    )


def _read(
    name: str, data_dir: str | pathlib.Path | None, without: tuple[str, ...] = ()
) -> tuple[dict[str, Any], Any]:
    """Reads a prepared data set in whole, thousands of records at a time."""
    import tensorflow_datasets as tfds  # Half a second that only MovieLens needs.

    builder = tfds.builder(name, data_dir=None if data_dir is None else str(data_dir))
    if not builder.is_prepared():
        try:
            _check_reachable(builder)
            builder.download_and_prepare()
        except Exception as error:
            raise FileNotFoundError(
                f"{name} is not prepared in {builder.data_dir} and can't be downloaded "
                f"({type(error).__name__}). Where there is a network, run: tfds build movielens "
                f"--config {name.split('/')[1]} --data_dir DIR (and the same for its -movies or "
                "-ratings counterpart), then give data_dir=DIR or set TFDS_DATA_DIR=DIR."
            ) from error
    spec: dict[str, Any] = {}
    for key, feature in builder.info.features.items():
        if key in without:
            continue
        if isinstance(feature, tfds.features.Sequence):
            spec[key] = tf.io.RaggedFeature(tf.int64)
        else:
            spec[key] = tf.io.FixedLenFeature([], _PARSED[np.dtype(feature.np_dtype).kind])
    files = [str(path) for path in builder.info.splits["train"].filepaths]
    batches = tf.data.TFRecordDataset(files).batch(8192)
    columns: dict[str, list[Any]] = {key: [] for key in spec}
    try:
        for batch in batches.map(lambda records: tf.io.parse_example(records, spec), 2):
            for key, values in batch.items():
                columns[key].append(values.numpy())
    except (
        tf.errors.DataLossError,
        tf.errors.InvalidArgumentError,
        tf.errors.NotFoundError,
    ) as error:
        raise _damaged(name, builder, error.message) from error
    found = sum(len(chunk) for chunk in columns[next(iter(columns))])
    expected = builder.info.splits["train"].num_examples
    if found != expected:
        raise _damaged(name, builder, f"It has {found} records instead of {expected}.")
    return {key: _column(values) for key, values in columns.items()}, builder.info


def _damaged(name: str, builder: Any, how: str) -> ValueError:
    return ValueError(
        f"{name} in {builder.data_dir} is damaged: remove that folder and prepare it anew. {how}"
    )


def _check_reachable(builder: Any) -> None:
    """Fails at once where there is no network, which downloading would find out in minutes."""
    manual = pathlib.Path(builder.data_dir).parents[2] / "downloads" / "manual"
    if not any(manual.glob("*.zip")):
        socket.create_connection((_HOST, 443), timeout=10).close()


def _column(chunks: list[Any]) -> Any:
    if any(
        chunk.dtype == object and chunk.size and isinstance(chunk[0], np.ndarray)
        for chunk in chunks
    ):
        return [row for chunk in chunks for row in chunk]
    values = np.concatenate(chunks)
    if values.dtype != object:
        return values
    # Titles are few; decoding each distinct one once is much faster than decoding them all.
    codes, distinct = pd.factorize(values)
    return np.array([token.decode("utf-8") for token in distinct], object)[codes]
