"""Archives of models, on disk or behind a URL: checked, then unpacked into a cache.

What an archive holds is named by its SHA-256, which is compared before anything is opened. Models
are programs that TensorFlow runs: who gives the checksum says which one is meant.
"""

import http.client
import os
import pathlib
import re
import shutil
import stat
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib

from tfrec_zoo.artifacts import atomic_folder, scratch, sha256
from tfrec_zoo.version import __version__

#: Folder that archives are unpacked into, in place of `~/.cache/tfrec_zoo`.
ENVIRONMENT = "TFREC_ZOO_CACHE"
ENDINGS = (".zip", ".tar.gz", ".tgz", ".tar")
_DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error),
    *(EOFError, RuntimeError, NotImplementedError, OSError),
)
_SECONDS = 60.0


def is_archive(source: str | pathlib.Path) -> bool:
    """Whether a name is that of an archive: a URL, or a file that ends like one.

    Example:

    >>> is_archive("https://models.example.com/neumf.zip"), is_archive("neumf/movielens-100k")
    (True, False)
    """
    return _is_url(str(source)) or str(source).lower().endswith(ENDINGS)


def _is_url(source: str) -> bool:
    return "://" in source


def unpacked(
    source: str | pathlib.Path, checksum: str | None, cache: str | pathlib.Path | None = None
) -> pathlib.Path:
    """Unpacks an archive, unless that was done before, and returns the folder.

    Args:
        source: A `.zip`, `.tar`, `.tar.gz` or `.tgz` file, or its http(s) URL.
        checksum: The SHA-256 of the file, in hexadecimal digits.
        cache: Folder to unpack into; by default `$TFREC_ZOO_CACHE`, or `~/.cache/tfrec_zoo`.

    Raises:
        FileNotFoundError: If there is no such file.
        ConnectionError: If the URL can't be read.
        ValueError: If the checksum is missing or wrong, or the file is no archive, or one of
            anything but files and folders within it.
    """
    source = str(source)
    if checksum is None:
        raise ValueError(
            "An archive of a model is opened if its SHA-256 is the one that its publisher states: "
            f"give `sha256`, or add #sha256=… to the name. Received: {source!r} without"
        )
    checksum = checksum.lower()
    if not re.fullmatch("[0-9a-f]{64}", checksum):
        raise ValueError(f"`sha256` must be 64 hexadecimal digits. Received: {checksum!r}")
    folder = _cache(cache) / checksum
    if folder.is_dir():
        return folder
    if _is_url(source):
        folder.parent.mkdir(parents=True, exist_ok=True)
        working = scratch(folder.parent, ".download.")
        try:
            path = working / "archive"
            _download(source, path)
            _unpack(path, source, checksum, folder)
        finally:
            shutil.rmtree(working, ignore_errors=True)
    else:
        if not pathlib.Path(source).is_file():
            raise FileNotFoundError(f"There is no such archive. Received: {source!r}")
        _unpack(pathlib.Path(source), source, checksum, folder)
    return folder


def _cache(given: str | pathlib.Path | None) -> pathlib.Path:
    given = given or os.environ.get(ENVIRONMENT)
    return pathlib.Path(given) if given else pathlib.Path.home() / ".cache" / "tfrec_zoo"


def _download(url: str, path: pathlib.Path) -> None:
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError(f"A URL must begin with https:// or http://. Received: {url!r}")
    headers = {"User-Agent": f"tfrec_zoo/{__version__}"}
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer, path.open("wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
            expected = answer.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        error.close()
        raise ConnectionError(f"The server refuses {url!r}: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionError(
            f"{url!r} can't be read: try again, or give a file that is there. {error}"
        ) from error
    if expected is not None and path.stat().st_size != int(expected):
        raise ConnectionError(
            f"The connection ended early: try again. Received: {path.stat().st_size} of {expected} "
            f"bytes of {url!r}"
        )


def _unpack(path: pathlib.Path, source: str, checksum: str, folder: pathlib.Path) -> None:
    """Unpacks a file if it is the one that is meant."""
    found = sha256(path)
    if found != checksum:
        raise ValueError(
            f"{source!r} is not the archive that is meant, or damaged; it has not been opened. "
            f"Expected the SHA-256 {checksum}. Received: {found}"
        )
    with atomic_folder(folder) as target:
        try:
            if zipfile.is_zipfile(path):
                _unpack_zip(path, target)
            else:
                _unpack_tar(path, target)
        except _DAMAGE as error:
            raise ValueError(
                f"{source!r} can't be unpacked as a {' or '.join(ENDINGS)} file. {error}"
            ) from error


def _unpack_zip(path: pathlib.Path, target: pathlib.Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            _require_plain(member.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
        archive.extractall(target)


def _unpack_tar(path: pathlib.Path, target: pathlib.Path) -> None:
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        for member in members:
            _require_plain(member.name, member.isfile() or member.isdir())
        if hasattr(tarfile, "data_filter"):
            archive.extractall(target, members, filter="data")
        else:  # Pythons before 3.10.12 and 3.11.4.
            archive.extractall(target, members)


def _require_plain(name: str, is_plain: bool) -> None:
    """Refuses what is neither file nor folder, and what would lie outside the archive's folder."""
    path = pathlib.PureWindowsPath(name)  # Knows both kinds of slashes, and drives.
    if not is_plain or path.drive or path.root or ".." in path.parts:
        raise ValueError(
            "An archive of a model must hold files and folders within it, and no links. "
            f"Received: {name!r}"
        )
