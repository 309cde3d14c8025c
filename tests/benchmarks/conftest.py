"""How the tests of benchmarks get at the scripts, which belong to no package."""

import importlib.util
import pathlib
import types
from collections.abc import Callable, Iterator

import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def script() -> Iterator[Callable[[str], types.ModuleType]]:
    """Loads a script by its name, with the others beside it as if it were run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)

        def load(name: str) -> types.ModuleType:
            spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module

        yield load
