"""tfrec-zoo prepare: write a log that is larger than memory as shards, which `train` takes."""

import argparse
import sys
from typing import Any

from tfrec_zoo.cli.arguments import show
from tfrec_zoo.cli.datasets import READING, ROLES, given_reading

HELP = "write a log that is larger than memory as a folder of shards, which train takes"
EPILOG = """Each user is in one shard, sorted by time. Folders of interactions are read with all
that they hold, at any depth. The output is replaced if it is such a folder already:

  tfrec-zoo prepare --interactions days/ --items items.csv --output shards
  tfrec-zoo train YouTubeRetrieval --dataset shards --output DIR"""

#: What interactions alone don't have.
_OTHERS = ("impressions", "searches", "user-columns", "item-columns")
_ROLES = ("user", "item", "time", "weight")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "--interactions",
        nargs="+",
        required=True,
        metavar="FILE",
        help="files of interactions, and folders of them (.parquet, .csv, .tsv or .jsonl)",
    )
    parser.add_argument("--output", required=True, help="folder to write")
    parser.add_argument("--name", help="name of the data set (default: that of the first file)")
    parser.add_argument(
        "--shards", type=int, help="number of shards (default: one for half a million interactions)"
    )
    group = parser.add_argument_group("columns and files")
    for role in _ROLES:
        group.add_argument(
            f"--{role}", metavar="COLUMN", help=f"the {role} (default: {ROLES[role]})"
        )
    for name, (options, words) in READING.items():
        if name not in _OTHERS:
            group.add_argument(f"--{name}", help=words, **options)
    # What `given_reading` looks for.
    missing = {*ROLES, *(name.replace("-", "_") for name in READING)}
    missing -= {*_ROLES, *(name.replace("-", "_") for name in READING if name not in _OTHERS)}
    parser.set_defaults(**dict.fromkeys(missing))


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo.data.sharded import prepare

    reading: dict[str, Any] = given_reading(arguments)
    log = prepare(
        arguments.interactions,
        arguments.output,
        name=arguments.name,
        shards=arguments.shards,
        progress=sys.stderr.isatty() and not arguments.json,
        **reading,
    )
    users = sum(log.manifest["users"])
    content = {
        "output": arguments.output,
        "interactions": log.num_interactions,
        "users": users,
        "items": log.manifest["items"],
        "shards": log.num_shards,
        "checksum": log.checksum,
    }
    words = (
        f"{log.num_interactions} interactions of {users} users with {content['items']} items, "
        f"in {log.num_shards} shards\nwritten: {arguments.output}"
    )
    show(arguments, content, words)
