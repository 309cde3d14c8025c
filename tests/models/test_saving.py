import json

import numpy as np
import pytest

from tfrec_zoo.features import Features, FeatureSpec, NumericColumn, VocabularyColumn
from tfrec_zoo.models import Popularity, YouTubeRetrieval
from tfrec_zoo.models.saving import restore, save

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
    with damaged(folder):
        restore(folder)


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
