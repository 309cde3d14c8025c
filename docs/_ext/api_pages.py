"""A page for each public package, written to `docs/api` before the site is built."""

import importlib
import pathlib
from collections.abc import Mapping
from typing import Any

from sphinx.application import Sphinx

from tfrec_zoo import registry

#: The public packages, in the order in which data passes through them.
PACKAGES = (
    "data",
    "features",
    "tasks",
    "models",
    "layers",
    "losses",
    "optimizers",
    "metrics",
    "evaluation",
    "serving",
    "experiments",
    "plots",
    "reports",
)
#: What is at hand under `tfrec_zoo` and described with it: packages and models have other pages.
_FRONT_DOOR = ("train", "Training", "Run", "load", "from_preset", "retrain", "warm_start")
_FRONT_DOOR += ("add_items", "Category", "Content", "MineNegatives")


def write_folder(folder: pathlib.Path, pages: Mapping[str, str]) -> None:
    """Writes Markdown files and notebooks, and removes others.

    A file that is the same keeps its time, so that its page is not built again.
    """
    folder.mkdir(exist_ok=True)
    for path in [*folder.glob("*.md"), *folder.glob("*.ipynb")]:
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def directive(name: str, argument: str, *options: str) -> str:
    """A directive of reStructuredText, to be read within a page of Markdown."""
    lines = [f".. {name}:: {argument}", *(f"   {option}" for option in options)]
    return "\n".join(["```{eval-rst}", *lines, "```", ""])


def _front_door() -> str:
    parts = ["# tfrec_zoo", ""]
    parts += ["What is used most, at hand after `import tfrec_zoo as zoo`; so are `Log`, `Roles`,"]
    parts += ["`movielens`, `simulate` and `simulate_live` of [data](data.md), `Negatives` of"]
    parts += ["[losses](losses.md), and every [model](../models/index.md).", ""]
    module = importlib.import_module("tfrec_zoo")
    for name in _FRONT_DOOR:
        kind = "autoclass" if isinstance(getattr(module, name), type) else "autofunction"
        parts.append(directive(kind, f"tfrec_zoo.{name}"))
    return "\n".join(parts)


def _page(package: str) -> str:
    module = importlib.import_module(f"tfrec_zoo.{package}")
    parts = [f"# tfrec_zoo.{package}", ""]
    # Left out: what every layer has, and what is described further down or on another page.
    left_out = ["get_config"]
    if package == "models":
        parts += ["Each architecture has [a page of its own](../models/index.md).", ""]
        left_out += registry.MODELS
    if package == "experiments":
        left_out.append("EXPERIMENTS")
    hidden = f":exclude-members: {', '.join(left_out)}"
    parts.append(directive("automodule", module.__name__, hidden))
    if package == "experiments":
        for name, (file, cls) in module.EXPERIMENTS.items():
            parts += [f"## {name}", "", directive("autoclass", f"{module.__name__}.{file}.{cls}")]
    return "\n".join(parts)


def write_pages(app: Sphinx) -> None:
    """Writes the page of each package, and the front page of them."""
    names = ["tfrec_zoo", *PACKAGES]
    pages = {"tfrec_zoo.md": _front_door()}
    rows = ["| package | what it holds |", "|---|---|"]
    rows.append("| [tfrec_zoo](tfrec_zoo.md) | What is used most. |")
    for package in PACKAGES:
        pages[f"{package}.md"] = _page(package)
        about = (importlib.import_module(f"tfrec_zoo.{package}").__doc__ or "").partition("\n")[0]
        rows.append(f"| [tfrec_zoo.{package}]({package}.md) | {about} |")
    tree = ["```{toctree}", ":hidden:", "", *names, "```", ""]
    pages["index.md"] = "\n".join(["# API", "", *rows, "", *tree])
    write_folder(pathlib.Path(app.srcdir) / "api", pages)


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
