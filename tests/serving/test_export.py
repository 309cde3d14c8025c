"""Exports: whole or not at all, and damage to them is found."""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tfrec_zoo

# isort: split
import tensorflow as tf

from tfrec_zoo.features import EmbeddingColumn, Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import FactorizationMachine, YouTubeRetrieval
from tfrec_zoo.serving import export, load
from tfrec_zoo.serving import export as export_function
from tfrec_zoo.serving.export import ServedModel

# Whole or not at all.


def snapshot(folder: pathlib.Path) -> dict[str, str]:
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_replaces_an_earlier_export(world, tmp_path):
    directory = tmp_path / "deep" / "model"
    assert export(world.sources["popular"], directory, k=3) == directory
    assert load(directory).recommend({"country": ["IN"]}).shape[0] == 3
    export(world.sources["popular"], str(directory), k=4)
    assert load(directory).recommend({"country": ["IN"]}).shape[0] == 4
    assert os.listdir(tmp_path / "deep") == ["model"]


@pytest.mark.parametrize("cls", [YouTubeRetrieval, FactorizationMachine])
def test_an_export_over_another_is_of_the_weights_of_now(cls, tmp_path):
    is_retrieval = cls is YouTubeRetrieval
    item, user = VocabularyColumn("item"), EmbeddingColumn(VocabularyColumn("user"), 2)
    spec = FeatureSpec((user,), (item if is_retrieval else EmbeddingColumn(item, 2),))
    features = Features.fit(spec, {"user": ["a", "b"], "item": ["x", "y", "z"]})
    width = {"hidden_units": (2,)} if is_retrieval else {"embedding_dim": 2}
    model, other = (cls(features, **width, seed=seed) for seed in (1, 2))
    kwargs = {"k": 3} if is_retrieval else {}
    export(model, tmp_path / "model", **kwargs)  # It has not been called yet.
    rows = {"user": np.array(["a", "b"]), "item": np.array(["z", "x"])}
    if is_retrieval:
        expected = -np.sort(-other.scores(rows).numpy(), axis=1)
    else:
        expected = other.predictions(other(rows)).numpy()
    for variable, value in zip(model.variables, other.variables, strict=True):
        variable.assign(value)
    export(model, tmp_path / "model", {"seed": 2}, **kwargs)
    served = load(tmp_path / "model", verify=True)
    assert served.manifest["seed"] == 2
    found = served({key: rows[key].tolist() for key in served.request if key in rows})
    np.testing.assert_allclose(found["scores" if is_retrieval else "predictions"], expected, 1e-5)


@pytest.mark.parametrize("where", ["saving", "manifest"])
def test_a_failing_export_leaves_the_old_one(world, tmp_path, where, monkeypatch):
    directory = tmp_path / "model"
    export(world.sources["popular"], directory, k=3)
    before = snapshot(tmp_path)
    if where == "saving":

        class Broken(ServedModel):
            request = {}

            def signatures(self):
                return {"serving_default": "no function"}

        with pytest.raises((TypeError, ValueError)):
            export(Broken(), directory)
    else:
        with pytest.raises(TypeError, match="not JSON serializable"):
            export(world.sources["popular"], directory, {"seed": object()})
    assert snapshot(tmp_path) == before
    assert os.listdir(tmp_path) == ["model"]


