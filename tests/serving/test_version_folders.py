"""Exports as numbered folders of one folder."""

import numpy as np
import pytest

from tfrec_zoo.features import Features, FeatureSpec, NumericColumn, VocabularyColumn
from tfrec_zoo.models import Popularity
from tfrec_zoo.serving import export, load
from tfrec_zoo.serving.version_folders import new_version_folder, version_folders


@pytest.fixture(scope="module")
def popularity():
    x, y = {"age": np.array([20.0, 30.0, 40.0])}, np.array(["a", "b", "b"])
    spec = FeatureSpec((NumericColumn("age"),), (VocabularyColumn("video_id"),))
    model = Popularity(Features.fit(spec, {**x, "video_id": y}))
    model.compile()
    model.fit(x, y, verbose=0)
    return model


def test_versions_are_written_beside_each_other(popularity, tmp_path):
    base = tmp_path / "popularity"
    for version, name in (("next", "1"), (7, "7"), ("next", "8")):
        assert export(popularity, base, k=2, version=version) == base / name
    assert sorted(path.name for path in base.iterdir()) == ["1", "7", "8"]
    assert load(base / "8").recommend({"exclude": [[]]})["id"].tolist() == ["b", "a"]
    with pytest.raises(FileExistsError, match=r"written once. There are \[1, 7, 8\]"):
        export(popularity, base, k=2, version=7)
    with pytest.raises(FileExistsError, match="one that is an export"):
        export(popularity, base / "7", k=2, version=1)


@pytest.mark.parametrize("version", [0, -1, True, 1.0, "1", "latest"])
def test_versions_are_numbers(tmp_path, version):
    with pytest.raises(ValueError, match="`version` must be a whole number from 1 up"):
        new_version_folder(tmp_path, version)


def test_other_folders_are_no_versions(tmp_path):
    for name in ("0002", "10", "latest", ".3.partly", "-1", "1.5", "²"):
        (tmp_path / name).mkdir()
    (tmp_path / "5").write_text("a file")
    assert version_folders(tmp_path) == {2: tmp_path / "0002", 10: tmp_path / "10"}
    assert new_version_folder(tmp_path).name == "11"
    assert version_folders(tmp_path / "none") == {}
