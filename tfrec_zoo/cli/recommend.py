"""tfrec-zoo recommend: ask an exported model, for one or for many."""

import argparse
import json
import pathlib
import sys
from typing import Any

from tfrec_zoo.cli.arguments import show
from tfrec_zoo.cli.datasets import DATASET_ARGUMENTS, add_dataset, load_again, load_given
from tfrec_zoo.cli.trained import read_result
from tfrec_zoo.needs import Need

HELP = "ask an exported model for recommendations"
EPILOG = """Files of requests have a row for each: columns named as the features, bags as lists, as
JSON text or as a|b. They and the answers are Parquet, CSV or JSON lines by the ends of their names
(.parquet, .csv, .jsonl; the latter two also with .gz). A run that was killed goes on where it was
if it is started again."""
NEEDS = (
    Need(
        ("output", "keep", "shard_size"),
        lambda given: given.request is None,
        "is for the answers to many, see --requests, --all-users and --test-users",
    ),
    Need(
        ("candidates",),
        lambda given: given.request is not None,
        "is for one request; many have a column of that name",
    ),
    Need(
        DATASET_ARGUMENTS,
        lambda given: given.all_users or given.test_users,
        "is for --all-users and --test-users, whose requests are made of a data set",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "directory",
        help="a SavedModel folder with its manifest.json, a pretrained model's name, or an archive "
        "or its URL: https://example.com/neumf.zip#sha256=...",
    )
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument(
        "--request", help='features by name, as JSON: {"history": ["v1", "v2"], "exclude": ["v3"]}'
    )
    asked.add_argument("--requests", metavar="FILE", help="a file with many requests, see below")
    asked.add_argument(
        "--all-users", action="store_true", help="ask for each user of a data set, at its end"
    )
    asked.add_argument(
        "--test-users",
        action="store_true",
        help="ask for each user with test items as before them, for `tfrec-zoo evaluate --lists`",
    )
    parser.add_argument(
        "--candidates",
        help="what a ranking model ranks, by default every item: ids, or lists of features by "
        'name, as JSON: ["v4", "v5"]',
    )
    parser.add_argument("--k", type=int, help="how many (default: at most 10)")
    parser.add_argument(
        "--include-history", action="store_true", help="also recommend items of the history"
    )
    parser.add_argument("--output", metavar="FILE", help="where the answers to many go")
    parser.add_argument(
        "--keep",
        metavar="COLUMNS",
        help="columns of the requests that the answers have too, such as user_id,country "
        "(default: all that are no features and no lists)",
    )
    parser.add_argument(
        "--shard-size", type=int, default=4096, help="requests at a time (default: 4096)"
    )
    add_dataset(parser, default=None, default_words="for users, what it was trained on")


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from tfrec_zoo.pretrained import load

    if arguments.request is None:
        _answer_many(arguments)
        return
    request = _json("--request", arguments.request)
    if not isinstance(request, dict):
        raise ValueError(f"`--request` must be a JSON object. Received: {arguments.request}")
    if arguments.include_history and "history" not in request:
        raise ValueError(
            "`--include-history` is for requests with a history, whose items are left out "
            f"otherwise: leave it out. Received: --request {arguments.request}"
        )
    candidates = None
    if arguments.candidates is not None:
        candidates = _json("--candidates", arguments.candidates)
        if isinstance(candidates, dict):
            candidates = {key: [values] for key, values in candidates.items()}
        elif isinstance(candidates, list):
            candidates = [candidates]
        else:
            raise ValueError(
                "`--candidates` must be a JSON array of ids, or an object of arrays. "
                f"Received: {arguments.candidates}"
            )
    served = load(arguments.directory)
    found = served.recommend(
        {key: [value] for key, value in request.items()},
        _k(served, arguments.k),
        candidates=candidates,
        include_history=arguments.include_history,
    ).drop(columns="row")
    show(arguments, found.to_dict("records"), found.to_string(index=False))


def _answer_many(arguments: argparse.Namespace) -> None:
    from tfrec_zoo.pretrained import load
    from tfrec_zoo.serving.batch import recommend_all
    from tfrec_zoo.serving.request_files import RequestFile, format_of
    from tfrec_zoo.serving.user_requests import user_requests

    if arguments.output is None:
        raise ValueError("`--output` must say which file the answers go to. Received: none")
    format_of(arguments.output)  # Better now than after loading.
    output = pathlib.Path(arguments.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    keep = None if arguments.keep is None else arguments.keep.split(",")
    requests: Any
    if arguments.requests is not None:
        requests = RequestFile(arguments.requests)
        served = load(arguments.directory)
    else:
        log, rows = (_tested if arguments.test_users else _all)(arguments)
        served = load(arguments.directory)
        requests = user_requests(log, set(served.accepts), rows)
        keep = [log.roles.user] if keep is None else keep
    answered = recommend_all(
        served,
        requests,
        output,
        _k(served, arguments.k),
        keep=keep,
        include_history=arguments.include_history,
        shard_size=arguments.shard_size,
        progress=sys.stderr.isatty() and not arguments.json,
    )
    content = {"output": str(output), "requests": answered}
    show(arguments, content, f"written: {output}, answers to {answered} requests")


def _all(arguments: argparse.Namespace) -> tuple[Any, None]:
    """The data set that is named, or else the one that the model was trained on."""
    if arguments.dataset is not None:
        return load_given(arguments), None
    must = "`--dataset` must name the data set whose users are asked for, unless the model is a"
    found = load_again(_result(arguments, must)["config"]["given"], arguments)
    return getattr(found, "log", found), None


def _tested(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The log before the test part of the model's task, and the rows of the users tested on."""
    import numpy as np

    from tfrec_zoo import tasks

    result = _result(arguments, "`--test-users` needs the task of the model, and so a")
    task = tasks.make_again(result, load_again(result["config"]["given"], arguments))
    if not isinstance(task, tasks.ItemTask):
        raise ValueError(
            "`--test-users` is for models of tasks that recommend items, such as next-watch. "
            f"Received: a model of the task {task.name!r}"
        )
    return task.before_test, np.unique(task.log.user_codes[task.test_rows])


def _result(arguments: argparse.Namespace, must: str) -> Any:
    """What `train` wrote of the model, which an error says must be there."""
    from tfrec_zoo import model_folders

    directory = model_folders.find(arguments.directory)
    if not (directory / "result.json").is_file():
        raise ValueError(f"{must} folder of `train`. Received: {arguments.directory}")
    return read_result(directory)


def _json(flag: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"`{flag}` must be JSON ({error}).") from error


def _k(served: Any, k: int | None) -> int:
    return min(10, served.longest or 10) if k is None else k
