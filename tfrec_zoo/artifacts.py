"""Artifacts: files and folders that are written atomically, with a manifest of their contents."""

import contextlib
import hashlib
import json
import os
import pathlib
import platform
import shutil
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
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        folder.chmod(0o755)
        yield folder
        old = None
        if target.exists():
            old = pathlib.Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
            os.replace(target, old / target.name)
        try:
            os.replace(folder, target)
        except BaseException:
            if old is not None:
                os.replace(old / target.name, target)
            raise
        finally:
            if old is not None:
                shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def atomic_write(path: str | pathlib.Path, text: str) -> None:
    """Writes a text file, atomically."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


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


def read_manifest(folder: str | pathlib.Path, verify: bool = False) -> dict[str, Any]:
    """Reads a manifest.

    Args:
        folder: Folder of the export.
        verify: Whether to compare every file with its SHA-256, and to refuse other files.

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
                raise ValueError(f"{folder / name} is {state}: export the model again.")
        more = sorted(set(found) - set(expected))
        if more:
            raise ValueError(
                f"{folder / more[0]} is not of this export: remove it, or export the model again."
            )
    return manifest
