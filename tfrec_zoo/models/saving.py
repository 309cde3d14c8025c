"""Checkpoints: models on disk, to be trained or evaluated further with this package."""

import json
import pathlib

import tensorflow as tf

from tfrec_zoo import registry
from tfrec_zoo.artifacts import whole_folder
from tfrec_zoo.models.base import RecommenderModel


def save(model: RecommenderModel, directory: str | pathlib.Path) -> None:
    """Writes a model's configuration and weights into a folder, atomically."""
    model.build_weights()
    with whole_folder(directory) as folder:
        config = {"model": type(model).__name__, "config": model.get_config()}
        (folder / "model.json").write_text(json.dumps(config), encoding="utf-8")
        model.save_weights(str(folder / "weights"), save_format="tf")


def restore(directory: str | pathlib.Path) -> RecommenderModel:
    """Returns the model that `save` wrote into a folder.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If the checkpoint is damaged.
    """
    folder = pathlib.Path(directory)
    if not (folder / "model.json").is_file():
        raise FileNotFoundError(f"There is no checkpoint: no model.json in {folder}.")
    try:
        config = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        model = registry.get(config["model"]).load().from_config(config["config"])
        model.build_weights()
        status = model.load_weights(str(folder / "weights"))
        status.assert_existing_objects_matched().expect_partial()
    except (
        ValueError,
        LookupError,
        TypeError,
        AssertionError,
        OSError,
        tf.errors.OpError,
    ) as error:
        raise ValueError(f"The checkpoint in {folder} is damaged: {error}") from error
    return model
