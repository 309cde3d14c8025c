"""Models in archives, on disk and on a server: nothing is opened that is not what is meant."""

import functools
import hashlib
import http.server
import io
import pathlib
import shutil
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator

import pytest

import tfrec_zoo
from tfrec_zoo import archives, cli, model_folders

MODEL = "popularity/movielens-100k"
WRONG = "0" * 64


def digest(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with archives of a pretrained model, of each kind."""
    folder = tmp_path_factory.mktemp("mirror")
    model = model_folders.find(MODEL)
    shutil.make_archive(str(folder / "flat"), "zip", model)
    shutil.make_archive(str(folder / "nested"), "gztar", model.parents[1], MODEL)
    shutil.make_archive(str(folder / "export"), "tar", model / "model")
    return folder


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files; of those called `cut` only the first half arrives."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if not self.path.startswith("/cut"):
            return super().do_GET()
        contents = pathlib.Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(contents)))
        self.end_headers()
        self.wfile.write(contents[: len(contents) // 2])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url(mirror: pathlib.Path) -> Iterator[str]:
    """The URL of a server of the mirror."""
    _Handler.asked.clear()
    handler = functools.partial(_Handler, directory=str(mirror))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def zipped(path: pathlib.Path, *members: str | zipfile.ZipInfo) -> pathlib.Path:
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, "hello")
    return path


def tarred(path: pathlib.Path, *members: tarfile.TarInfo) -> pathlib.Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            member.size = 5 if member.isfile() else 0
            archive.addfile(member, io.BytesIO(b"hello"))
    return path


@pytest.mark.parametrize("name", ["flat.zip", "nested.tar.gz", "export.tar"])
def test_files_hold_what_the_folder_holds(
    name: str, mirror: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    folder = model_folders.find(mirror / name, digest(mirror / name), tmp_path)
    own = model_folders.find(MODEL) / ("model" if name == "export.tar" else "")
    files = [path.relative_to(own) for path in sorted(own.rglob("*")) if path.is_file()]
    assert len(files) > 5
    assert files == [p.relative_to(folder) for p in sorted(folder.rglob("*")) if p.is_file()]
    assert all((folder / file).read_bytes() == (own / file).read_bytes() for file in files)


def test_a_model_from_a_mirror_answers_and_is_kept(
    url: str, mirror: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = tfrec_zoo.load(MODEL).recommend({"exclude": [["50"]]}, k=3)
    checksum = digest(mirror / "nested.tar.gz")
    monkeypatch.setenv(archives.ENVIRONMENT, str(tmp_path))
    for _ in range(2):  # The second time from the cache.
        served = tfrec_zoo.load(f"{url}/nested.tar.gz", sha256=checksum.upper())
        assert served.recommend({"exclude": [["50"]]}, k=3).equals(expected)
    assert _Handler.asked == ["/nested.tar.gz"]
    assert [path.name for path in tmp_path.iterdir()] == [checksum]
    model = tfrec_zoo.from_preset(f"{url}/nested.tar.gz#sha256={checksum}")
    assert type(model) is tfrec_zoo.Popularity and model.counts.numpy().max() > 400


def test_the_command_line_takes_the_same_names(
    mirror: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = mirror / "flat.zip"
    asked = [
        "recommend",
        f"{path}#sha256={digest(path)}",
        "--request",
        '{"exclude": []}',
        "--k",
        "1",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(archives.ENVIRONMENT, str(tmp_path))
        assert cli.main([*asked, "--json"]) == 0
    assert '"rank": 1' in capsys.readouterr().out
    assert cli.main(["recommend", str(path), "--request", "{}"]) == 2
    assert "opened if its SHA-256" in capsys.readouterr().err


def test_what_is_not_meant_is_not_opened(
    url: str, mirror: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    checksum = digest(mirror / "flat.zip")
    for name in (f"{url}/flat.zip", mirror / "flat.zip"):
        with pytest.raises(
            ValueError, match=f"not been opened. Expected .* 0{{64}}. Received: {checksum}"
        ):
            model_folders.find(name, WRONG, tmp_path)
        with pytest.raises(ValueError, match=r"give `sha256`, or add #sha256=….*flat.zip' without"):
            model_folders.find(name, cache=tmp_path)
        with pytest.raises(ValueError, match="must be 64 hexadecimal digits. Received: '12'"):
            model_folders.find(name, "12", tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="`sha256` is that of an archive"):
        model_folders.find(MODEL, WRONG)
    with pytest.raises(FileNotFoundError, match="no such archive. Received: '.*none.zip'"):
        model_folders.find(tmp_path / "none.zip", WRONG)


def test_an_interrupted_download_leaves_nothing(
    url: str, mirror: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    shutil.copy(mirror / "flat.zip", mirror / "cut.zip")
    size, checksum = (mirror / "flat.zip").stat().st_size, digest(mirror / "flat.zip")
    with pytest.raises(ConnectionError, match=f"{size // 2} of {size} bytes|can't be read"):
        model_folders.find(f"{url}/cut.zip", checksum, tmp_path)
    assert not list(tmp_path.iterdir())
    folder = model_folders.find(f"{url}/flat.zip", checksum, tmp_path)
    assert (folder / "result.json").is_file()


def test_servers_that_fail(url: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConnectionError, match="refuses 'http.*none.zip': .*404"):
        model_folders.find(f"{url}/none.zip", WRONG, tmp_path)
    with socket.socket() as closed:  # Bound, but not listening.
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionError, match="can't be read: try again"):
            model_folders.find(f"http://127.0.0.1:{closed.getsockname()[1]}/a.zip", WRONG, tmp_path)
    for other in ("file:///etc/passwd", "ftp://127.0.0.1/a.zip"):
        with pytest.raises(ValueError, match="must begin with https:// or http://"):
            model_folders.find(other, WRONG, tmp_path)
    assert not list(tmp_path.iterdir())


def _link(name: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    return member


def _zipped_link() -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("link")
    member.external_attr = 0o120777 << 16
    return member


@pytest.mark.parametrize(
    "member", ["../out", "model/../../out", "/out", "C:/out", "..\\out", _zipped_link()]
)
def test_zip_files_stay_in_their_folder(
    member: str | zipfile.ZipInfo, tmp_path: pathlib.Path
) -> None:
    path = zipped(tmp_path / "a.zip", "result.json", member)
    with pytest.raises(ValueError, match="files and folders within it, and no links. Received: "):
        archives.unpacked(path, digest(path), tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    assert {file.name for file in tmp_path.iterdir()} == {"a.zip", "cache"}


@pytest.mark.parametrize(
    "member",
    [
        *(tarfile.TarInfo(name) for name in ("../out", "a/../../out", "/out", "..\\out")),
        *(_link("link", kind) for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)),
        *(_link("device", kind) for kind in (tarfile.FIFOTYPE, tarfile.CHRTYPE)),
    ],
)
def test_tar_files_stay_in_their_folder(member: tarfile.TarInfo, tmp_path: pathlib.Path) -> None:
    path = tarred(tmp_path / "a.tar.gz", tarfile.TarInfo("result.json"), member)
    with pytest.raises(ValueError, match="files and folders within it, and no links. Received: "):
        archives.unpacked(path, digest(path), tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    assert {file.name for file in tmp_path.iterdir()} == {"a.tar.gz", "cache"}


def test_archives_of_something_else(tmp_path: pathlib.Path) -> None:
    path = zipped(tmp_path / "a.zip", "notes.txt", "more.txt")
    with pytest.raises(ValueError, match=r"a folder that `train`.*\['more.txt', 'notes.txt'\]"):
        model_folders.find(path, digest(path), tmp_path / "cache")
    for name, contents in (("b.zip", b"no archive"), ("c.tar.gz", b"\x1f\x8b cut"), ("d.zip", b"")):
        path = tmp_path / name
        path.write_bytes(contents)
        with pytest.raises(ValueError, match=f"{name}' can't be unpacked as a .zip or .tar.gz"):
            model_folders.find(path, digest(path), tmp_path / "cache")
