"""An environment in which TensorFlow Recommenders can't be imported, in processes of their own."""

import os
import subprocess
import sys

import pytest

SCANN_OPS = """
import tensorflow as tf
raise tf.errors.NotFoundError(None, None, "_scann_ops.so: undefined symbol: _ZN4absl12lts")
"""


@pytest.fixture
def mismatched(tmp_path):
    """A folder with a ScaNN 9.9.1 whose operations don't load."""
    package, info = tmp_path / "scann", tmp_path / "scann-9.9.1.dist-info"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "scann_ops.py").write_text(SCANN_OPS)
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: scann\nVersion: 9.9.1\n")
    return tmp_path


@pytest.fixture
def without(tmp_path):
    """A folder that hides TensorFlow Recommenders."""
    (tmp_path / "tensorflow_recommenders.py").write_text(
        "raise ModuleNotFoundError('hidden', name='tensorflow_recommenders')"
    )
    return tmp_path


def run(folder, *arguments):
    path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=env, timeout=120
    )


def test_a_scann_for_another_tensorflow(mismatched):
    found = run(
        mismatched,
        "-c",
        "import tfrec_zoo\n"
        "import tensorflow as tf\n"
        "print(tf.__version__)\n"
        "for _ in range(2):\n"  # Not only the first time.
        "    try:\n"
        "        tfrec_zoo.models\n"
        "    except ImportError as error:\n"
        "        print(error)\n",
    )
    assert found.returncode == 0, found.stderr
    version, *errors = found.stdout.splitlines()
    assert errors == 2 * [
        "ScaNN's operations don't load with this TensorFlow: pip install scann==1.4.2 "
        '"tensorflow~=2.20.0" "tf-keras~=2.20.0", or search exactly: pip uninstall scann. '
        f"Received: ScaNN 9.9.1, TensorFlow {version}"
    ]


def test_the_command_line_says_it_in_one_line(mismatched):
    found = run(mismatched, "-m", "tfrec_zoo", "quickstart", "--output", str(mismatched / "out"))
    assert (found.returncode, found.stdout) == (2, "")
    # TensorFlow 2.21 itself says a few things first.
    assert "Traceback" not in found.stderr
    last = found.stderr.splitlines()[-1]
    assert last.startswith("tfrec-zoo: ScaNN's operations don't load with this TensorFlow: ")


def test_it_is_not_installed(without):
    found = run(without, "-c", "from tfrec_zoo import models")
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1] == (
        "ImportError: TensorFlow Recommenders is not installed: pip install --no-deps "
        "tensorflow-recommenders==0.7.7"
    )
