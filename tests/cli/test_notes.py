"""What commands tell of on stderr while they run."""

import logging

import pytest

from tfrec_zoo.cli.notes import notes, tell_progress


def test_progress_is_of_this_package_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", logging.WARNING)
    with notes():
        tell_progress()
        logging.getLogger("tfrec_zoo.tables").info("MF, seed 0")
        logging.getLogger("another").info("Load dataset info")
        logging.getLogger("another").warning("disk is full")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["MF, seed 0", "disk is full"]
