"""Excerpts of results within pages: what stands between two marks is rendered from result files.

A page quotes rows of a table, of an experiment or of a search, between comments that say which:

    <!-- table next-watch: popularity; EASE; SASRec | HR@10; CPU seconds -->
    <!-- /table -->
    <!-- experiment combiners/simulated-small: mean; sum | MAP -->
    <!-- /experiment -->
    <!-- search deepfm -->
    <!-- /search -->
    <!-- headlines -->
    <!-- /headlines -->

No rows, or no columns, stand for all of them.
"""

import json
import pathlib
import re
from collections.abc import Sequence

from tfrec_zoo import presets, tables
from tfrec_zoo.result_cells import cell, markdown_table, table_cells, values_of
from tfrec_zoo.table_layouts import TABLES

_BLOCK = re.compile(
    r"(?P<open><!-- (?P<kind>table|experiment|search|headlines)(?P<what> [^\n]*?)? -->\n)"
    r".*?(?P<close><!-- /(?P=kind) -->)",
    re.DOTALL,
)
_MARK = re.compile(r"<!-- (table|experiment|search|headlines)( [^\n]*?)? -->\n")
_WORDS = re.compile(r" (?P<name>[\w/.-]+)(?:: (?P<rows>[^|]*))?(?: ?\|(?P<columns>.*))?")

#: The rows of the headlines: table, heading of the metric, baseline, and the model beside it.
_HEADLINES = (
    ("next-watch-in-file-order", "HR@10", "popularity", "SASRec"),
    ("ncf", "HR@10", "Popularity", "EASE"),
    ("ctr", "AUC", "item-rates", "FactorizationMachine"),
    ("ctr", "AUC", "item-rates", "DeepFM"),
    ("watch-time", "weighted per-user loss", "no-hidden-layers", "weighted"),
    ("ratings", "RMSE", "damped-means", "FM"),
)


def filled(
    text: str,
    folder: str | pathlib.Path,
    paper: str | pathlib.Path | None = None,
    searches: str | pathlib.Path | None = None,
) -> str:
    """Renders the marked blocks of a page anew.

    Args:
        text: The page.
        folder: Folder of result files, `<table>/<row>-<seed>.json`.
        paper: Folder of what experiments left, `<experiment>/<dataset>-<size>/result.json`.
        searches: Folder of what searches left, `<name>/trial-<n>.json`.

    Returns:
        The page, whose other text stays as it is.

    Raises:
        FileNotFoundError: If a block names a search that there is not.
        ValueError: If a block doesn't end, or names a table, a row, a column, an experiment or a
            setting that there is not.
    """

    def block(match: re.Match[str]) -> str:
        kind, what = match["kind"], match["what"] or ""
        if kind == "headlines":
            lines = headlines(folder)
        else:
            name, rows, columns = _parsed(kind, what)
            if kind == "table":
                lines = _table(pathlib.Path(folder), name, rows, columns)
            elif kind == "search":
                lines = _search(searches, name, rows, columns)
            else:
                lines = _experiment(paper, name, rows, columns)
        return "\n".join([match["open"].rstrip("\n"), *lines, match["close"]])

    begun, ended = len(_MARK.findall(text)), len(_BLOCK.findall(text))
    if begun != ended:
        raise ValueError(
            "Each mark such as <!-- table … --> must be followed by its <!-- /table -->. "
            f"Received: {begun} marks, {ended} blocks"
        )
    return _BLOCK.sub(block, text)


def _parsed(kind: str, what: str) -> tuple[str, list[str], list[str]]:
    """The name of a block, its rows and its columns; empty lists stand for all."""
    words = _WORDS.fullmatch(what)
    if words is None:
        raise ValueError(
            f"A mark must be like <!-- {kind} NAME: row; row | column; column -->. "
            f"Received: <!-- {kind}{what} -->"
        )
    rows, columns = (
        [word.strip() for word in (words[part] or "").split(";") if word.strip()]
        for part in ("rows", "columns")
    )
    return words["name"], rows, columns


def _require(what: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"{what} must be of {list(known)}. Received: {unknown}")


def _table(folder: pathlib.Path, name: str, rows: list[str], columns: list[str]) -> list[str]:
    _require("Tables", [name], list(TABLES))
    shown = TABLES[name].columns
    _require(f"Columns of {name}", columns, list(shown))
    wanted = tables.select(name, rows or None)
    wanted.sort(key=lambda preset: rows.index(preset.row) if rows else 0)
    runs = {preset.row: tables.runs_of(folder / name, preset) for preset in wanted}
    return markdown_table(table_cells(runs, {key: shown[key] for key in columns or shown}))


def _experiment(
    folder: str | pathlib.Path | None, name: str, rows: list[str], columns: list[str]
) -> list[str]:
    from tfrec_zoo.experiments import EXPERIMENTS, get
    from tfrec_zoo.experiments.experiment import table
    from tfrec_zoo.experiments.measured import Results

    experiment, _, run = name.partition("/")
    _require("Experiments", [experiment], list(EXPERIMENTS))
    path = pathlib.Path(folder or ".") / experiment / run / "result.json"
    if folder is None or not path.is_file():
        raise ValueError(
            f"The block <!-- experiment {name} … --> is rendered from "
            f"<folder>/{experiment}/{run}/result.json: give the folder. Received: {folder}"
        )
    shown = get(experiment).columns
    _require(f"Columns of {experiment}", columns, list(shown))
    results = Results(json.loads(path.read_text(encoding="utf-8"))["runs"])
    frame = table(results, {key: shown[key] for key in columns or shown}).fillna("")
    _require(f"Settings of {experiment}", rows, frame["setting"].tolist())
    if rows:
        frame = frame.set_index("setting").loc[rows].reset_index()
    return markdown_table([list(frame.columns), *frame.astype(str).to_numpy().tolist()])


def _search(
    folder: str | pathlib.Path | None, name: str, rows: list[str], columns: list[str]
) -> list[str]:
    from tfrec_zoo.searching.trials import kept_trials, trial_cells

    if folder is None:
        raise ValueError(
            f"The block <!-- search {name} … --> is rendered from <folder>/{name}: give the folder "
            "of searches. Received: None"
        )
    trials, about = kept_trials(pathlib.Path(folder) / name)
    headings, *cells = trial_cells(trials, about["metric"])
    _require(f"Columns of {name}", columns, headings)
    _require(f"Trials of {name}", rows, [line[0] for line in cells])
    places = [headings.index(column) for column in columns or headings]
    kept = [headings, *(line for line in cells if not rows or line[0] in rows)]
    return markdown_table([[line[place] for place in places] for line in kept])


def headlines(folder: str | pathlib.Path) -> list[str]:
    """The lines of a table of a few rows of all tables, each beside its baseline.

    A row is left out unless there are result files of the model and of the baseline.

    Args:
        folder: Folder of result files, `<table>/<row>-<seed>.json`.
    """
    lines = [["table", "data", "metric", "baseline", "model", "published"]]
    for name, heading, *rows in _HEADLINES:
        table, cells = TABLES[name], []
        for row in rows:
            preset = presets.get(f"{name}/{row}")
            runs = tables.runs_of(pathlib.Path(folder) / name, preset)
            values = [values_of(run)[table.columns[heading]] for run in runs]
            cells += [f"{row} {cell(values)}"] if values else []
        if len(cells) == len(rows):
            published = tables.published_words(preset)
            lines.append([table.title, preset.dataset, heading, *cells, published])
    return markdown_table(lines)
