"""Runs notebooks from the first cell to the last, and writes what their cells show into them.

python notebooks/execute.py                            # all of them
python notebooks/execute.py notebooks/01_quick_start.ipynb
"""

import argparse
import os
import pathlib
import re
import tempfile
from collections.abc import Mapping
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient

FOLDER = pathlib.Path(__file__).parent
#: The cell with this tag says how large data and models are.
PARAMETERS = "parameters"
_LOG = re.compile(r"(INFO|WARNING):tensorflow:")


class Kernel:
    """A process that notebooks run in, one after the other, each without the names of the last."""

    def __init__(self) -> None:
        self._manager = AsyncKernelManager(kernel_name="python3")

    def run(
        self, path: pathlib.Path, parameters: Mapping[str, Any] | None = None
    ) -> nbformat.NotebookNode:
        """Runs a notebook, in an empty folder.

        Args:
            path: The notebook.
            parameters: Values in place of those of the cell with the tag `parameters`.

        Returns:
            The notebook with what its cells show, and without what TensorFlow logs.
        """
        notebook = nbformat.read(path, as_version=4)
        [tagged] = [c for c in notebook.cells if PARAMETERS in c.metadata.get("tags", ())]
        source = tagged.source
        lines = [f"{name} = {value!r}" for name, value in (parameters or {}).items()]
        unknown = [name for name in parameters or {} if name not in source]
        if unknown:
            raise ValueError(f"{path.name} has no such parameters. Received: {unknown}")
        tagged.source = "\n".join([source, *lines])
        with tempfile.TemporaryDirectory() as folder:
            begin = f"import os\nos.chdir({folder!r})\n%reset -f"
            notebook.cells.insert(0, nbformat.v4.new_code_cell(begin))
            # How many pieces a text arrives in depends on how long its parts take.
            client = NotebookClient(notebook, timeout=600, km=self._manager, coalesce_streams=True)
            client.execute()
        del notebook.cells[0]
        tagged.source = source
        for number, cell in enumerate(code_cells(notebook), 1):
            cell.outputs = [o for o in map(_without_logs, cell.outputs) if o is not None]
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = number
            cell.execution_count = number
            cell.metadata.pop("execution", None)
        return notebook

    def close(self) -> None:
        """Ends the process."""
        if self._manager.has_kernel:
            run_sync(self._manager.shutdown_kernel)(now=True)


def _without_logs(output: Any) -> Any:
    """An output without what TensorFlow logs: to stderr, and to stdout in a notebook."""
    if output.output_type == "stream":
        lines = output.text.splitlines(keepends=True)
        output.text = "".join(line for line in lines if not _LOG.match(line)).strip("\n")
        return None if output.name == "stderr" or not output.text else output
    return output


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells that are run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shape(notebook: nbformat.NotebookNode) -> list[list[list[str]]]:
    """What each cell shows, whatever the numbers: the kinds of each of its outputs."""
    return [
        [sorted(output.get("data", {"text": ""})) for output in cell.outputs]
        for cell in code_cells(notebook)
    ]


def main() -> None:
    """Runs notebooks, and writes them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=pathlib.Path, help="default: all")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for path in arguments.notebooks or sorted(FOLDER.glob("*.ipynb")):
        kernel = Kernel()
        try:
            nbformat.write(kernel.run(path), path)
        finally:
            kernel.close()
        print(path)


if __name__ == "__main__":
    main()
