"""Renders the page of benchmark results from the files that the scripts left.

Each file `NAME.json` of the folder holds what `side_by_side.report` wrote: what is measured, the
command, the machine, and tables.
"""

import argparse
import json
import pathlib
from typing import Any

from side_by_side import markdown

_INTRODUCTION = """\
# Benchmark results

Rendered by `python benchmarks/page.py docs/benchmarks --output docs/benchmark-results.md` from the
files in [`docs/benchmarks`](benchmarks), which [the benchmarks](benchmarks.md) left there. Ratios
within one table compare; milliseconds of one section don't compare with those of another, because
the machines and their load differ. "cpu" is time of processors, which other load touches least.
"""


def page(folder: pathlib.Path) -> str:
    """The page, in Markdown."""
    paths = sorted(folder.glob("*.json"))
    return "\n".join([_INTRODUCTION, *(section(path) for path in paths)])


def section(path: pathlib.Path) -> str:
    """What a file holds: a heading, what is measured, the command, tables, the machine."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    parts = [f"## {path.stem.replace('-', ' ').capitalize()}", found["measures"]]
    parts.append(f"```bash\n{found['command']}\n```")
    for title, rows in found["tables"].items():
        parts += [f"{title}:", markdown(rows, found["digits"])]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    parts.append(
        f"{found['date'][:10]}, {found['cores']} cores, load {found['load_at_start']:.1f} at the "
        f"start; {versions}"
    )
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Renders the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="folder of result files")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="page to write")
    arguments = parser.parse_args()
    arguments.output.write_text(page(arguments.folder), encoding="utf-8")


if __name__ == "__main__":
    main()
