"""Folders and files that appear whole or not at all: killed at every step, too."""

import hashlib
import json
import os
import subprocess
import sys

import pytest

from tfrec_zoo import artifacts


def tree(folder):
    """Every file under a folder, hidden ones too, with its text."""
    return {
        p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()
    }


def write(target, text):
    with artifacts.atomic_folder(target) as folder:
        (folder / "a.txt").write_text(text)
        (folder / "sub").mkdir()
        (folder / "sub" / "b.txt").write_text(text)


def test_a_new_folder(tmp_path):
    write(tmp_path / "deep" / "er" / "x", "1")
    assert tree(tmp_path) == {"deep/er/x/a.txt": "1", "deep/er/x/sub/b.txt": "1"}
    assert (tmp_path / "deep" / "er" / "x").stat().st_mode & 0o777 == 0o755


def test_replaces_all_of_an_old_folder(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "old.txt").write_text("old")
    write(str(tmp_path / "x"), "2")
    assert tree(tmp_path) == {"x/a.txt": "2", "x/sub/b.txt": "2"}


def test_is_not_there_before_the_end(tmp_path):
    with artifacts.atomic_folder(tmp_path / "x") as folder:
        assert list(folder.iterdir()) == []
        (folder / "a.txt").write_text("1")
        assert not (tmp_path / "x").exists()
    assert tree(tmp_path) == {"x/a.txt": "1"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_what_was_there(tmp_path, error):
    write(tmp_path / "x", "1")
    before = tree(tmp_path)
    for target in ("x", "y"):
        with pytest.raises(error):
            with artifacts.atomic_folder(tmp_path / target) as folder:
                (folder / "a.txt").write_text("2")
                raise error
    assert tree(tmp_path) == before
    assert os.listdir(tmp_path) == ["x"]


def test_a_failure_at_the_last_moment_puts_the_old_folder_back(tmp_path):
    write(tmp_path / "x", "1")
    before = tree(tmp_path)
    with pytest.raises(OSError):
        with artifacts.atomic_folder(tmp_path / "x") as folder:
            (folder / "a.txt").write_text("2")
            folder.rename(tmp_path / "elsewhere")  # So that there is nothing to move.
    (tmp_path / "elsewhere" / "a.txt").unlink()
    assert tree(tmp_path) == before
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "x"]


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "x").write_text("mine")
    with pytest.raises(FileExistsError, match="Received a file: .*x"):
        write(tmp_path / "x", "1")
    with pytest.raises(OSError):
        write(tmp_path / "x" / "y", "1")
    assert tree(tmp_path) == {"x": "mine"}


# Each Python-level change to the file system raises an audit event: killed before the n-th of them.
KILLED = """
import os, signal, sys
from tfrec_zoo import artifacts
target, left = sys.argv[1], int(sys.argv[2])
changes = {"os.mkdir", "os.rename", "os.rmdir", "os.remove", "os.chmod", "shutil.rmtree"}
def hook(event, arguments):
    global left
    if event in changes or (event == "open" and "w" in str(arguments[1])):
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
sys.addaudithook(hook)
if sys.argv[3] == "folder":
    with artifacts.atomic_folder(target) as folder:
        (folder / "a.txt").write_text("new")
        (folder / "b.txt").write_text("new")
else:
    artifacts.atomic_write(target, "new" * 1000)
"""


def test_a_folder_killed_at_every_step(tmp_path):
    states = []
    for step in range(40):
        target = tmp_path / str(step) / "x"
        with artifacts.atomic_folder(target) as folder:
            (folder / "old.txt").write_text("old")
        run = subprocess.run([sys.executable, "-c", KILLED, str(target), str(step), "folder"])
        found = tree(target) if target.exists() else {}
        # What there is, is whole; and where it is absent, the old one is beside it.
        assert found in ({}, {"old.txt": "old"}, {"a.txt": "new", "b.txt": "new"})
        if not found:
            assert "old" in tree(target.parent).values()
        states.append(found.keys() - {"b.txt"})
        if run.returncode == 0:
            break
        assert run.returncode == -9
    assert states[0] == {"old.txt"}
    assert states[-1] == {"a.txt"}
    assert os.listdir(target.parent) == ["x"]
    assert len(states) >= 8


