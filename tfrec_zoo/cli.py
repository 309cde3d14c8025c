"""The command line, tfrec-zoo."""

import argparse
import ast
import json
import logging
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

TABLES = (
    *("ctr", "ctr-without-ids", "ncf", "ncf-ablations"),
    *("next-watch", "ratings", "watch-time", "wide-deep"),
)
DATASETS = """simulated (the default; nothing to download), movielens/100k, movielens/1m and other
movielens versions through tensorflow-datasets, or a folder with interactions.parquet (or .csv) and,
if you have them, users, items, impressions and searches likewise, with columns user_id, item_id,
time, clicked, weight, page_id, query; or a folder with the files of the NCF paper"""


def _argument(text: str) -> tuple[str, Any]:
    """Reads `key=value`, the value a Python literal or else a string."""
    key, separator, value = text.partition("=")
    if not separator or not key.isidentifier():
        raise argparse.ArgumentTypeError(f"expected name=value. Received: {text!r}")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfrec-zoo", description="A zoo of recommender models.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_, description=help_)
        added.add_argument("--json", action="store_true", help="print JSON, for scripts")
        return added

    def data(added: argparse.ArgumentParser, default: str | None = "simulated") -> None:
        added.add_argument("--dataset", default=default, help=DATASETS)
        added.add_argument("--data-dir", help="where tensorflow-datasets keeps its data")

    def click_options(added: argparse.ArgumentParser) -> None:
        added.add_argument("--label", help="click prediction: the column of the label")
        added.add_argument("--threshold", type=float,
                           help="click prediction: labels above it are positives")  # fmt: skip
        added.add_argument("--spec", help="click prediction: a FeatureSpec, as a JSON file")

    added = command(
        "quickstart", "train both stages, export the funnel, ask it for recommendations"
    )
    data(added)
    added.add_argument("--output", default="quickstart", help="folder for the funnel and results")
    added.add_argument("--ranker", default="YouTubeRanking", help="a ranking model; see: list")
    added.add_argument("--seed", type=int, default=0)

    command("list", "list the models")

    added = command("train", "train a model, evaluate and export it")
    added.add_argument("model", help="name of a model; see: tfrec-zoo list")
    data(added)
    added.add_argument("--output", required=True, help="folder for the model and results")
    added.add_argument("--epochs", type=int, default=5)
    added.add_argument("--batch-size", type=int, default=1024)
    added.add_argument("--learning-rate", type=float, default=0.002)
    added.add_argument("--optimizer", default="adam",
                       help="such as lazy_adam, which moves the rows of a batch only")  # fmt: skip
    added.add_argument("--wide", type=_argument, action="append", default=[], metavar="NAME=VALUE",
                       help="with two optimizers, such as ftrl+adagrad, an argument of the first: "
                       "--wide l1_regularization_strength=0.001")  # fmt: skip
    added.add_argument("--clicks", nargs="?", const="with-ids", metavar="FEATURES",
                       help="predict clicks or likes, as `benchmark ctr` does, and stop early: "
                       "with-ids (the default), without-ids, with-ids-crossed, "
                       "without-ids-crossed")  # fmt: skip
    click_options(added)
    added.add_argument("--seed", type=int, default=0)
    added.add_argument("--set", type=_argument, action="append", default=[], metavar="NAME=VALUE",
                       help="an argument of the model: --set hidden_units=(64,32)")  # fmt: skip

    added = command("evaluate", "evaluate what `train` left, on the test part of its data")
    added.add_argument("directory", help="what was --output of train")
    data(added, default=None)

    added = command("export", "export what `train` left, with another index or list length")
    added.add_argument("directory", help="what was --output of train")
    added.add_argument("--output", required=True, help="folder for the SavedModel")
    added.add_argument("--index", choices=("auto", "exact", "scann"), default="auto")
    added.add_argument("--k", type=int, default=100, help="length of the lists")

    added = command("recommend", "ask an exported model for recommendations")
    added.add_argument("directory", help="a SavedModel folder, with its manifest.json")
    added.add_argument("--request", required=True,
                       help='features by name, as JSON: {"history": ["v1", "v2"]}')  # fmt: skip
    added.add_argument("--k", type=int, help="how many (default: at most 10)")

    added = command("benchmark", "make a table of results over seeds")
    added.add_argument("table", choices=TABLES)
    data(added)
    added.add_argument("--model", nargs="+", help="only the rows of these models")
    added.add_argument("--factors", type=int, nargs="+", help="only the rows of these sizes")
    added.add_argument("--output", required=True, help="folder for a result file per run")
    added.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    added.add_argument("--rows", nargs="+", help="only these rows of the table")
    click_options(added)
    added.add_argument("--metrics", nargs="+", help="only these columns of the table")
    return parser


