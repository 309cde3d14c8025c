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
#: What the one array of a file is called: the array itself, or its lower triangle.
_ANY, _SYMMETRIC = "arr_0", "symmetric"
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
            as if it had never ended. Without it each variable is a compressed file, which holds a
            symmetric matrix once and whole numbers in as few bytes as hold the largest.

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
                _write(folder / _ARRAYS / f"{i:03d}.npz", array)
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


def _write(path: pathlib.Path, array: np.ndarray) -> None:
    """Writes one array so that `_read` returns the same values, in few bytes."""
    name = _ANY
    if array.ndim == 2 and len(array) == array.shape[1] and (array == array.T).all():
        name, array = _SYMMETRIC, np.tril(array)  # The zeros above take next to nothing.
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as arrays,
        arrays.open(f"{name}.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array(file, _narrow(array), allow_pickle=False)


def _narrow(array: np.ndarray) -> np.ndarray:
    """The same values in the smallest type for whole numbers from 0 up, if they are such."""
    if array.dtype.kind not in "fiu" or not array.size or not 0 <= array.min():
        return array
    for dtype in (np.uint8, np.uint16, np.uint32):
        if np.dtype(dtype).itemsize >= array.itemsize:
            break
        if array.max() <= np.iinfo(dtype).max and (array == array.astype(dtype)).all():
            return array.astype(dtype)
    return array


def _read(path: pathlib.Path) -> np.ndarray:
    with np.load(path) as arrays:
        if _SYMMETRIC in arrays:
            lower = arrays[_SYMMETRIC]
            return lower + np.tril(lower, -1).T
        return arrays[_ANY]
