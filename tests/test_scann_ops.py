"""What is said where ScaNN's operations do not load; that they work is asked in `serving`."""

import importlib.metadata
import re
import sys

import pytest

from tfrec_zoo.scann_ops import load_scann_ops

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

INSTALL = re.escape('pip install scann==1.4.2 "tensorflow~=2.20.0" "tf-keras~=2.20.0"')


def test_it_loads(scann_ops):
    assert callable(scann_ops.builder)
    assert callable(scann_ops.searcher_from_module)


def test_it_is_not_installed(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "scann", None)
    received = re.escape(f"Received: TensorFlow {tf.__version__}")
    with pytest.raises(ImportError, match=f"^ScaNN is not installed: {INSTALL}. {received}$"):
        load_scann_ops()


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_it_is_for_linux_alone(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setitem(sys.modules, "scann", None)
    with pytest.raises(ImportError, match=f"for Linux alone. Received: {platform}$") as raised:
        load_scann_ops()
    assert "pip install" not in str(raised.value)


def test_it_is_built_for_another_tensorflow(broken_scann, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", {"scann": "9.9.1"}.__getitem__)
    received = re.escape(f"Received: ScaNN 9.9.1, TensorFlow {tf.__version__}")
    message = f"don't load with this TensorFlow: {INSTALL}, or .*pip uninstall scann. {received}$"
    with pytest.raises(ImportError, match=message):
        load_scann_ops()


def test_it_is_damaged(monkeypatch):
    # A part of it can't be imported: it is there, so that it must be installed anew.
    monkeypatch.setitem(sys.modules, "scann", sys)
    with pytest.raises(ImportError, match="ScaNN's operations don't load"):
        load_scann_ops()
