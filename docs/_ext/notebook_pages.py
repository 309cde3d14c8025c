"""A page for each notebook, with what its cells showed when it was written; nothing is run."""

import json
import pathlib
from typing import Any

from api_pages import write_folder
from sphinx.application import Sphinx

_HEAD = """# Notebooks

Each runs on a CPU in less than two minutes, on data that it makes itself, and is run by the tests.
They are in the repository, in [notebooks](../../notebooks), to be opened in Jupyter:
`pip install "tfrec_zoo[notebooks]"`.
"""


def write_pages(app: Sphinx) -> None:
    """Writes the notebooks, and the front page of them, to `docs/notebooks`."""
    pages, rows = {}, ["| notebook | what it shows |", "|---|---|"]
    for path in sorted((pathlib.Path(app.srcdir).parent / "notebooks").glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                # The page is one folder further down than the notebook.
                source = "".join(cell["source"]).replace("](../docs/", "](../")
                cell["source"] = source.replace("](../tfrec_zoo/", "](../../tfrec_zoo/")
        title, _, about = "".join(notebook["cells"][0]["source"]).partition("\n")
        rows.append(f"| [{title.lstrip('# ')}]({path.name}) | {about.split('. ')[0].strip()} |")
        pages[path.name] = json.dumps(notebook)
    tree = ["```{toctree}", ":hidden:", "", *pages, "```", ""]
    pages["index.md"] = "\n".join([_HEAD, *rows, "", *tree])
    write_folder(pathlib.Path(app.srcdir) / "notebooks", pages)


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
