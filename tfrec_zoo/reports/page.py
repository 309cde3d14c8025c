"""Pages: HTML that is built as a tree, so that no text of a user's can be taken for markup.

Figures are drawn once: they are shown in the page, and can be written as pictures beside it.
"""

from __future__ import annotations

import base64
import io
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from tfrec_zoo.artifacts import atomic_write, write_manifest
from tfrec_zoo.generations import next_generation
from tfrec_zoo.plots import require_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The file of a page, and the folder of its figures as pictures.
FILE, FIGURES = "report.html", "figures"

logger = logging.getLogger(__name__)

_STYLE = """
:root { color-scheme: light; --ink: #1f2937; --faint: #6b7280; --line: #e5e7eb; --brand: #0f766e; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 1.5rem 1rem 4rem; color: var(--ink);
  background: #fff; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--line); }
p { margin: .5rem 0; } .lead { color: var(--faint); overflow-wrap: anywhere; }
pre { background: #f6f8fa; padding: .75rem; border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .85rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .75rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { color: var(--faint); font-weight: 600; } tr.best td { color: var(--brand);
  font-weight: 600; }
table.facts td { text-align: left; overflow-wrap: anywhere; vertical-align: top; }
table.facts td:first-child { color: var(--faint); white-space: nowrap; }
.numbers { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }
.numbers div { border: 1px solid var(--line); border-radius: 8px; padding: .5rem .9rem; }
.numbers b { display: block; font-size: 1.3rem; color: var(--brand); font-weight: 650; }
.numbers span { color: var(--faint); font-size: .85rem; }
figure { margin: 1rem 0; overflow-x: auto; }
figure img { max-width: max(100%, 38rem); height: auto; }
figcaption, .note { color: var(--faint); font-size: .9rem; }
summary { cursor: pointer; color: var(--brand); }
"""


class Page:
    """A page that grows by what is added to it, from above.

    Args:
        title: Heading of the page.
        lead: A line below the heading.

    Example:

    >>> page = Page("<script>", "a & b")
    >>> page.paragraph("Text.")
    >>> "<h1>&lt;script&gt;</h1><p class=\\"lead\\">a &amp; b</p><p>Text.</p>" in page.html()
    True
    """

    def __init__(self, title: str, lead: str) -> None:
        self._figures: dict[str, Figure] = {}
        self._root = ET.Element("html", lang="en")
        head = ET.SubElement(self._root, "head")
        ET.SubElement(head, "meta", charset="utf-8")
        ET.SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
        ET.SubElement(head, "title").text = title
        ET.SubElement(head, "style").text = _STYLE
        self._body = ET.SubElement(self._root, "body")
        self._add("h1", title)
        self._add("p", lead, {"class": "lead"})

    def heading(self, text: str) -> None:
        """Begins a section."""
        self._add("h2", text)

    def paragraph(self, text: str) -> None:
        """Adds a paragraph."""
        self._add("p", text)

    def note(self, text: str) -> None:
        """Adds a paragraph that matters less."""
        self._add("p", text, {"class": "note"})

    def command(self, text: str) -> None:
        """Adds what was typed, or is to be typed."""
        self._add("pre", text)

    def numbers(self, values: Mapping[str, str]) -> None:
        """Adds a few numbers to be seen first, by their names."""
        row = self._add("div", None, {"class": "numbers"})
        for name, value in values.items():
            box = ET.SubElement(row, "div")
            ET.SubElement(box, "b").text = value
            ET.SubElement(box, "span").text = name

    def table(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], best: int | None = None
    ) -> None:
        """Adds a table.

        Args:
            headings: Headings of the columns.
            rows: The cells of each row.
            best: The row that stands out, if one does.
        """
        table = ET.SubElement(self._add("div", None, {"class": "scroll"}), "table")
        line = ET.SubElement(ET.SubElement(table, "thead"), "tr")
        for text in headings:
            ET.SubElement(line, "th").text = text
        _add_rows(ET.SubElement(table, "tbody"), rows, best)

    def facts(self, values: Mapping[str, Any], summary: str | None = None) -> None:
        """Adds names and what they are, line by line.

        Args:
            values: What they are by name.
            summary: What is shown in their place until it is clicked; None to show them.
        """
        parent = self._body
        if summary is not None:
            parent = self._add("details")
            ET.SubElement(parent, "summary").text = summary
        table = ET.SubElement(parent, "table", {"class": "facts"})
        _add_rows(table, [(name, str(value)) for name, value in values.items()])

    def figure(self, figure: Figure, name: str, caption: str) -> None:
        """Adds a figure, as SVG within the page.

        Args:
            figure: The figure.
            name: What its picture is called, without the suffix.
            caption: What it shows, in words.
        """
        if name in self._figures:
            raise ValueError(f"`name` must be new on the page. Received: {name!r}")
        self._figures[name] = figure
        import matplotlib

        picture = io.BytesIO()
        # No date and no random ids: what is drawn alike is alike to the byte.
        with matplotlib.rc_context({"svg.hashsalt": name}):
            figure.savefig(picture, format="svg", metadata={"Date": None})
        data = base64.b64encode(picture.getvalue()).decode()
        parent = self._add("figure")
        ET.SubElement(parent, "img", src=f"data:image/svg+xml;base64,{data}", alt=caption)
        ET.SubElement(parent, "figcaption").text = caption

    def html(self) -> str:
        """The page as text."""
        return "<!DOCTYPE html>\n" + ET.tostring(self._root, encoding="unicode", method="html")

    @property
    def figures(self) -> Mapping[str, Figure]:
        """The figures by their names."""
        return self._figures

    def write(self, folder: pathlib.Path, plot: bool = False) -> None:
        """Writes the page as `report.html`.

        Args:
            folder: Folder to write into.
            plot: Whether to write the figures beside it as well.
        """
        atomic_write(folder / FILE, self.html())
        if plot:
            self.write_figures(folder)

    def replace(self, folder: pathlib.Path, plot: bool) -> None:
        """Writes the page, and its figures if they are wanted, in place of those of an earlier run.

        Args:
            folder: Folder of the run.
            plot: Whether to write the figures; if not, those of an earlier run are removed.
        """
        self.write(folder)
        with next_generation(folder, optional=[FIGURES]) as drawn:
            if plot:
                self.write_figures(drawn)

    def write_figures(self, folder: pathlib.Path) -> None:
        """Writes each figure as a PNG file, `figures/NAME.png`, with a manifest.

        Args:
            folder: Folder to write into, in which there is no `figures`.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        require_matplotlib()
        if not self._figures:
            logger.warning("No figures are written: nothing can be drawn of this run.")
            return
        for name, figure in self._figures.items():
            picture = io.BytesIO()
            # No version: what is drawn alike is alike to the byte.
            figure.savefig(picture, format="png", dpi=150, metadata={"Software": None})
            atomic_write(folder / FIGURES / f"{name}.png", picture.getvalue())
        write_manifest(folder / FIGURES, {})

    def _add(
        self, tag: str, text: str | None = None, attributes: dict[str, str] | None = None
    ) -> ET.Element:
        element = ET.SubElement(self._body, tag, attributes or {})
        element.text = text
        return element


def _add_rows(table: ET.Element, rows: Sequence[Sequence[str]], best: int | None = None) -> None:
    for number, cells in enumerate(rows):
        row = ET.SubElement(table, "tr", {"class": "best"} if number == best else {})
        for cell in cells:
            ET.SubElement(row, "td").text = cell
