"""Model versions: folders that are watched, loaded, swapped and retired."""

import contextlib
import dataclasses
import gc
import logging
import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tfrec_zoo.serving.client import Served
from tfrec_zoo.serving.load import load as load_export
from tfrec_zoo.serving.server.errors import RequestError
from tfrec_zoo.serving.server.loaded_model import LoadedModel
from tfrec_zoo.serving.version_folders import SAVED_MODEL, version_folders

logger = logging.getLogger(__name__)

#: What a folder holds: the path, size, time and number of each file.
_Stamp = tuple[tuple[str, int, int, int], ...]


@dataclasses.dataclass
class _Version:
    model: LoadedModel
    stamp: _Stamp
    leases: int = 0


class ModelVersions:
    """The versions of a model in a folder, of which the latest is served.

    The folder has a version in each numbered folder, `1`, `2` and so on, as TensorFlow Serving has
    it; or it is an export itself, which is version 1, and the next version whenever another export
    has replaced it. A version is served from when it is loaded; the one before is dropped when the
    last request to it has ended. What can't be loaded changes nothing, and is tried again when its
    files have changed.

    Args:
        folder: The folder.
        name: Name of the model, for messages.
        load: Loads an export.

    Raises:
        FileNotFoundError: If there is no version.
        ValueError, ImportError: If none can be loaded.
    """

    def __init__(
        self,
        folder: str | pathlib.Path,
        name: str = "model",
        load: Callable[[pathlib.Path], Served] = load_export,
    ) -> None:
        self.folder = pathlib.Path(folder)
        self.name = name
        self._load = load
        self._lock = threading.Lock()  # Of what leases see.
        self._refreshing = threading.Lock()
        self._current: _Version | None = None
        self._retiring: list[_Version] = []
        self._states: dict[int, tuple[str, str, str]] = {}
        self._tried: dict[int, _Stamp] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        error = self._refresh()
        if self._current is None:
            raise error or FileNotFoundError(
                f"There is no model in {self.folder}: expected a {SAVED_MODEL}, or numbered "
                "folders with one."
            )

    @property
    def current(self) -> LoadedModel:
        """The version that is served."""
        assert self._current is not None
        return self._current.model

    @contextlib.contextmanager
    def lease(self, number: int | None = None) -> Iterator[LoadedModel]:
        """Yields a version, which stays loaded meanwhile.

        Args:
            number: Number of the version, by default the latest.

        Raises:
            RequestError: If there is no such version.
        """
        with self._lock:
            held = self._current
            assert held is not None
            if number is not None and number != held.model.number:
                raise RequestError(
                    404, f"Servable not found for request: Specific({self.name}, {number})"
                )
            held.leases += 1
        try:
            yield held.model
        finally:
            with self._lock:
                held.leases -= 1

    def status(self, number: int | None = None) -> list[dict[str, Any]]:
        """What TensorFlow Serving says of all versions, or of one; the latest first.

        Raises:
            RequestError: If there is no such version.
        """
        with self._lock:
            states = dict(self._states)
        if number is not None:
            if number not in states:
                raise RequestError(404, f"Could not find version {number} of model {self.name}")
            states = {number: states[number]}
        return [
            {
                "version": str(version),
                "state": state,
                "status": {"error_code": code, "error_message": message},
            }
            for version, (state, code, message) in sorted(states.items(), reverse=True)
        ]

    def refresh(self) -> None:
        """Looks at the folder: loads what is newer, and drops what nobody asks any more."""
        self._refresh()

    def watch(self, seconds: float) -> None:
        """Starts to refresh every so many seconds, in a thread, until `close`."""

        def loop() -> None:
            while not self._stop.wait(seconds):
                try:
                    self._refresh()
                except Exception:
                    logger.exception("looking at %s failed", self.folder)

        self._stop.clear()
        self._thread = threading.Thread(target=loop, name="model-versions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops watching."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _refresh(self) -> Exception | None:
        """Refreshes; returns why the first version that was tried didn't load."""
        with self._refreshing:
            self._drop_idle()
            first: Exception | None = None
            for number, path in sorted(self._found().items(), reverse=True):
                if self._current is not None and number == self._current.model.number:
                    break
                stamp = _stamp(path)
                if self._tried.get(number) == stamp:
                    continue
                error = self._try(number, path, stamp)
                if error is None:
                    break
                first = first or error
            self._drop_idle()
            return first

    def _found(self) -> dict[int, pathlib.Path]:
        """The folders of the versions that there are."""
        if (self.folder / SAVED_MODEL).is_file():
            if self._current is None:
                return {1: self.folder}
            number = self._current.model.number
            return {number + (_stamp(self.folder) != self._current.stamp): self.folder}
        found = version_folders(self.folder)
        return {number: at for number, at in found.items() if (at / SAVED_MODEL).is_file()}

    def _try(self, number: int, path: pathlib.Path, stamp: _Stamp) -> Exception | None:
        """Loads a version and serves it from now on; returns why it doesn't load."""
        self._tried[number] = stamp
        self._say(number, "LOADING")
        try:
            model = LoadedModel.read(path, number, self._load)
            if _stamp(path) != stamp:
                raise ValueError(f"{path} changed while it was read.")
        except Exception as error:  # A server outlives whatever an export has in it.
            line = " ".join(str(error).split())
            self._say(number, "END", "UNKNOWN", line)
            if self._current is not None:
                logger.warning("version %d is not served: %s", number, line)
            return error
        version = _Version(model, stamp)
        with self._lock:
            old, self._current = self._current, version
            self._states[number] = ("AVAILABLE", "OK", "")
            if old is not None:
                self._retiring.append(old)
                self._states[old.model.number] = ("UNLOADING", "OK", "")
        if old is not None:
            logger.info("version %d is served after %d", number, old.model.number)
        return None

    def _say(self, number: int, state: str, code: str = "OK", message: str = "") -> None:
        with self._lock:
            self._states[number] = (state, code, message)

    def _drop_idle(self) -> None:
        with self._lock:
            idle = [version for version in self._retiring if not version.leases]
            self._retiring = [version for version in self._retiring if version.leases]
            for version in idle:
                self._states[version.model.number] = ("END", "OK", "")
        if idle:
            idle.clear()
            del version
            gc.collect()  # A SavedModel is full of cycles.


def _stamp(folder: pathlib.Path) -> _Stamp:
    """What the files of a folder look like from outside; empty where there is none."""
    found = []
    try:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                stat = path.stat()
                name = path.relative_to(folder).as_posix()
                found.append((name, stat.st_size, stat.st_mtime_ns, stat.st_ino))
    except OSError:
        return ()
    return tuple(found)
