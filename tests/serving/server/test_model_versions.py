"""Versions are taken when they are whole, and dropped when nobody asks them any more."""

import os
import pathlib
import shutil
import threading
import weakref

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason='the server needs pip install "tfrec_zoo[serve]"')

from small_saved_models import HalfPlus

from tfrec_zoo.serving import load
from tfrec_zoo.serving.server import ModelVersions
from tfrec_zoo.serving.server.errors import RequestError


def ask(versions, number=None):
    """1 / 2 and the summand of the version."""
    with versions.lease(number) as model:
        return float(model.signature(None)({"x": np.array([1.0], np.float32)})["y"][0])


def states(versions):
    return {said["version"]: said["state"] for said in versions.status()}


def second(versions, number=None):
    """The title of film 1, recommended to who watched film 0."""
    with versions.lease(number) as model:
        frame = model.asked().recommend({"history": [["f0"]]}, 1)
    return frame["title"].tolist()


def test_the_latest_is_served(tmp_path):
    for number, summand in (("1", 1.0), ("0002", 2.0), ("10", 10.0)):
        HalfPlus(summand).save(tmp_path / number)
    (tmp_path / "11").mkdir()  # Nothing is in it yet.
    (tmp_path / "latest").mkdir()
    versions = ModelVersions(tmp_path, "half")
    assert (versions.current.number, ask(versions), ask(versions, 10)) == (10, 10.5, 10.5)
    assert states(versions) == {"10": "AVAILABLE"}
    with pytest.raises(RequestError, match=r"Specific\(half, 2\)"):
        ask(versions, 2)


def test_a_version_is_swapped_in_and_the_one_before_is_dropped_after_its_last_request(tmp_path):
    HalfPlus(1.0).save(tmp_path / "1")
    versions = ModelVersions(tmp_path)
    with versions.lease() as held:
        HalfPlus(2.0).save(tmp_path / "2")
        versions.refresh()
        assert (versions.current.number, ask(versions)) == (2, 2.5)
        versions.refresh()
        assert states(versions) == {"2": "AVAILABLE", "1": "UNLOADING"}
        assert float(held.signature(None)({"x": np.array([1.0], np.float32)})["y"][0]) == 1.5
        module = weakref.ref(held._module)
    versions.refresh()
    assert states(versions) == {"2": "AVAILABLE", "1": "END"}
    del held
    HalfPlus(3.0).save(tmp_path / "3")
    versions.refresh()
    assert module() is None and ask(versions) == 3.5


def test_a_later_version_that_is_deleted_gives_way_to_an_earlier(tmp_path):
    for number in (1, 2):
        HalfPlus(float(number)).save(tmp_path / str(number))
    versions = ModelVersions(tmp_path)
    shutil.rmtree(tmp_path / "2")
    versions.refresh()
    assert ask(versions) == 1.5
    # The last one is kept, whatever becomes of its folder.
    shutil.rmtree(tmp_path / "1")
    versions.refresh()
    assert ask(versions) == 1.5


def test_what_does_not_load_changes_nothing_until_it_is_mended(
    tmp_path, films, other_films, caplog
):
    shutil.copytree(films, tmp_path / "1")
    versions = ModelVersions(tmp_path)
    shutil.copytree(other_films, tmp_path / "2")
    items = tmp_path / "2" / "items.parquet"
    whole = items.read_bytes()
    items.write_bytes(whole[:-1])
    for _ in range(2):
        versions.refresh()
    assert second(versions) == ["Film 1"]
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "version 2 is not served"
    ]
    said = versions.status(2)[0]
    assert said["state"] == "END" and said["status"]["error_code"] == "UNKNOWN"
    assert "items.parquet is damaged" in said["status"]["error_message"]
    items.write_bytes(whole)
    versions.refresh()
    assert second(versions) == ["Other 1"]


def test_at_the_start_the_latest_that_loads_is_served(tmp_path):
    HalfPlus(1.0).save(tmp_path / "1")
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "saved_model.pb").write_bytes(b"no model")
    versions = ModelVersions(tmp_path)
    assert ask(versions) == 1.5 and states(versions) == {"1": "AVAILABLE", "2": "END"}
    shutil.rmtree(tmp_path / "1")
    with pytest.raises(Exception, match="parsing"):
        ModelVersions(tmp_path)


@pytest.mark.parametrize("folder", ["none", "empty", "file"])
def test_no_model(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="There is no model in"):
        ModelVersions(tmp_path / folder)


def test_an_export_that_is_replaced_is_the_next_version(tmp_path, films, other_films):
    folder = pathlib.Path(shutil.copytree(films, tmp_path / "model"))
    versions = ModelVersions(folder)
    versions.refresh()
    assert (versions.current.number, second(versions)) == (1, ["Film 1"])
    os.replace(folder, tmp_path / "away")  # As for an instant while another takes its place.
    versions.refresh()
    assert second(versions, 1) == ["Film 1"]
    shutil.copytree(other_films, folder)
    versions.refresh()
    assert (versions.current.number, second(versions)) == (2, ["Other 1"])


def test_what_is_replaced_while_it_is_read_is_not_taken(tmp_path, films, other_films):
    """Or its items would be those of another export than its weights."""
    folder = pathlib.Path(shutil.copytree(other_films, tmp_path / "model"))
    loading = load
    versions = ModelVersions(folder, load=lambda path: loading(path))

    def replaced_meanwhile(path):
        served = load(path)
        shutil.copytree(films, folder, dirs_exist_ok=True)
        return served

    loading = replaced_meanwhile
    os.utime(folder / "manifest.json")
    versions.refresh()
    assert second(versions) == ["Other 1"]
    assert "changed while it was read" in versions.status(2)[0]["status"]["error_message"]
    loading = load
    versions.refresh()
    assert second(versions) == ["Film 1"]


def test_watching(tmp_path):
    HalfPlus(1.0).save(tmp_path / "1")
    versions, looked = ModelVersions(tmp_path), threading.Semaphore(0)
    refresh = versions._refresh

    def counted():
        refresh()
        looked.release()

    versions._refresh = counted
    versions.watch(0.01)
    HalfPlus(2.0).save(tmp_path / ".2.partly")
    os.replace(tmp_path / ".2.partly", tmp_path / "2")
    while looked.acquire(blocking=False):
        pass
    for _ in range(2):  # The first may have looked before.
        assert looked.acquire(timeout=60)
    versions.close()
    assert ask(versions) == 2.5