def test_a_file_killed_at_every_step(tmp_path):
    states = []
    for step in range(20):
        target = tmp_path / str(step) / "x.json"
        artifacts.atomic_write(target, "old")
        run = subprocess.run([sys.executable, "-c", KILLED, str(target), str(step), "file"])
        states.append(target.read_text())
        if run.returncode == 0:
            break
        assert run.returncode == -9
    assert states[:-1] == ["old"] * (len(states) - 1)
    assert states[-1] == "new" * 1000
    assert len(states) >= 3


def test_write_whole(tmp_path):
    path = tmp_path / "deep" / "x.txt"
    artifacts.atomic_write(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    artifacts.atomic_write(str(path), "2")
    assert tree(tmp_path) == {"deep/x.txt": "2"}
    assert path.stat().st_mode & 0o777 == 0o644


def test_write_whole_that_fails(tmp_path):
    artifacts.atomic_write(tmp_path / "x", "1")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnicodeEncodeError):
        artifacts.atomic_write(tmp_path / "x", "\ud800")
    with pytest.raises(OSError):
        artifacts.atomic_write(tmp_path / "folder", "text")
    with pytest.raises(OSError):
        artifacts.atomic_write(tmp_path / "x" / "y", "text")
    assert tree(tmp_path) == {"x": "1"}
    assert sorted(os.listdir(tmp_path)) == ["folder", "x"]


def test_manifest(tmp_path):
    write(tmp_path / "x", "abc")
    folder = tmp_path / "x"
    artifacts.write_manifest(folder, {"model": "Popularity", "metrics": {"auc": 0.5}})
    manifest = artifacts.read_manifest(folder, verify=True)
    assert manifest == json.loads((folder / "manifest.json").read_text())
    # printf abc | sha256sum
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hashlib.sha256(b"abc").hexdigest() == digest
    assert manifest["files"] == {"a.txt": digest, "sub/b.txt": digest}
    assert manifest["metrics"] == {"auc": 0.5}
    assert {"tfrec_zoo", "python", "tensorflow", "numpy"} <= set(manifest["versions"])

    (folder / "sub" / "b.txt").write_text("abd")
    assert artifacts.read_manifest(folder) == manifest
    with pytest.raises(ValueError, match="b.txt is damaged: export the model again"):
        artifacts.read_manifest(folder, verify=True)
    (folder / "sub" / "b.txt").unlink()
    with pytest.raises(ValueError, match="b.txt is missing: export the model again"):
        artifacts.read_manifest(folder, verify=True)


def test_versions_are_recorded_and_not_compared(tmp_path):
    write(tmp_path / "x", "abc")
    folder = tmp_path / "x"
    artifacts.write_manifest(folder, {"model": "Popularity"})
    manifest = json.loads((folder / "manifest.json").read_text())
    for versions in ({**manifest["versions"], "tfrec_zoo": "99.0", "tensorflow": "1.0"}, {}):
        other = {**manifest, "versions": versions}
        (folder / "manifest.json").write_text(json.dumps(other))
        assert artifacts.read_manifest(folder, verify=True) == other


@pytest.mark.parametrize("text", ["", "[1]", "null", '{"model": "x"}', '{"files": [1]}'])
def test_a_damaged_manifest(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match="manifest.json is damaged: "):
        artifacts.read_manifest(tmp_path)


def test_no_manifest(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no manifest.json in {tmp_path}"):
        artifacts.read_manifest(tmp_path)


def test_versions_of_what_is_not_installed_are_left_out(monkeypatch):
    def version(package):
        if package == "scann":
            raise artifacts.metadata.PackageNotFoundError
        return "1"

    monkeypatch.setattr(artifacts.metadata, "version", version)
    assert "scann" not in artifacts.versions()
    assert artifacts.versions()["numpy"] == "1"
