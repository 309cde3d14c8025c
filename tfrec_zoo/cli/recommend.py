"""tfrec-zoo recommend: ask an exported model."""

import argparse
import json

from tfrec_zoo.cli.arguments import show

HELP = "ask an exported model for recommendations"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "directory", help="a SavedModel folder with its manifest.json, or a pretrained model's name"
    )
    parser.add_argument(
        "--request",
        required=True,
        help='features by name, as JSON: {"history": ["v1", "v2"]}',
    )
    parser.add_argument("--k", type=int, help="how many (default: at most 10)")


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo.pretrained import load

    try:
        request = json.loads(arguments.request)
    except json.JSONDecodeError as error:
        raise ValueError(f"`--request` must be JSON ({error}).") from error
    if not isinstance(request, dict):
        raise ValueError(f"`--request` must be a JSON object. Received: {arguments.request}")
    found = load(arguments.directory).recommend({k: [v] for k, v in request.items()}, arguments.k)
    rows = found.loc[found["rank"] <= (arguments.k or 10), ["rank", "id", "score"]]
    show(arguments, rows.to_dict("records"), rows.to_string(index=False))
