import hashlib
import json

import numpy as np
import pytest

import tfrec_zoo
from tfrec_zoo.artifacts import write_manifest
from tfrec_zoo.checkpoints import restore, save
from tfrec_zoo.features import (
    BagColumn,
    Features,
    FeatureSpec,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import EASE, Popularity, YouTubeRetrieval

X = {"age": np.array([20, 40], np.float32)}


@pytest.fixture(scope="module")
def model():
    spec = FeatureSpec((NumericColumn("age"),), (VocabularyColumn("video_id"),))
    features = Features.fit(spec, {**X, "video_id": ["a", "b", "c"]})
    return YouTubeRetrieval(features, hidden_units=(8, 4), seed=1)


@pytest.fixture
def folder(model, tmp_path):
    save(model, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def damaged(folder):
    return pytest.raises(ValueError, match=rf"The checkpoint in {folder} is damaged: .+")


def test_an_untrained_model_is_saved_too(model, folder):
    np.testing.assert_array_equal(restore(folder).scores(X), model.scores(X))


def test_missing(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match="no model.json in "):
            restore(folder)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_truncated_configuration(folder, share):
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text[: int(share * len(text))])
    with damaged(folder):
        restore(folder)


@pytest.mark.parametrize(
    "contents",
    [
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"model": "YouTubeRetrieval"}',
        b'{"model": "YouTubeRetrieval", "config": {}}',
        b'{"model": "NoSuchModel", "config": {}}',
    ],
)
def test_damaged_configuration(folder, contents):
    (folder / "model.json").write_bytes(contents)
    with damaged(folder):
        restore(folder)


@pytest.mark.parametrize("pattern", ["weights.index", "weights.data*"])
def test_weights_that_are_missing_or_damaged(folder, pattern):
    (path,) = folder.glob(pattern)
    contents = path.read_bytes()
    # Cut short, one byte changed in the middle, and gone.
    middle = len(contents) // 2
    flipped = bytes([contents[middle] ^ 255])
    for damage in (contents[:middle], contents[:middle] + flipped + contents[middle + 1 :], None):
        path.unlink()
        if damage is not None:
            path.write_bytes(damage)
        else:
            path.touch()
            path.unlink()
        with damaged(folder):
            restore(folder)
        path.touch()


@pytest.mark.parametrize("change", [{"hidden_units": [8, 5]}, {"hidden_units": [8, 6, 4]}])
def test_weights_of_another_architecture(folder, change):
    saved = json.loads((folder / "model.json").read_text())
    saved["config"].update(change)
    (folder / "model.json").write_text(json.dumps(saved))
    # Though the manifest says that all is well.
    write_manifest(folder, {})
    with damaged(folder):
        restore(folder)


@pytest.mark.parametrize("with_optimizer", [True, False])
def test_the_manifest_tells_the_model_and_every_file(model, tmp_path, with_optimizer):
    folder = tmp_path / "checkpoint"
    save(model, folder, with_optimizer)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["model"] == "YouTubeRetrieval"
    assert manifest["versions"]["tfrec_zoo"] == tfrec_zoo.__version__
    paths = [path for path in folder.rglob("*") if path.is_file()]
    files = {path.relative_to(folder).as_posix() for path in paths} - {"manifest.json"}
    assert set(manifest["files"]) == files and "model.json" in files
    assert ("arrays/000.npz" in files) is not with_optimizer
    for name, digest in manifest["files"].items():
        contents = (folder / name).read_bytes()
        assert hashlib.sha256(contents).hexdigest() == digest
        # Any file that is damaged or missing is found by its checksum.
        (folder / name).write_bytes(contents + b" ")
        with damaged(folder):
            restore(folder)
        (folder / name).unlink()
        with damaged(folder):
            restore(folder)
        (folder / name).write_bytes(contents)
    np.testing.assert_array_equal(restore(folder).scores(X), model.scores(X))


def test_a_manifest_that_is_no_manifest(folder):
    for contents in ("", "[]", "{}", '{"files": 3}'):
        (folder / "manifest.json").write_text(contents)
        with damaged(folder):
            restore(folder)


