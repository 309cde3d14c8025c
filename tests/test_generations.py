"""Generations: what a kill leaves is whole, of one generation, and of nobody else."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tfrec_zoo import artifacts, generations
from tfrec_zoo.artifacts import scratch, versions, write_manifest
from tfrec_zoo.generations import finish, next_generation, require_own

PARTS = ("model", "checkpoint", "result.json")


class Killed(BaseException):
    """Stands for the end of the process."""


def write(output: pathlib.Path, text: str) -> None:
    with next_generation(output) as folder:
        for name in ("model", "checkpoint"):
            (folder / name).mkdir()
            (folder / name / "weights").write_text(text)
            write_manifest(folder / name, {})
        (folder / "result.json").write_text(json.dumps({"text": text, "versions": versions()}))


def found(output: pathlib.Path) -> list[str]:
    texts = [(output / name / "weights").read_text() for name in ("model", "checkpoint")]
    return [*texts, json.loads((output / "result.json").read_text())["text"]]


def test_parts_are_replaced_and_others_stay(tmp_path: pathlib.Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    write(tmp_path, "old")
    write(tmp_path, "new")
    assert found(tmp_path) == ["new"] * 3
    assert {p.name for p in tmp_path.iterdir()} == {*PARTS, "notes.txt"}


@pytest.mark.parametrize("moves", range(8))
def test_a_kill_at_any_move_leaves_one_generation(
    tmp_path: pathlib.Path, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "old")
    replace, left = os.replace, [moves]

    def move(source: pathlib.Path, target: pathlib.Path) -> None:
        # The first moves are those of manifests; what counts begins with the folder as a whole.
        if pathlib.Path(target).parent == tmp_path or pathlib.Path(source).parent == tmp_path:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(generations.os, "replace", move)
        if moves < 7:  # The folder as a whole, then each part away and in.
            with pytest.raises(Killed):
                write(tmp_path, "new")
        else:
            write(tmp_path, "new")
    finish(tmp_path)
    assert found(tmp_path) == [["old"] * 3, ["new"] * 3][moves > 0]
    write(tmp_path, "last")
    assert found(tmp_path) == ["last"] * 3
    assert {p.name for p in tmp_path.iterdir() if not p.name.startswith(".old")} == {*PARTS}


def draw(output: pathlib.Path, text: str) -> None:
    with next_generation(output, optional=["figures"]) as folder:
        (folder / "result.json").write_text(json.dumps({"text": text, "versions": versions()}))
        if text == "old":
            (folder / "figures").mkdir()
            (folder / "figures" / "a.png").write_text(text)
            write_manifest(folder / "figures", {})


@pytest.mark.parametrize("moves", range(5))
def test_what_a_generation_does_without_goes_with_the_one_before(
    tmp_path: pathlib.Path, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path, "old")
    assert (tmp_path / "figures" / "a.png").read_text() == "old"
    left = [moves]

    def dying(act: Any, *parents: pathlib.Path) -> Any:
        def move(*paths: pathlib.Path) -> None:
            if any(pathlib.Path(path).parent in parents for path in paths):
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
            act(*paths)

        return move

    with monkeypatch.context() as patch:
        patch.setattr(generations.os, "replace", dying(os.replace, tmp_path))
        patch.setattr(pathlib.Path, "rmdir", dying(pathlib.Path.rmdir, tmp_path / ".ready"))
        # The folder as a whole, figures away and their sign, the result away and in.
        with pytest.raises(Killed):
            draw(tmp_path, "new")
    finish(tmp_path)
    text = json.loads((tmp_path / "result.json").read_text())["text"]
    assert text == ("new" if moves else "old")
    assert (tmp_path / "figures").exists() == (text == "old")
    draw(tmp_path, "new")
    assert {p.name for p in tmp_path.iterdir() if not p.name.startswith(".old")} == {"result.json"}


def test_a_folder_of_ones_own_stays_where_a_generation_does_without(tmp_path: pathlib.Path) -> None:
    own = tmp_path / "figures"
    own.mkdir()
    for contents in (None, "{}", '{"versions": {"other": "1"}}'):
        if contents is not None:
            (own / "manifest.json").write_text(contents)
        draw(tmp_path, "new")
        assert own.is_dir()


def test_an_error_changes_nothing(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "old")
    with pytest.raises(OSError, match="full"), next_generation(tmp_path) as folder:
        (folder / "model").mkdir()
        raise OSError("full")
    assert found(tmp_path) == ["old"] * 3 and {p.name for p in tmp_path.iterdir()} == {*PARTS}


@pytest.mark.parametrize("name", PARTS)
def test_what_is_not_ours_is_refused_before_and_after(tmp_path: pathlib.Path, name: str) -> None:
    foreign = tmp_path / name
    if name == "result.json":
        foreign.write_text('{"votes": 3}')
    else:
        foreign.mkdir()
        (foreign / "photo.png").write_bytes(b"mine")
    for act in (lambda: require_own(tmp_path, PARTS), lambda: write(tmp_path, "new")):
        with pytest.raises(FileExistsError, match=f"{name} would be replaced, but is not what"):
            act()
    assert {p.name for p in tmp_path.iterdir()} == {name}
    assert foreign.is_file() or (foreign / "photo.png").read_bytes() == b"mine"


def test_a_file_is_ours_that_lies_beside_our_result(tmp_path: pathlib.Path) -> None:
    (tmp_path / "recommend.py").write_text("mine")
    with pytest.raises(FileExistsError, match=r"recommend\.py would be replaced"):
        require_own(tmp_path, ["recommend.py"])
    (tmp_path / "result.json").write_text(json.dumps({"versions": versions()}))
    require_own(tmp_path, ["recommend.py", "result.json"])


def test_a_readme_of_ones_own_beside_our_result_is_not_replaced(tmp_path: pathlib.Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({"versions": versions()}))
    readme = tmp_path / "README.md"
    readme.write_text("# What I tried\n")
    with pytest.raises(FileExistsError, match=r"README\.md would be replaced"):
        require_own(tmp_path, ["README.md"])
    assert readme.read_text() == "# What I tried\n"
    readme.write_text("---\nlibrary_name: tfrec_zoo\n---\n")
    require_own(tmp_path, ["README.md"])


def test_a_folder_that_cannot_be_written_is_found_first(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        require_own(tmp_path / "file" / "output", PARTS)


def test_a_read_only_folder_is_found_first(tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o555)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("the superuser writes to read-only folders")
        with pytest.raises(PermissionError):
            require_own(tmp_path, PARTS)
    finally:
        tmp_path.chmod(0o755)
    assert not list(tmp_path.iterdir())


def test_a_mount_point_is_found_first(tmp_path: pathlib.Path) -> None:
    # An absolute path takes the place of what it is joined to: the root is mounted everywhere.
    with pytest.raises(OSError, match="A mount point can't be replaced: .* Received: /$"):
        require_own(tmp_path, ["/"])
    assert not list(tmp_path.iterdir())


def test_a_folder_that_vanishes_is_made_again_by_the_next(tmp_path: pathlib.Path) -> None:
    output = tmp_path / "run"
    write(output, "old")
    with pytest.raises(FileNotFoundError, match="run"), next_generation(output):
        shutil.rmtree(output)
    assert not list(tmp_path.iterdir())
    write(output, "new")
    assert found(output) == ["new"] * 3


def test_leftovers_of_dead_processes_alone_are_removed(tmp_path: pathlib.Path) -> None:
    program = (
        "import pathlib, sys; from tfrec_zoo.artifacts import scratch; "
        "print(scratch(pathlib.Path(sys.argv[1]), '.x.'), flush=True); sys.stdin.read()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)
    ]  # fmt: skip
    dead, living = (pathlib.Path(process.stdout.readline().strip()) for process in processes)
    processes[0].kill()
    processes[0].wait()
    elsewhere = tmp_path / ".x.another-machine.1.abc"
    elsewhere.mkdir()
    mine = scratch(tmp_path, ".x.")
    assert {p.name for p in tmp_path.iterdir()} == {living.name, elsewhere.name, mine.name}
    assert dead.parent == tmp_path and not dead.exists()
    processes[1].communicate("")


def test_folders_of_a_killed_write_are_removed_by_the_next(tmp_path: pathlib.Path) -> None:
    program = (
        "import os, signal, sys; from tfrec_zoo.artifacts import atomic_folder\n"
        "with atomic_folder(sys.argv[1]) as folder:\n"
        "    (folder / 'half').write_text('x'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    target = tmp_path / "export"
    process = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert process.returncode < 0 and len(list(tmp_path.iterdir())) == 1
    with artifacts.atomic_folder(target) as folder:
        (folder / "whole").write_text("x")
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_that_was_moved_away_comes_back(
    tmp_path: pathlib.Path, can_exchange: bool
) -> None:
    program = (
        "import os, pathlib, signal, sys; from tfrec_zoo import artifacts\n"
        "replace, target = os.replace, pathlib.Path(sys.argv[1])\n"
        "if sys.argv[2] == 'False': artifacts._exchange = lambda *_: False\n"
        "def dying(source, to):\n"
        "    if pathlib.Path(to) == target: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    replace(source, to)\n"
        "os.replace = dying\n"
        "with artifacts.atomic_folder(target) as folder: (folder / 'new').write_text('x')"
    )
    target = tmp_path / "export"
    with artifacts.atomic_folder(target) as folder:
        (folder / "old").write_text("x")
    command = [sys.executable, "-c", program, str(target), str(can_exchange)]
    process = subprocess.run(command, check=False)
    if can_exchange:
        assert process.returncode == 0 and [p.name for p in target.iterdir()] == ["new"]
    else:
        assert process.returncode < 0 and not target.exists()
        with pytest.raises(OSError, match="full"), artifacts.atomic_folder(target):
            raise OSError("full")
        assert [p.name for p in target.iterdir()] == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["export"]
