"""Checkpoints: a model on disk, to be trained or evaluated further with this package."""

import json
import pathlib
import zipfile
import zlib

import numpy as np
import tensorflow as tf

from tfrec_zoo import registry
from tfrec_zoo.artifacts import MANIFEST, atomic_folder, read_manifest, write_manifest
from tfrec_zoo.features import Features
from tfrec_zoo.generations import finish
from tfrec_zoo.models.base import RecommenderModel

_CONFIG, _ARRAYS = "model.json", "arrays"
_DAMAGE = (
    *(ValueError, LookupError, TypeError, AssertionError, OSError, tf.errors.OpError),
    *(zipfile.BadZipFile, zlib.error),
)


def save(
    model: RecommenderModel, directory: str | pathlib.Path, with_optimizer: bool = True
) -> None:
    """Writes a model's configuration and weights into a folder, whole or not at all.

    Args:
        model: The model.
        directory: Folder to write; what was there before is replaced.
        with_optimizer: Whether to write the state of the optimizer too, with which training goes on
            as if it had never ended. Without it each variable is a small compressed file.

    Raises:
        FloatingPointError: If a weight is not finite, because training diverged.
    """
    model.build_weights()
    model.require_finite()
    with atomic_folder(directory) as folder:
        config = {"model": type(model).__name__, "config": model.get_config()}
        (folder / _CONFIG).write_text(json.dumps(config), encoding="utf-8")
        if with_optimizer:
            model.save_weights(str(folder / "weights"), save_format="tf")
        else:
            (folder / _ARRAYS).mkdir()
            for i, array in enumerate(model.get_weights()):
                np.savez_compressed(folder / _ARRAYS / f"{i:03d}.npz", array)
        write_manifest(folder, {"model": type(model).__name__})


def restore(directory: str | pathlib.Path) -> RecommenderModel:
    """Makes the model that `save` wrote.

    Args:
        directory: Folder of the checkpoint.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If it is damaged: a file is missing, or its checksum is wrong.
    """
    folder = pathlib.Path(directory)
    finish(folder.parent)
    if not (folder / _CONFIG).is_file() and not (folder / MANIFEST).is_file():
        raise FileNotFoundError(f"There is no checkpoint: no {_CONFIG} in {folder}.")
    try:
        read_manifest(folder, verify=True)
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        model = registry.get(config["model"]).load().from_config(config["config"])
        model.build_weights()
        if (folder / _ARRAYS).is_dir():
            model.set_weights([_read(path) for path in sorted((folder / _ARRAYS).iterdir())])
        else:
            status = model.load_weights(str(folder / "weights"))
            status.assert_existing_objects_matched().expect_partial()
    except _DAMAGE as error:
        raise ValueError(f"The checkpoint in {folder} is damaged: {error}") from error
    return model


def read_features(directory: str | pathlib.Path) -> Features:
    """Reads the features of the model that `save` wrote, without the model.

    Args:
        directory: Folder of the checkpoint.

    Raises:
        ValueError: If it is damaged.
    """
    folder = pathlib.Path(directory)
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        return Features.from_config(config["config"]["features"])
    except _DAMAGE as error:
        raise ValueError(f"The checkpoint in {folder} is damaged: {error}") from error


def _read(path: pathlib.Path) -> np.ndarray:
    with np.load(path) as arrays:
        return arrays["arr_0"]