def test_a_failing_export_leaves_nothing_where_nothing_was(world, tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        export(world.sources["popular"], tmp_path / "model", {"seed": object()})
    assert os.listdir(tmp_path) == []


def test_does_not_replace_what_is_no_export(world, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match=f"one with other files: {tmp_path}"):
        export(world.sources["popular"], tmp_path)
    with pytest.raises(FileExistsError, match="Received a file: .*thesis.txt"):
        export(world.sources["popular"], tmp_path / "thesis.txt")
    assert snapshot(tmp_path).keys() == {"thesis.txt"}
    (tmp_path / "empty").mkdir()
    export(world.sources["popular"], tmp_path / "empty")


KILLED = """
import sys
import tfrec_zoo
import numpy as np
from tfrec_zoo.features import *
from tfrec_zoo.models import Popularity
from tfrec_zoo.serving import export
spec = FeatureSpec(candidate=(VocabularyColumn("video_id"),))
items = np.array([f"v{i}" for i in range(100)], object)
model = Popularity(Features.fit(spec, {"video_id": items}))
print("ready", flush=True)
while True:
    export(model, sys.argv[1], k=5)
    print("exported", flush=True)
"""


def test_killed_in_the_middle(tmp_path):
    """The first time or a later one, the folder is absent or whole; see also test_artifacts."""
    states = []
    process = None
    try:
        for delay in (0.0, 0.25):
            directory = tmp_path / f"at_{delay}" / "model"
            process = subprocess.Popen(
                [sys.executable, "-c", KILLED, str(directory)], stdout=subprocess.PIPE, text=True
            )
            assert process.stdout.readline() == "ready\n"
            if delay:
                assert process.stdout.readline() == "exported\n"
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.wait(30)
            process.stdout.close()
            if directory.exists():
                assert load(directory).recommend({"exclude": [[]]}).shape[0] == 5
            states.append(directory.exists())
    finally:
        if process is not None and process.poll() is None:
            process.kill()
    assert not states[0]


# What is written.


def test_manifest(world):
    manifest = json.loads((world.directory / "manifest.json").read_text())
    assert manifest["model"] == "Funnel"
    assert manifest["metrics"] == {"auc": 0.5}
    assert manifest["seed"] == 1
    assert manifest["custom_ops"] == []
    assert manifest["versions"]["tensorflow"] == tf.__version__
    assert manifest["versions"]["tfrec_zoo"] == tfrec_zoo.__version__
    request = {f["key"]: (f["dtype"], f["is_bag"]) for f in manifest["request"]}
    assert request == {
        "history": ("string", True),
        "history_age": ("float64", True),
        "exclude": ("string", True),
        "search_tokens": ("string", True),
        "recent_impressions": ("string", True),
        "country": ("string", False),
        "device": ("string", False),
        "age": ("float64", False),
        "time": ("int64", False),
    }
    found = snapshot(world.directory)
    found.pop("manifest.json")
    assert manifest["files"] == found
    assert {"saved_model.pb", "variables/variables.index"} <= set(found)


@pytest.fixture(scope="module")
def small_export(world, tmp_path_factory):
    """An export with a file of every kind, of a model that is loaded in no time."""
    folder = tmp_path_factory.mktemp("popular") / "model"
    return export(world.sources["popular"], folder, log=world.log)


@pytest.fixture()
def damaged(small_export, tmp_path):
    """A copy of an export, to damage."""
    return pathlib.Path(shutil.copytree(small_export, tmp_path / "model"))


def flip(path):
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(contents)


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "variables/variables.data-00000-of-00001", "assets", "items.parquet"]
)
def test_a_flipped_bit_is_found(damaged, name):
    path = damaged / name
    if path.is_dir():
        path = sorted(path.iterdir())[0]
    load(damaged)
    flip(path)
    with pytest.raises(ValueError, match=f"{path.name} is damaged: export the model again"):
        load(damaged)


def test_a_missing_file_is_found(damaged):
    sorted((damaged / "assets").iterdir())[0].unlink()
    with pytest.raises(ValueError, match="is missing: export the model again"):
        load(damaged)
    with pytest.raises(ValueError, match="is damaged: export it again"):
        load(damaged, verify=False)


def test_a_file_of_another_export_is_found(damaged):
    (damaged / ".DS_Store").write_text("what a file manager left")
    load(damaged)
    (damaged / "assets" / "vocabulary_9.txt").write_text("v1")
    with pytest.raises(ValueError, match="vocabulary_9.txt is not of this export: remove it"):
        load(damaged)
    load(damaged, verify=False)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(
    "name",
    ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"],
)
def test_truncated(damaged, name, share):
    contents = (damaged / name).read_bytes()
    (damaged / name).write_bytes(contents[: int(share * len(contents))])
    with pytest.raises(ValueError, match=f"{name} is damaged: export the model again"):
        load(damaged)
    with pytest.raises(ValueError, match=f"in {damaged} is damaged: export it again"):
        load(damaged, verify=False)


def test_nothing_there(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match=f"no manifest.json in {folder}"):
            load(folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"files"',
        "{}",
        '{"files": 3}',
        '{"files": {}}',
        '{"files": {}, "custom_ops": 3, "request": []}',
        '{"files": {}, "custom_ops": [], "request": 5}',
        '{"files": {}, "custom_ops": [], "request": [3]}',
        '{"files": {}, "custom_ops": [], "request": [{"key": "a", "kind": "b"}]}',
        b"\xff\xfe",
    ],
)
def test_damaged_manifest(damaged, text):
    path = damaged / "manifest.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match="manifest.* is damaged"):
        load(damaged, verify=False)


@pytest.fixture
def searches_with_scann(damaged):
    path = damaged / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "custom_ops": ["Scann>TensorsToScann"]}))
    return damaged


def test_needs_scann(searches_with_scann, monkeypatch):
    monkeypatch.setitem(sys.modules, "scann", None)
    with pytest.raises(ImportError, match='index="exact", .* ScaNN is not installed: pip install'):
        load(searches_with_scann)


def test_needs_a_scann_that_loads(searches_with_scann, broken_scann):
    with pytest.raises(ImportError, match="index=\"exact\", .* ScaNN's operations don't load"):
        load(searches_with_scann)


@pytest.mark.parametrize("k", [0, -3])
def test_wrong_k(world, tmp_path, k):
    with pytest.raises(ValueError, match=f"`k` must be positive. Received: {k}"):
        export(world.sources["popular"], tmp_path / "model", k=k)


def test_arguments_that_are_not_for_this_model(world, tmp_path):
    for model in (world.funnel, world.ranking):
        with pytest.raises(TypeError, match=r"\['k'\] are for retrieval models"):
            export(model, tmp_path / "model", k=3)
    with pytest.raises(TypeError, match="Expected a model of tfrec_zoo or a Funnel. Received"):
        export_function("a model", tmp_path / "model")
    assert os.listdir(tmp_path) == []
