"""Data sets by the names that the command line gives them."""

import argparse
import pathlib
from typing import Any

DATASETS = """simulated (nothing to download), movielens/100k, movielens/1m and other
movielens versions through tensorflow-datasets, or a folder with interactions.parquet (or .csv) and,
if you have them, users, items, impressions and searches likewise, with columns user_id, item_id,
time, clicked, weight, page_id, query; or a folder with the files of the NCF paper"""


def add_dataset(
    parser: argparse.ArgumentParser,
    default: str | None = "simulated",
    default_words: str = "simulated",
) -> None:
    """Adds the arguments that name a data set."""
    parser.add_argument("--dataset", default=default, help=f"{DATASETS} (default: {default_words})")
    parser.add_argument("--data-dir", help="where tensorflow-datasets keeps its data")


def load_dataset(name: str, data_dir: str | None = None) -> Any:
    """Loads a data set by name: a log, or what `read_ncf` read."""
    from tfrec_zoo import data

    if name == "simulated":
        return data.simulate(seed=0)
    if name.startswith("movielens/"):
        return data.movielens(name.removeprefix("movielens/"), data_dir)
    folder = pathlib.Path(name)
    if any(folder.glob("*.train.rating*")):
        return data.read_ncf(folder)
    if not folder.is_dir():
        raise ValueError(f"`--dataset` must be {DATASETS}. Received: {name!r}".replace("\n", " "))
    return data.Log.read(folder)


def load_log(name: str, data_dir: str | None = None) -> Any:
    """As `load_dataset`, without the negatives that come with the files of the NCF paper."""
    found = load_dataset(name, data_dir)
    return getattr(found, "log", found)