def test_without_the_optimizer_its_state_is_left_out(tmp_path):
    spec = FeatureSpec((NumericColumn("age"),), (VocabularyColumn("video_id"),))
    y = np.array(["a", "b"])
    trained = YouTubeRetrieval(
        Features.fit(spec, {**X, "video_id": y}), hidden_units=(8, 4), seed=1
    )
    trained.compile("adam")
    trained.fit(X, y, epochs=2, verbose=0)
    restored = {}
    for with_optimizer in (True, False):
        folder = tmp_path / str(with_optimizer)
        save(trained, folder, with_optimizer)
        restored[with_optimizer] = restore(folder)
        np.testing.assert_array_equal(restored[with_optimizer].scores(X), trained.scores(X))
        restored[with_optimizer].compile("adam")
    # It is compressed into one file of two matrices, not the moments of Adam, twice as much.
    sizes = [
        sum(path.stat().st_size for path in (tmp_path / name).iterdir())
        for name in ("False", "True")
    ]
    assert sizes[0] < sizes[1]


@pytest.fixture
def counts(tmp_path):
    """A model that counts, with given counts of two items, and the file of these."""
    bag = BagColumn(VocabularyColumn("history", space="video"))
    spec = FeatureSpec((bag,), (VocabularyColumn("video"),))
    model = EASE(Features.fit(spec, {"history": [["a", "b"]], "video": ["a", "b"]}))
    number = [weight is model.gram for weight in model.weights].index(True)

    def written(values):
        model.gram.assign(values)
        save(model, tmp_path / "counts", with_optimizer=False)
        path = tmp_path / "counts" / "arrays" / f"{number:03d}.npz"
        restored = restore(tmp_path / "counts").gram
        assert restored.dtype == "float32"
        np.testing.assert_array_equal(restored, np.array(values, np.float32))
        with np.load(path) as arrays:
            return path, dict(arrays)

    return written


@pytest.mark.parametrize(
    ("values", "name", "stored", "dtype"),
    [
        ([[2, 7], [7, 255]], "symmetric", [[2, 0], [7, 255]], "uint8"),
        ([[2, 7], [7, 256]], "symmetric", [[2, 0], [7, 256]], "uint16"),
        ([[2, 7], [7, 65536]], "symmetric", [[2, 0], [7, 65536]], "float32"),
        ([[2, 0.5], [0.5, 3]], "symmetric", [[2, 0], [0.5, 3]], "float32"),
        ([[2, -7], [-7, 3]], "symmetric", [[2, 0], [-7, 3]], "float32"),
        ([[2, 7], [6, 3]], "arr_0", [[2, 7], [6, 3]], "uint8"),
        ([[0.1, 7], [6, 3]], "arr_0", [[0.1, 7], [6, 3]], "float32"),
    ],
)
def test_without_the_optimizer_counts_take_few_bytes(counts, values, name, stored, dtype):
    _, arrays = counts(values)
    assert list(arrays) == [name] and arrays[name].dtype == dtype
    np.testing.assert_array_equal(arrays[name], np.array(stored, dtype))


def test_a_matrix_that_is_stored_whole_is_read(counts):
    path, _ = counts([[2, 7], [7, 3]])
    whole = np.array([[1, 4], [4, 9]], np.float32)
    np.savez_compressed(path, whole)
    folder = path.parents[1]
    write_manifest(folder, {"model": "EASE"})
    np.testing.assert_array_equal(restore(folder).gram, whole)


def test_saved_over_another(model, folder, tmp_path):
    popularity = Popularity(model.features)
    save(popularity, folder)
    assert type(restore(folder)) is Popularity
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    assert not list(folder.glob(".*"))


def test_a_failure_leaves_the_old_checkpoint(model, folder, tmp_path):
    class Unsaveable(Popularity):
        def get_config(self):
            return {"features": object()}

    with pytest.raises(TypeError, match="not JSON serializable"):
        save(Unsaveable(model.features), folder)
    np.testing.assert_array_equal(restore(folder).scores(X), model.scores(X))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