def load_dataset(name: str, data_dir: str | None = None, seed: int = 0) -> Any:
    """Loads a data set by the name the command line gives it."""
    from tfrec_zoo import data

    if name == "simulated":
        return data.simulate(seed=seed)
    if name.startswith("movielens/"):
        return data.movielens(name.removeprefix("movielens/"), data_dir)
    folder = pathlib.Path(name)
    if any(folder.glob("*.train.rating*")):
        return data.read_ncf(folder)
    if not folder.is_dir():
        raise ValueError(f"`--dataset` must be {DATASETS}. Received: {name!r}".replace("\n", " "))
    return data.Log.read(folder)


def _load_log(name: str, data_dir: str | None, seed: int) -> Any:
    """As `load_dataset`, without the negatives that come with NCF files."""
    found = load_dataset(name, data_dir, seed)
    return getattr(found, "log", found)


def _print(arguments: argparse.Namespace, content: Any, text: str) -> None:
    print(json.dumps(content) if arguments.json else text)


def _verbosity(arguments: argparse.Namespace) -> int:
    """Progress bars on a terminal, a line per epoch elsewhere, nothing with --json."""
    if arguments.json:
        return 0
    return 1 if sys.stdout.isatty() else 2


def _lines(metrics: dict[str, float]) -> str:
    return "\n".join(f"{name:36s} {value:.4f}" for name, value in metrics.items())


def _list(arguments: argparse.Namespace) -> None:
    from tfrec_zoo import registry

    rows = [
        {"name": entry.name, "family": entry.family, "paper": entry.paper}
        for entry in registry.MODELS.values()
    ]
    text = "\n".join(f"{row['name']:20s} {row['family']:10s} {row['paper']}" for row in rows)
    _print(arguments, rows, text)


def _train(arguments: argparse.Namespace) -> None:
    from tfrec_zoo import recipes, registry
    from tfrec_zoo.evaluation import Result
    from tfrec_zoo.experiments import clicks
    from tfrec_zoo.models import saving
    from tfrec_zoo.serving import export
    from tfrec_zoo.training import Training

    registry.get(arguments.model)
    if arguments.epochs < 1 or arguments.batch_size < 1:
        raise ValueError("`--epochs` and `--batch-size` must be positive.")
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)  # Better now than after training.
    log = _load_log(arguments.dataset, arguments.data_dir, arguments.seed)
    training = Training(
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        optimizer=arguments.optimizer,
        wide=dict(arguments.wide),
        plateau=0.2 if arguments.clicks else None,
        seed=arguments.seed,
        verbose=_verbosity(arguments),
    )
    options = _click_options(vars(arguments))
    if options and not arguments.clicks:
        raise ValueError(
            f"Only click prediction has these options: add --clicks. Received: {options}"
        )
    try:
        if arguments.clicks:
            data = clicks.ClickData(log, **options)
            trained = clicks.train(
                arguments.model, data, training, arguments.clicks, **dict(arguments.set)
            )
        else:
            trained = recipes.train(arguments.model, log, training, **dict(arguments.set))
    except TypeError as error:
        if not arguments.set:
            raise
        # A wrong value is often found out far from where its name is known.
        raise TypeError(f"{error}. Received: --set {dict(arguments.set)}") from error
    config = {key: value for key, value in vars(arguments).items() if key != "json"}
    result = Result.of(
        log,
        model=arguments.model,
        metrics=trained.metrics,
        protocol=trained.protocol,
        seed=arguments.seed,
        config={**config, "set": dict(arguments.set), "wide": dict(arguments.wide)},
    )
    saving.save(trained.model, output / "checkpoint")
    export(trained.model, output / "model", result.to_config())
    result.write(output / "result.json")
    text = f"{_lines(trained.metrics)}\n\n{trained.protocol}; {log.name}\nwritten: {output}"
    _print(arguments, result.to_config(), text)


def _read_result(directory: pathlib.Path) -> dict[str, Any]:
    """What `train` wrote of itself."""
    path = directory / "result.json"
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        if {"dataset", "data_dir", "seed"} <= set(result["config"]):
            return result
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        pass
    raise ValueError(f"{path} is damaged, or not of `train`: train the model again.")


