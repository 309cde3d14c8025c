"""Every notebook runs from its first cell to its last, on less data and for fewer epochs."""

import pathlib

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((pathlib.Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
#: What a notebook says, and what is run in its place.
SMALLER = {
    "01_from_a_log_to_recommendations": {
        "num_users=600, num_items=400": "num_users=150, num_items=120",
        "epochs=12": "epochs=2",
    },
    "02_neural_collaborative_filtering": {
        "num_users=400, num_items=200": "num_users=100, num_items=80",
        "epochs=8": "epochs=2",
        "range(1, 9)": "range(1, 3)",
        "epochs=5": "epochs=1",
    },
    "03_wide_and_deep": {
        "num_users=400, num_items=150": "num_users=100, num_items=80",
        "epochs=4": "epochs=1",
        "range(1, 5)": "range(1, 2)",
        "(0.0, 0.01, 0.1)": "(0.0, 0.1)",
    },
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for said, run in SMALLER[path.stem].items():
        cells = [c for c in notebook.cells if c.cell_type == "code" and said in c.source]
        assert len(cells) == 1, said
        cells[0].source = cells[0].source.replace(said, run)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    # The last cell asks the exported model and shows what it answered.
    assert notebook.cells[-1].outputs, "the last cell must show something"


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS
