"""Generations: files and folders of one output that are replaced together, or not at all.

    .next.…/  written  ──rename──▶  .ready/  ──part by part──▶  output/

Once `.ready` is there the new generation is whole, and whoever comes next moves what is left of it.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence

from tfrec_zoo.artifacts import MANIFEST, read_manifest, scratch, synced

_READY, _NEXT, _OLD = ".ready", ".next.", ".old."
#: A line that all cards have.
_OF_CARDS = "library_name: tfrec_zoo"


@contextlib.contextmanager
def next_generation(
    output: str | pathlib.Path, optional: Sequence[str] = ()
) -> Iterator[pathlib.Path]:
    """Yields an empty folder to write into, whose contents replace those of the same names.

    If anything fails, and whenever the process is killed, all of them are of one generation, once
    `finish` or the next `next_generation` has been there.

    Args:
        output: Folder of the parts; what else it holds stays.
        optional: Folders with a manifest that a generation may do without: where this one does,
            those of the one before are removed together with the rest of it.

    Raises:
        FileExistsError: If a part would replace what is not of this package.
    """
    output = pathlib.Path(output)
    output.mkdir(parents=True, exist_ok=True)
    finish(output)
    folder = scratch(output, _NEXT)
    try:
        yield folder
        for name in optional:
            if not (folder / name).exists() and _says_so(output / name / MANIFEST):
                (folder / name).mkdir()  # Empty, it stands for nothing.
        require_own(output, [path.name for path in folder.iterdir()])
        synced(folder)
        os.replace(folder, output / _READY)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finish(output)


def finish(output: pathlib.Path) -> None:
    """Moves what a killed process left to be moved, if it did."""
    ready = output / _READY
    if not ready.is_dir():
        return
    old = scratch(output, _OLD)
    for part in sorted(ready.iterdir()):
        target = output / part.name
        # Another process may be moving them as well.
        with contextlib.suppress(FileNotFoundError):
            os.replace(target, old / part.name)
        with contextlib.suppress(FileNotFoundError):
            if part.is_dir() and not any(part.iterdir()):
                part.rmdir()
            else:
                os.replace(part, target)
    synced(output, contents=False)
    with contextlib.suppress(FileNotFoundError):
        ready.rmdir()
    shutil.rmtree(old, ignore_errors=True)


def generation_of(checkpoint: pathlib.Path) -> str:
    """What tells the generation of a checkpoint from others: a digest of its files' hashes."""
    files = json.dumps(read_manifest(checkpoint)["files"], sort_keys=True)
    return hashlib.sha256(files.encode()).hexdigest()


def require_own(output: str | pathlib.Path, names: Sequence[str]) -> None:
    """Checks that nothing of anybody else's would be replaced, and that there can be written.

    Args:
        output: Folder of the parts.
        names: Names of the parts: folders with a manifest, and files that say that they are of this
            package, as `result.json` and cards do, or lie beside such a `result.json`.

    Raises:
        FileExistsError: If something is there that this package did not write.
        OSError: If the folder can't be written, or a part is a mount point.
    """
    output = pathlib.Path(output)
    if output.exists() and not output.is_dir():
        raise FileExistsError(f"The output must be a folder; there is a file. Received: {output}")
    output.mkdir(parents=True, exist_ok=True)
    scratch(output, _NEXT).rmdir()
    for name in names:
        path = output / name
        if path.is_mount():
            raise OSError(
                f"A mount point can't be replaced: choose another folder. Received: {path}"
            )
        if path.exists() and not _is_own(path):
            raise FileExistsError(
                f"{path} would be replaced, but is not what tfrec-zoo writes there: "
                "choose another folder, or remove it."
            )


def _is_own(path: pathlib.Path) -> bool:
    if path.is_dir():
        return (path / MANIFEST).is_file() or not any(path.iterdir())
    if path.suffix == ".md":  # People keep a README.md of their own beside results.
        return _OF_CARDS in path.read_text(encoding="utf-8", errors="replace").splitlines()
    return _says_so(path) or _says_so(path.parent / "result.json")


def _says_so(path: pathlib.Path) -> bool:
    try:
        return "tfrec_zoo" in json.loads(path.read_text(encoding="utf-8"))["versions"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