def _evaluate(arguments: argparse.Namespace) -> None:
    from tfrec_zoo import recipes
    from tfrec_zoo.experiments import clicks
    from tfrec_zoo.models import saving

    directory = pathlib.Path(arguments.directory)
    model = saving.restore(directory / "checkpoint")
    config = _read_result(directory)["config"]
    name, data_dir = arguments.dataset, arguments.data_dir
    if name is None:
        name, data_dir = config["dataset"], data_dir or config["data_dir"]
    log = _load_log(name, data_dir, config["seed"])
    if config.get("clicks"):
        data = clicks.ClickData(log, **_click_options(config))
        metrics, protocol = clicks.evaluate(model, data), data.protocol(config["clicks"])
    else:
        _, task, _ = recipes.make_task(type(model).__name__, log, config["seed"])
        metrics, protocol = recipes.evaluate(model, task), task.protocol
    _print(arguments, metrics, f"{_lines(metrics)}\n\n{protocol}; {log.name}")


def _export(arguments: argparse.Namespace) -> None:
    from tfrec_zoo.models import RetrievalModel, saving
    from tfrec_zoo.serving import export

    directory = pathlib.Path(arguments.directory)
    model = saving.restore(directory / "checkpoint")
    result = _read_result(directory)
    retrieval = isinstance(model, RetrievalModel)
    options = {"k": arguments.k, "index": arguments.index} if retrieval else {}
    export(model, arguments.output, result, **options)
    _print(arguments, {"output": arguments.output}, f"written: {arguments.output}")


def _recommend(arguments: argparse.Namespace) -> None:
    from tfrec_zoo.serving import load

    try:
        request = json.loads(arguments.request)
    except json.JSONDecodeError as error:
        raise ValueError(f"`--request` must be JSON ({error}).") from error
    if not isinstance(request, dict):
        raise ValueError(f"`--request` must be a JSON object. Received: {arguments.request}")
    found = load(arguments.directory).recommend({k: [v] for k, v in request.items()}, arguments.k)
    rows = found.loc[found["rank"] <= (arguments.k or 10), ["rank", "id", "score"]]
    _print(arguments, rows.to_dict("records"), rows.to_string(index=False))


def _quickstart(arguments: argparse.Namespace) -> None:
    from tfrec_zoo.quickstart import quickstart

    pathlib.Path(arguments.output).mkdir(parents=True, exist_ok=True)
    log = _load_log(arguments.dataset, arguments.data_dir, arguments.seed)
    result = quickstart(
        log, arguments.output, arguments.seed, quiet=arguments.json, ranker=arguments.ranker
    )
    if arguments.json:
        print(json.dumps(result))


def _benchmark(arguments: argparse.Namespace) -> None:
    from tfrec_zoo.experiments import tables

    if not arguments.json:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    rows = tables.select(arguments.table, arguments.rows, arguments.model, arguments.factors)
    log = load_dataset(arguments.dataset, arguments.data_dir)
    prepared = tables.prepare(arguments.table, log, **_click_options(vars(arguments)))
    results = tables.run(arguments.table, prepared, arguments.output, arguments.seeds, rows)
    _print(arguments, results, tables.markdown(results, arguments.metrics))


def _click_options(config: dict[str, Any]) -> dict[str, Any]:
    """The options of click prediction that were given."""
    names = ("label", "threshold", "spec")
    options = {name: config[name] for name in names if config.get(name) is not None}
    if "spec" in options:
        options["spec"] = read_spec(pathlib.Path(options["spec"]))
    return options


def read_spec(path: pathlib.Path) -> Any:
    """Reads a feature spec from a JSON file, as `FeatureSpec.to_json` writes it."""
    from tfrec_zoo.features import FeatureSpec

    try:
        return FeatureSpec.from_json(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no feature spec, as FeatureSpec.to_json() writes it: {error!r}"
        ) from error


def _errors() -> tuple[type[Exception], ...]:
    """What a command may fail with: of Python, and of TensorFlow if it runs."""
    tensorflow = sys.modules.get("tensorflow")
    found = (ValueError, TypeError, KeyError, OSError, ImportError, RuntimeError)
    return found if tensorflow is None else (*found, tensorflow.errors.OpError)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code: 0, or 2 with one line on stderr."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    arguments = _parser().parse_args(argv)
    run = {
        "benchmark": _benchmark,
        "evaluate": _evaluate,
        "export": _export,
        "list": _list,
        "quickstart": _quickstart,
        "recommend": _recommend,
        "train": _train,
    }[arguments.command]
    try:
        run(arguments)
    except _errors() as error:
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"tfrec-zoo: {' '.join(str(message).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
