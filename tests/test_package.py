"""What importing the package does: switch TensorFlow to Keras 2, and nothing else."""

import os
import pathlib
import subprocess
import sys

import pytest

import tfrec_zoo


def run(program, **environment):
    env = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    env |= {"TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=env, timeout=120
    )


def test_import_is_silent_and_light():
    found = run(
        "import os, sys\n"
        "before = set(sys.modules)\n"
        "import tfrec_zoo\n"
        "assert os.environ['TF_USE_LEGACY_KERAS'] == '1'\n"
        "heavy = {'tensorflow', 'numpy', 'pandas', 'tf_keras', 'tensorflow_recommenders'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert {'tfrec_zoo', 'tfrec_zoo.version'} == {m for m in set(sys.modules) - before "
        "if m.startswith('tfrec_zoo')}\n"
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_keras_is_2_afterwards():
    found = run(
        "import tfrec_zoo\n"
        "import tensorflow as tf\n"
        "print(tf.keras.Model.__module__.split('.')[0])\n"
        "from tfrec_zoo import models\n"
        "print(issubclass(models.Popularity, tf.keras.Model))\n"
        # What few need is imported by what needs it.
        "import sys\n"
        "from tfrec_zoo import cli, serving, tasks, training\n"
        "print(*{'sklearn', 'scipy.stats'} & set(sys.modules))\n"
    )
    assert (found.returncode, found.stdout.split()) == (0, ["tf_keras", "True"]), found.stderr


def test_keras_3_runs_already():
    found = run("import tensorflow as tf\ntf.keras.Model\nimport tfrec_zoo")
    assert found.returncode == 1
    last = found.stderr.strip().splitlines()[-1]
    assert last == (
        "ImportError: tfrec_zoo needs Keras 2, but TensorFlow runs Keras 3: import tfrec_zoo "
        "before tensorflow, or set the environment variable TF_USE_LEGACY_KERAS=1 first."
    )


def test_keras_3_was_asked_for():
    found = run("import tfrec_zoo", TF_USE_LEGACY_KERAS="0")
    assert found.returncode == 1
    assert found.stderr.strip().splitlines()[-1].startswith("ImportError: tfrec_zoo needs Keras 2")


@pytest.mark.parametrize(
    ("first", "environment"),
    [
        ("import tensorflow as tf", {}),  # Keras is loaded when first used: not too late.
        ("import tensorflow as tf; tf.keras.Model", {"TF_USE_LEGACY_KERAS": "1"}),
    ],
)
def test_tensorflow_first_is_fine(first, environment):
    found = run(f"{first}\nimport tfrec_zoo\nprint(tf.keras.Model.__module__)", **environment)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("tf_keras.")


def test_names():
    import tfrec_zoo

    assert set(tfrec_zoo.__all__) > {"data", "models", "serving", "__version__"}
    for name in tfrec_zoo.__all__:
        assert getattr(tfrec_zoo, name) is not None
    with pytest.raises(AttributeError, match="module 'tfrec_zoo' has no attribute 'model'"):
        _ = tfrec_zoo.model


def test_the_front_door():
    import tfrec_zoo as zoo
    from tfrec_zoo import data, pretrained, registry, training
    from tfrec_zoo.training import runs

    assert zoo.Log is data.Log and zoo.Roles is data.Roles and zoo.Training is training.Training
    assert zoo.train is runs.train and zoo.Run is runs.Run
    assert (zoo.load, zoo.from_preset) == (pretrained.load, pretrained.from_preset)
    assert zoo.tasks.NextWatch.name == "next-watch" and "ncf/GMF-8" in zoo.presets.PRESETS
    for name, entry in registry.MODELS.items():
        assert getattr(zoo, name) is entry.load()
    assert {"Log", "Training", "train", "load", "tasks", "presets", "NeuMF"} <= set(dir(zoo))


def test_names_are_loaded_when_first_used():
    found = run(
        "import sys\n"
        "import tfrec_zoo as zoo\n"
        "assert {'train', 'Log', 'NeuMF', 'presets'} <= set(dir(zoo))\n"
        "heavy = {'tensorflow', 'numpy', 'pandas', 'tf_keras', 'tensorflow_recommenders'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "zoo.NeuMF\n"
        "assert heavy <= set(sys.modules)\n"
    )
    assert (found.returncode, found.stdout) == (0, ""), found.stderr


def test_the_citation_is_of_this_version():
    lines = (pathlib.Path(__file__).parents[1] / "CITATION.cff").read_text().splitlines()
    assert f"version: {tfrec_zoo.__version__}" in lines


def test_the_changelog_begins_with_this_version():
    lines = (pathlib.Path(__file__).parents[1] / "CHANGELOG.md").read_text().splitlines()
    first = next(line for line in lines if line.startswith("## "))
    assert first.removesuffix(" (unreleased)") == f"## {tfrec_zoo.__version__}"
