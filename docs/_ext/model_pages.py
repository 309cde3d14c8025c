"""A page for each registered model, written to `docs/models` before the site is built.

What a page says is read off the registry, the docstrings, the presets and the results; the picture
and the parameters are those of a model on a small simulated log.
"""

import inspect
import pathlib
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from api_pages import directive, write_folder
from capabilities import capabilities
from matplotlib import rc_context
from matplotlib.transforms import Bbox
from sphinx.application import Sphinx

from tfrec_zoo import model_folders, plots, registry, tables, tasks
from tfrec_zoo.data import SimulatedLog, simulate
from tfrec_zoo.presets import PRESETS
from tfrec_zoo.registry import Entry
from tfrec_zoo.table_layouts import TABLES

_ABOUT_CAPABILITIES = """\
All of them do the tasks `next-watch`, `choice` and `ncf`, are exported as a SavedModel that takes
raw requests, and rank the whole catalogue or what is allowed. The third and the fourth column say
by what a user or an item is told that the model was not trained on: [new items, new
users](../new-items.md). `negatives` are drawn while training: [large
catalogues](../large-catalogues.md). `retrain` goes on from the day before, or makes the model anew.
One training may be spread over [several machines](../scale.md)."""
#: The same picture has the same bytes.
_SVG = {"svg.hashsalt": "tfrec_zoo", "font.size": 10}


def equation_of(module: Any) -> str:
    """The indented lines of a module's docstring, or else its last paragraph."""
    lines = inspect.getdoc(module).splitlines()
    indented = [line for line in lines if line.startswith("    ")]
    if not indented:
        indented = inspect.getdoc(module).rpartition("\n\n")[2].splitlines()
    # What follows after a wide space stands on a line of its own: phones are narrow.
    return re.sub(r"(?<=\S) {3,}(?=\S)", "\n", textwrap.dedent("\n".join(indented)))


