"""Data sets by the names that the command line gives them."""

import argparse
import pathlib
from collections.abc import Mapping
from typing import Any

DATASETS = """simulated (nothing to download), movielens/100k, movielens/1m and other
movielens versions through tensorflow-datasets; a file of interactions (.parquet, .csv, .tsv or
.jsonl); a folder with interactions.parquet (or .csv) and, if you have them, users, items,
impressions and searches likewise; a folder that `tfrec-zoo prepare` wrote; or one with the files
of the NCF paper, of KuaiRand, or of MovieLens (ratings.dat, u.data or ratings.csv, with the movies
beside it), whose ratings of the same second stay in their order"""

#: Columns by the part they play, with their names where none is given; a test compares `Roles`.
ROLES = {
    "user": "user_id",
    "item": "item_id",
    "time": "time",
    "label": "clicked",
    "weight": "weight",
    "page": "page_id",
    "query": "query",
    "title": "title",
}
#: What else `Log.read` may be told of files.
READING: dict[str, tuple[dict[str, Any], str]] = {
    "users": ({"metavar": "FILE"}, "the file of the users"),
    "items": ({"metavar": "FILE"}, "the file of the items"),
    "impressions": ({"metavar": "FILE"}, "the file of the impressions"),
    "searches": ({"metavar": "FILE"}, "the file of the searches"),
    "separator": ({}, "separator of the cells of a text file (default: found)"),
    "encoding": ({}, "encoding of a text file (default: found)"),
    "names": ({"nargs": "+", "metavar": "NAME"}, "names of the columns of a file without a header"),
    "bags": (
        {"nargs": "+", "metavar": "COLUMN"},
        "columns of lists, as JSON or cut at bars; COLUMN=; cuts at semicolons",
    ),
    "user-columns": (
        {"nargs": "+", "metavar": "COLUMN"},
        "columns of the interactions that say something of the user",
    ),
    "item-columns": (
        {"nargs": "+", "metavar": "COLUMN"},
        "columns of the interactions that say something of the item",
    ),
    "time-unit": (
        {"choices": ("s", "ms", "us", "ns")},
        "unit of times that are numbers (default: recognized)",
    ),
    "time-format": ({}, "format of times that are text, such as %%d.%%m.%%Y (default: ISO 8601)"),
    "bad-rows": (
        {"choices": ("error", "skip")},
        "whether rows that can't be read are an error, or left out and counted (default: error)",
    ),
}


def add_dataset(
    parser: argparse.ArgumentParser,
    default: str | None = "simulated",
    default_words: str = "simulated",
) -> None:
    """Adds the arguments that name a data set."""
    parser.add_argument("--dataset", default=default, help=f"{DATASETS} (default: {default_words})")
    parser.add_argument(
        "--data-dir", help="where tensorflow-datasets keeps its data, for movielens/…"
    )
    group = parser.add_argument_group("columns and files of a data set of one's own")
    for role, column in ROLES.items():
        group.add_argument(f"--{role}", metavar="COLUMN", help=f"the {role} (default: {column})")
    for name, (options, words) in READING.items():
        group.add_argument(f"--{name}", help=words, **options)


#: Names of all that `add_dataset` adds.
DATASET_ARGUMENTS = (
    *("dataset", "data_dir", *ROLES),
    *(name.replace("-", "_") for name in READING),
)


def given_reading(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was given about columns and files, as arguments of `Log.read`."""
    given = {name: getattr(arguments, name) for name in DATASET_ARGUMENTS[2:]}
    given = {name: value for name, value in given.items() if value is not None}
    if "bags" in given:
        given["bags"] = {
            column: separator or "|"
            for column, _, separator in (text.partition("=") for text in given["bags"])
        }
    return given


def load_dataset(
    name: str, data_dir: str | None = None, reading: Mapping[str, Any] | None = None
) -> Any:
    """Loads a data set by name: a log, or what `read_ncf` read.

    Args:
        name: Name of the data set, a file or a folder.
        data_dir: Where tensorflow-datasets keeps its data.
        reading: Arguments of `Log.read`.

    Raises:
        ValueError: If there is no such data set, or it takes no `data_dir` or `reading`.
    """
    from tfrec_zoo import data
    from tfrec_zoo.data.kuairand import is_kuairand
    from tfrec_zoo.data.movielens_files import is_movielens
    from tfrec_zoo.data.sharded import ShardedLog, is_sharded

    reading = dict(reading or {})
    path = pathlib.Path(name)
    is_ncf = any(path.glob("*.train.rating*"))
    is_known = name == "simulated" or is_of_tfds(name)
    is_own = not (is_known or is_ncf or is_kuairand(path) or is_movielens(path))
    if reading and not is_own:
        raise ValueError(
            f"Columns and files are given for a data set of one's own; {name!r} knows them. "
            f"Received: {sorted(reading)}"
        )
    if data_dir is not None and not is_of_tfds(name):
        raise ValueError(
            "`--data-dir` is for data sets of tensorflow-datasets, such as movielens/100k; others "
            f"are where --dataset says. Received: --data-dir {data_dir} and --dataset {name}"
        )
    if name == "simulated":
        return data.simulate(seed=0)
    if is_of_tfds(name):
        return data.movielens(name.removeprefix("movielens/"), data_dir)
    if is_ncf:
        return data.read_ncf(path)
    if is_kuairand(path):
        return data.read_kuairand(path)
    if is_movielens(path):
        return data.read_movielens_files(path)
    if is_sharded(path):
        if reading:
            raise ValueError(
                "Columns and files are given to `tfrec-zoo prepare`; its folder knows them. "
                f"Received: {sorted(reading)}"
            )
        return ShardedLog.read(path)
    if not path.exists():
        raise ValueError(f"`--dataset` must be {DATASETS}. Received: {name!r}".replace("\n", " "))
    return data.Log.read(path, **reading)


def is_of_tfds(name: str) -> bool:
    """Whether a data set is one of tensorflow-datasets."""
    return name.startswith("movielens/")


def load_given(arguments: argparse.Namespace) -> Any:
    """Loads the log that the arguments of `add_dataset` name."""
    found = load_dataset(arguments.dataset, arguments.data_dir, given_reading(arguments))
    return getattr(found, "log", found)


def load_again(given: Mapping[str, Any], arguments: argparse.Namespace) -> Any:
    """Loads the data set that the arguments name, or else the one that a model was trained on.

    Another file is read as the one of the training, where the arguments don't say how.

    Args:
        given: What `train` was given: `dataset`, `data_dir` and `reading`.
        arguments: Arguments of `add_dataset`.
    """
    name = arguments.dataset or given["dataset"]
    data_dir = arguments.data_dir
    if data_dir is None and arguments.dataset is None and is_of_tfds(name):
        data_dir = given["data_dir"]
    reading = given.get("reading", {}) if pathlib.Path(name).exists() else {}
    return load_dataset(name, data_dir, {**reading, **given_reading(arguments)})
