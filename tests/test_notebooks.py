"""Every notebook runs from its first cell to its last, on less data, and shows what it should."""

import importlib.util
import pathlib
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest

FOLDER = pathlib.Path(__file__).parents[1] / "notebooks"
_SPEC = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
assert _SPEC is not None and _SPEC.loader is not None
execute = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(execute)

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
#: Parameters that make a notebook small, by its name.
SMALL: dict[str, dict[str, Any]] = {
    "01_quick_start": {"users": 120, "items": 100, "epochs": 2},
    "02_your_own_log": {"customers": 100, "products": 60, "epochs": 1},
    "03_features_and_quantiles": {"users": 80, "items": 60, "epochs": 1},
    "04_neural_collaborative_filtering": {"users": 80, "items": 120, "epochs": 2},
    "05_wide_and_deep": {"users": 80, "items": 60, "epochs": 1, "l1s": (0.1,)},
    "06_two_stages": {"users": 120, "items": 100, "epochs": 2},
    "07_sequences_and_two_towers": {"users": 120, "items": 100, "epochs": 1, "mapped": 60},
    "08_serving": {"users": 100, "items": 80},
    "09_example_age": {"size": "toy"},
}


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    """One process for all notebooks: TensorFlow is imported once."""
    kernel = execute.Kernel()
    yield kernel
    kernel.close()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_shows_what_it_did_when_it_was_written(path: pathlib.Path, kernel: Any) -> None:
    committed = nbformat.read(path, as_version=4)
    found = kernel.run(path, SMALL[path.stem])
    assert [cell.source for cell in found.cells] == [cell.source for cell in committed.cells]
    assert execute.shape(found) == execute.shape(committed)


def test_there_are_nine_and_they_are_small() -> None:
    assert [path.stem for path in NOTEBOOKS] == list(SMALL)
    for path in NOTEBOOKS:
        assert path.stat().st_size < 500_000
        notebook = nbformat.read(path, as_version=4)
        first, last = notebook.cells[0], notebook.cells[-1]
        assert first.source.startswith("# ") and last.source.startswith("**Next:** ")
        pictures = [kinds for cell in execute.shape(notebook) for kinds in cell]
        assert any("image/png" in kinds for kinds in pictures)
        numbers = [cell.execution_count for cell in execute.code_cells(notebook)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_what_arrives_in_pieces_is_one_text(kernel: Any, tmp_path: pathlib.Path) -> None:
    cell = nbformat.v4.new_code_cell("n = 1", metadata={"tags": ["parameters"]})
    slow = "import time\nfor i in range(3):\n    print(i * n, flush=True)\n    time.sleep(0.3)"
    cells = [cell, nbformat.v4.new_code_cell(slow)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "slow.ipynb")
    found = kernel.run(tmp_path / "slow.ipynb", {"n": 2})
    assert [output.text for output in found.cells[1].outputs] == ["0\n2\n4"]


def test_a_parameter_that_is_not_there(kernel: Any) -> None:
    with pytest.raises(ValueError, match=r"has no such parameters. Received: \['layers'\]"):
        kernel.run(NOTEBOOKS[0], {"layers": 3})
