"""Artifacts: files and folders that are written atomically, with a manifest of their contents."""

import contextlib
import ctypes
import hashlib
import json
import os
import pathlib
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from tfrec_zoo.version import __version__

MANIFEST = "manifest.json"


def versions() -> dict[str, str]:
    """Returns the versions of this package, of Python and of what results depend on."""
    found = {"tfrec_zoo": __version__, "python": platform.python_version()}
    for package in ("tensorflow", "tf-keras", "tensorflow-recommenders", "scann", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


@contextlib.contextmanager
def atomic_folder(target: str | pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields an empty folder to write into, which becomes `target` if all goes well.

    If anything fails, the new files are removed and previous contents of `target` stay unchanged.

    Args:
        target: Folder to create or replace.

    Raises:
        FileExistsError: If `target` is a file.
    """
    target = pathlib.Path(target)
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"Expected a folder, or nothing there yet. Received a file: {target}")
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = scratch(target.parent, f".{target.name}.")
    try:
        yield folder
        synced(folder)
        if not _exchange(folder, target):
            old = scratch(target.parent, f".{target.name}.")
            if target.exists():
                os.replace(target, old / target.name)
            try:
                os.replace(folder, target)
            except BaseException:
                if (old / target.name).exists():
                    os.replace(old / target.name, target)
                raise
            finally:
                shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _exchange(folder: pathlib.Path, target: pathlib.Path) -> bool:
    """Lets two folders change places at once, so that there is one at any moment.

    Returns:
        Whether it could be done: Linux can, where the file system can.
    """
    if sys.platform != "linux" or not target.exists():
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename(here, os.fsencode(folder), here, os.fsencode(target), exchange) == 0


def scratch(parent: pathlib.Path, prefix: str) -> pathlib.Path:
    """Makes a folder to work in, and removes those that killed processes left.

    Args:
        parent: Folder to make it in.
        prefix: What its name begins with. The machine and the process follow, so that folders of
            processes that live, or that nobody here can tell of, are left alone.
    """
    host = platform.node().replace(".", "-") or "here"
    for other in parent.glob(f"{prefix}{host}.*"):
        pid = other.name[len(prefix) + len(host) + 1 :].partition(".")[0]
        if pid.isdigit() and int(pid) != os.getpid() and not _is_alive(int(pid)):
            # What was moved away to be replaced, but was not, comes back.
            for moved in other.glob(prefix.strip(".")):
                if not (parent / moved.name).exists():
                    os.replace(moved, parent / moved.name)
            shutil.rmtree(other, ignore_errors=True)
    own = f"{prefix}{host}.{os.getpid()}."
    folder = pathlib.Path(tempfile.mkdtemp(prefix=own, dir=parent))
    folder.chmod(0o755)
    return folder


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # It is somebody else's.
    return True


def atomic_write(path: str | pathlib.Path, contents: str | bytes) -> None:
    """Writes a file, atomically; text as UTF-8."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(contents.encode() if isinstance(contents, str) else contents)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def synced(folder: pathlib.Path, contents: bool = True) -> None:
    """Waits until a folder, and the files in it, are on the disk.

    Args:
        folder: The folder.
        contents: Whether the files in it, at any depth, count.
    """
    paths = [path for path in folder.rglob("*") if not path.is_symlink()] if contents else []
    for path in (*paths, folder):
        if path.is_dir() and os.name == "nt":
            continue  # Windows syncs files alone.
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def file_hashes(folder: pathlib.Path) -> dict[str, str]:
    """Returns the SHA-256 of every file in a folder by relative path.

    The manifest is left out, and so are files whose names begin with a dot.
    """
    return {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST and not path.name.startswith(".")
    }


def sha256(path: str | pathlib.Path) -> str:
    """Returns the SHA-256 of a file of any size."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def write_manifest(folder: pathlib.Path, contents: dict[str, Any]) -> None:
    """Writes `manifest.json`: the given contents, versions, and the SHA-256 of every file."""
    manifest = {**contents, "versions": versions(), "files": file_hashes(folder)}
    atomic_write(folder / MANIFEST, json.dumps(manifest, indent=1))


def read_manifest(
    folder: str | pathlib.Path, verify: bool = False, again: str = "export the model again"
) -> dict[str, Any]:
    """Reads a manifest.

    Args:
        folder: Folder of the export.
        verify: Whether to compare every file with its SHA-256, and to refuse other files.
        again: What to do about a damaged folder, in words.

    Returns:
        The contents of the manifest.

    Raises:
        FileNotFoundError: If there is no export.
        ValueError: If the manifest or, when verifying, a file is damaged.
    """
    folder = pathlib.Path(folder)
    if not (folder / MANIFEST).is_file():
        raise FileNotFoundError(f"There is no exported model: no {MANIFEST} in {folder}.")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{folder / MANIFEST} is damaged: {error}") from error
    expected = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(expected, dict):
        raise ValueError(f"{folder / MANIFEST} is damaged: it doesn't say what the files are.")
    if verify:
        found = file_hashes(folder)
        for name, digest in expected.items():
            if found.get(name) != digest:
                state = "damaged" if name in found else "missing"
                raise ValueError(f"{folder / name} is {state}: {again}.")
        more = sorted(set(found) - set(expected))
        if more:
            raise ValueError(f"{folder / more[0]} is not of this export: remove it, or {again}.")
    return manifest