def result_rows(page: str, rows: set[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """Yields the tables of the page of results that have some rows, with these rows alone.

    Args:
        page: What `tables.page` rendered.
        rows: The names of the table and of the row of each.

    Yields:
        The name of a table, and its lines. Columns without a value are left out, and so are rows
        without a result.
    """
    for name, section in zip(TABLES, page.split("\n## ")[1:], strict=True):
        lines = [line for line in section.splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        found = [line for line in cells[2:] if (name, line[0]) in rows and line[1] != "†"]
        if found:
            kept = [i for i in range(len(cells[0])) if any(line[i] for line in found)]
            shown = [cells[0], ["---"] * len(cells[0]), *found]
            yield name, [f"| {' | '.join(line[i] for i in kept)} |" for line in shown]


def _results(entry: Entry, page: str) -> list[str]:
    wanted = {(p.table, p.row) for p in PRESETS.values() if p.model == entry.name}
    parts = []
    for name, lines in result_rows(page, wanted):
        title = TABLES[name].title
        parts += [f"From [{title}](../results.md#{_slug(title)}):", "", *lines, ""]
    return ["## Results", "", *parts] if parts else []


def _slug(title: str) -> str:
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def _presets(entry: Entry) -> list[str]:
    found = [preset for preset in PRESETS.values() if preset.model == entry.name]
    if not found:
        return []
    lines = ["| preset | data | arguments |", "|---|---|---|"]
    for preset in found:
        arguments = ", ".join(f"{name}={value!r}" for name, value in preset.arguments.items())
        code = f"`{arguments}`" if arguments else "as by default"
        lines.append(f"| `{preset.name}` | {preset.dataset} | {code} |")
    command = f"tfrec-zoo train --preset {found[0].name} --output DIR"
    return ["## Presets", "", "```bash", command, "```", "", *lines, ""]


def _network(entry: Entry, log: SimulatedLog, folder: pathlib.Path) -> list[str]:
    cls = entry.load()
    if cls.takes_all_at_once or not cls.is_iterative:
        return [
            "It is solved or counted, not trained by gradients: there is no network to draw.",
            "",
        ]
    task = tasks.make(tasks.default_task(cls, log), log)
    model = cls(task.examples(cls, {}).fit_features())
    path = folder / f"{entry.module}.svg"
    with rc_context(_SVG):
        figure = plots.architecture(model)
        figure.draw_without_rendering()
        axes = figure.axes[0]
        drawn = [artist.get_window_extent() for artist in (*axes.patches, *axes.lines)]
        inches = Bbox.union(drawn).padded(10).transformed(figure.dpi_scale_trans.inverted())
        figure.savefig(path, bbox_inches=inches, metadata={"Date": None})
    about = f"With the default arguments, on the task `{task.name}` of a small simulated log. "
    about += "What stands beside an arrow is the shape of what passes, without the batch."
    return [
        *(":::{container} network", f"![The blocks of {entry.name}]({path.name})", ":::", ""),
        *(about, "", *_parameters(model)),
    ]


def _parameters(model: Any) -> list[str]:
    weights = model.trainable_weights
    total = sum(weight.shape.num_elements() for weight in weights)
    lines = ["| weight | shape | parameters |", "|---|---|---|"]
    for weight in weights:
        name = weight.name.removeprefix(f"{model.name}/").removesuffix(":0")
        shape = " × ".join(map(str, weight.shape)) or "1"
        lines.append(f"| `{name}` | {shape} | {weight.shape.num_elements():,} |")
    return [f":::{{dropdown}} {total:,} parameters on that log", *lines, ":::", ""]


def _page(entry: Entry, log: SimulatedLog, results: str, folder: pathlib.Path) -> str:
    cls = entry.load()
    module = inspect.getmodule(cls)
    source = f"../../tfrec_zoo/models/{entry.module}.py"
    about = inspect.getdoc(module).partition("\n")[0].partition(": ")[2]
    parts = [
        f"# {entry.name}",
        "",
        f"{about[:1].upper()}{about[1:]}",
        "",
        f":Family: {entry.family}, by default trained on the task `{entry.task}`",
        f":Paper: {entry.paper}",
        f":Trained: {', '.join(_trained(entry))}",
        f":Source: [{entry.module}.py]({source})",
        f":When to use it: {entry.use}",
        "",
        "```{code-block} text",
        ":class: equation",
        "",
        equation_of(module),
        "```",
        "",
        "## Network",
        "",
        *_network(entry, log, folder),
        *_results(entry, results),
        *_presets(entry),
        "## Arguments",
        "",
        directive("autoclass", f"tfrec_zoo.models.{entry.name}"),
    ]
    return "\n".join(parts)


def _trained(entry: Entry) -> list[str]:
    """The names by which `tfrec_zoo.load` loads a trained one, as links to their cards."""
    return [
        f"[`{name}`](../../saved_models/{name}/README.md)"
        for name in model_folders.names()
        if model_folders.result(name)["model"] == entry.name
    ]


def write_pages(app: Sphinx) -> None:
    """Writes the page of each model, and the front page of them."""
    folder = pathlib.Path(app.srcdir) / "models"
    folder.mkdir(exist_ok=True)
    log = simulate(num_users=60, num_items=40, num_days=8, seed=1)
    results = tables.page(pathlib.Path(app.srcdir) / "results")
    pages, parts = {}, ["# Models", ""]
    for family, about in (
        ("retrieval", "A query vector against all items: what to show, of everything there is."),
        ("ranking", "A logit per impression: in which order to show what was nominated."),
    ):
        parts += [f"## {family.capitalize()}", "", about, ""]
        parts += ["| model | task | idea |", "|---|---|---|"]
        for entry in registry.MODELS.values():
            if entry.family == family:
                pages[f"{entry.module}.md"] = _page(entry, log, results, folder)
                link = f"[{entry.name}]({entry.module}.md)"
                parts.append(f"| {link} | `{entry.task}` | {entry.idea} |")
        parts.append("")
    parts += ["## What each can do", "", _ABOUT_CAPABILITIES, "", *capabilities(log), ""]
    modules = [entry.module for entry in registry.MODELS.values()]
    parts += ["```{toctree}", ":hidden:", "", *modules, "```", ""]
    pages["index.md"] = "\n".join(parts)
    write_folder(folder, pages)


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
