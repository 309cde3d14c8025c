"""Fixtures that more than one package's tests use."""

import contextlib
import gc
import json
import os
import pathlib
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

_REPOSITORY = pathlib.Path(__file__).resolve().parents[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Sends tests that share fixtures to one worker of xdist: those are made there alone."""
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    return GroupScheduling(config, log) if config.getoption("dist") == "load" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs notebooks before other groups of one test: last, one would run beside an idle worker."""
    items.sort(key=lambda item: "test_notebooks.py" not in item.nodeid)


def pytest_collection_finish() -> None:
    """Spares what costs a test more than it gains: tests run a graph once or twice.

    Garbage, of which TensorFlow makes a lot, is collected without looking at what was imported, and
    TensorFlow runs graphs as they were traced. In processes of their own, which ask the export of
    every model, run commands, notebooks and servers, it optimizes graphs as ever.
    """
    gc.freeze()
    if "tensorflow" in sys.modules:
        optimizer = sys.modules["tensorflow"].config.optimizer
        optimizer.set_experimental_options({"disable_meta_optimizer": True})


def _group(nodeid: str) -> str:
    """A file, a model, MovieLens, the command line or serving; notebooks, examples are apart."""
    path = nodeid.partition("::")[0]
    if path.startswith("tests/models/test_every_"):
        return nodeid.rpartition("[")[2].rpartition("-")[2]
    if path.endswith(("test_notebooks.py", "test_docstrings.py", "test_item_task.py")):
        return nodeid
    if path.endswith(("test_movielens.py", "test_saved_models.py")):
        return "movielens"
    shared = [name for name in ("cli", "serving") if path.startswith(f"tests/{name}/")]
    return shared[0] if shared else path


@pytest.fixture(scope="session")
def movielens_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A tfds data folder with MovieLens 100k; skips where there is none and none can be made."""
    data_dir = os.environ.get("TFDS_DATA_DIR")
    if data_dir and (pathlib.Path(data_dir) / "movielens" / "100k-ratings").exists():
        return pathlib.Path(data_dir)
    script = _REPOSITORY.parent / "shared" / "data" / "prepare_movielens.py"
    if not script.exists():
        pytest.skip(f"MovieLens 100k is not in $TFDS_DATA_DIR, and there is no {script}")
    folder = tmp_path_factory.mktemp("tfds")
    run = subprocess.run(
        [sys.executable, str(script), str(folder), "100k"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return folder


_ALONE = """
import contextlib, io, json, os, sys, traceback
import tensorflow

def imported(*names):
    return [module for module in sys.modules if module.startswith(names)]

for line in sys.stdin:
    program, arguments, text, folder = json.loads(line)
    os.chdir(folder)
    sys.argv, sys.stdin = ["-c", *arguments], io.StringIO(text)
    code, error = 0, ""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            exec(program, {"__name__": "__main__"})
            assert not imported("tfrec_zoo", "tensorflow_recommenders"), "It imports the package."
        except BaseException:
            code, error = 1, traceback.format_exc()
    is_fresh = not imported("tfrec_zoo", "tensorflow_recommenders", "scann")
    print(json.dumps([code, out.getvalue(), error, is_fresh]), flush=True)
"""


@pytest.fixture(scope="session")
def run_python(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs programs in a process that has TensorFlow alone: one that imports the package fails.

    They run one after the other, because TensorFlow takes seconds to import. Each has names,
    arguments, an input and a folder of its own, and none finds operations that another registered.
    """
    folder = tmp_path_factory.mktemp("alone")
    environment = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    process: Any = None
    with contextlib.ExitStack() as running, (folder / "stderr").open("w") as stderr:

        def run(
            program: str, *arguments: object, input: str = "", cwd: pathlib.Path = folder
        ) -> subprocess.CompletedProcess[str]:
            nonlocal process
            if process is None:
                process = running.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-c", _ALONE],
                        cwd=folder,
                        env=environment,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=stderr,
                        text=True,
                    )
                )
            asked = [program, [str(argument) for argument in arguments], input, str(cwd)]
            print(json.dumps(asked), file=process.stdin, flush=True)
            answer, is_fresh = process.stdout.readline(), False
            try:
                assert answer, (folder / "stderr").read_text()[-3000:]
                *result, is_fresh = json.loads(answer)
            finally:
                if not is_fresh:  # The next program gets another.
                    process.stdin.close()
                    process.wait()
                    process = None
            return subprocess.CompletedProcess(program, *result)

        yield run


@pytest.fixture(scope="session")
def scann_ops() -> Any:
    """ScaNN's operations; skips where they do not load, and says why."""
    from tfrec_zoo.scann_ops import load_scann_ops

    try:
        return load_scann_ops()
    except ImportError as error:
        pytest.skip(str(error))


@pytest.fixture
def broken_scann(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ScaNN that is installed, but built for another TensorFlow."""
    import tensorflow as tf

    class Broken(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name == "scann_ops":
                raise tf.errors.NotFoundError(None, None, "_scann_ops.so: undefined symbol: _ZN4")
            raise AttributeError(name)

    monkeypatch.setitem(sys.modules, "scann", Broken("scann"))


@pytest.fixture(scope="session")
def small_log() -> Any:
    """What 12 users gave 15 items: 4 to 7 stars of 1 to 5 each, with columns of both sides."""
    import numpy as np
    import pandas as pd

    from tfrec_zoo.data import Log

    rng = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"i{item}", 10.0 * moment + user)
        for user in range(12)
        for moment, item in enumerate(rng.choice(15, rng.integers(4, 8), replace=False))
    ]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "time"])
    users = {"user_id": [f"u{user}" for user in range(12)], "country": ["nl", "ee", "nl"] * 4}
    items = {
        "item_id": [f"i{item}" for item in range(15)],
        "title": [f"title {item}" for item in range(15)],
        "genres": [["a"], ["a", "b"], []] * 5,
    }
    frame["weight"] = rng.integers(1, 6, len(frame)).astype(float)
    return Log("small", frame, users=pd.DataFrame(users), items=pd.DataFrame(items))


@pytest.fixture(scope="session")
def simulated_log() -> Any:
    """Four days of impressions and watches, with what each was truly worth."""
    from tfrec_zoo.data import simulate

    return simulate(num_users=60, num_items=60, num_days=4, num_topics=4)


@contextlib.contextmanager
def _untraced() -> Iterator[None]:
    import tfrec_zoo  # noqa: F401 (chooses Keras 2)

    import tensorflow as tf  # isort: skip

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@pytest.fixture(scope="session")
def untraced() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """Returns a context that does what `eagerly` does, for part of a test or fixture."""
    return _untraced


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Runs functions without tracing them, which is faster for a model of a few batches."""
    with _untraced():
        yield


@pytest.fixture(scope="module")
def module_eagerly() -> Iterator[None]:
    """Does what `eagerly` does, for the fixtures of a module too."""
    with _untraced():
        yield
