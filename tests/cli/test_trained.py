"""What `train` left: parts of different trainings are refused."""

import json
import pathlib

import pytest

from tfrec_zoo.artifacts import write_manifest
from tfrec_zoo.cli.trained import read_result
from tfrec_zoo.generations import generation_of


def left(folder: pathlib.Path, result: str | None, model: str | None) -> None:
    """Writes the parts: `"own"` is the generation of the checkpoint."""
    for name in ("checkpoint", "model"):
        (folder / name).mkdir()
        (folder / name / "weights").write_text(name)
    write_manifest(folder / "checkpoint", {})
    own = generation_of(folder / "checkpoint")
    said = {"own": {"generation": own}, "other": {"generation": "0" * 64}, None: {}}
    write_manifest(folder / "model", said[model])
    given = {"given": {"dataset": "d", "data_dir": None}}
    contents = {"task": "t", "dataset": "d", "checksum": "c", "config": given, **said[result]}
    (folder / "result.json").write_text(json.dumps(contents))


@pytest.mark.parametrize("generation", ["own", None])
def test_of_one_training_or_older_than_generations(
    tmp_path: pathlib.Path, generation: str | None
) -> None:
    left(tmp_path, generation, generation)
    assert read_result(tmp_path)["task"] == "t"


@pytest.mark.parametrize(
    ("result", "model", "parts"),
    [
        ("own", "other", "model"),
        ("own", None, "model"),
        ("other", "own", "checkpoint, model"),
        ("other", "other", "checkpoint"),
        # The result is that of a baseline, which leaves no parts of its own.
        (None, "own", "model"),
    ],
)
def test_of_different_trainings(
    tmp_path: pathlib.Path, result: str | None, model: str | None, parts: str
) -> None:
    left(tmp_path, result, model)
    with pytest.raises(ValueError, match=f"different trainings: .* Received: {parts} of another"):
        read_result(tmp_path)
