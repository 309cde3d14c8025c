"""Loading of exported models, to be asked from Python."""

import pathlib

import tensorflow as tf

from tfrec_zoo.artifacts import read_manifest
from tfrec_zoo.generations import finish
from tfrec_zoo.scann_ops import load_scann_ops
from tfrec_zoo.serving.client import Served
from tfrec_zoo.serving.items import ItemTable

__all__ = ["Served", "load"]


def load(directory: str | pathlib.Path, verify: bool = True) -> Served:
    """Loads what `export` wrote.

    Args:
        directory: Folder of the export.
        verify: Whether to compare every file with its sha256 in the manifest first, which takes
            about a second per gigabyte.

    Raises:
        FileNotFoundError: If there is no export.
        ValueError: If a file is damaged or missing, or not of the export.
        ImportError: If it needs ScaNN, and that does not load.

    Example:

    >>> import numpy as np, tempfile
    >>> from tfrec_zoo.features import *
    >>> from tfrec_zoo.models import Popularity
    >>> from tfrec_zoo.serving import export, load
    >>> spec = FeatureSpec(query=(NumericColumn("age"),),
    ...                    candidate=(VocabularyColumn("video_id"),))
    >>> x, y = {"age": np.array([20.0, 30.0, 40.0])}, np.array(["a", "b", "b"])
    >>> model = Popularity(Features.fit(spec, {**x, "video_id": y}))
    >>> model.compile()
    >>> _ = model.fit(x, y, verbose=0)
    >>> directory = export(model, tempfile.mkdtemp() + "/popularity", k=2)
    >>> load(directory).recommend({"exclude": [[], ["b"]]})["id"].tolist()
    ['b', 'a', 'a']
    """
    directory = pathlib.Path(directory)
    finish(directory.parent)
    manifest = read_manifest(directory, verify)
    try:
        custom_ops = [str(op) for op in manifest["custom_ops"]]
        Served({}, manifest)  # Reads what it says of requests.
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"The manifest in {directory} is damaged: export the model again. {error!r}"
        ) from error
    if any(op.startswith("Scann>") for op in custom_ops):
        try:
            load_scann_ops()
        except ImportError as error:
            raise ImportError(
                f'{directory} searches with ScaNN: export it with index="exact", or repair '
                f"this environment. {error}"
            ) from error
    try:
        module = tf.saved_model.load(str(directory))
    except (OSError, ValueError, RuntimeError, LookupError, tf.errors.OpError) as error:
        raise ValueError(
            f"The SavedModel in {directory} is damaged: export it again. {error}"
        ) from error
    served = Served(module.signatures, manifest, lambda: ItemTable.read(directory, manifest))
    served.module = module
    return served
