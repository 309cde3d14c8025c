"""tfrec-zoo add-items: a trained retrieval model that knows more items, without training."""

import argparse
import pathlib

from tfrec_zoo.cli.arguments import show

HELP = "add items to what `train` left, without training"
EPILOG = """The file has a row per item: its id in a column called as in training, its title, and
what the model reads of items or what their vectors start from. The items that the model knows score
the same as before."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "directory", help="what was --output of train, or a pretrained model's name"
    )
    parser.add_argument("--items", required=True, metavar="FILE", help=".parquet, .csv or .jsonl")
    parser.add_argument(
        "--output", required=True, help="folder for the new model, checkpoint and result.json"
    )
    parser.add_argument(
        "--new-rows",
        default="content",
        metavar="RULE",
        help="what vectors of new ids start from: content, mean, zeros, initial or "
        "category=COLUMN (default: content)",
    )
    parser.add_argument("--item", metavar="COLUMN", help="the ids (default: as in training)")
    parser.add_argument("--title", metavar="COLUMN", help="the titles (default: title)")
    parser.add_argument(
        "--bags",
        nargs="+",
        default=[],
        metavar="COLUMN",
        help="columns of lists, as JSON or cut at bars",
    )


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo.data.read import read_frame
    from tfrec_zoo.new_ids.new_rows import Category
    from tfrec_zoo.pretrained import load

    served = load(arguments.directory)
    item = None if served.item is None else served.item.key
    names = {arguments.item or item: item, arguments.title or "title": "title"}
    frame = read_frame(
        pathlib.Path(arguments.items), ids=[n for n in names if n], bags=arguments.bags
    )
    named = (arguments.item, arguments.title, *arguments.bags)
    missing = sorted(n for n in named if n and n not in frame)
    if missing:
        raise ValueError(
            f"{arguments.items} must have the columns that are named. Received none of {missing}"
        )
    rule, is_category, column = arguments.new_rows.partition("=")
    new_rows = Category(column) if rule == "category" and is_category else arguments.new_rows
    added = served.add_items(frame.rename(columns=names), arguments.output, new_rows)
    content = {"output": arguments.output, "added": added}
    show(arguments, content, f"written: {arguments.output}, with {added} more items")
