"""ScaNN's TensorFlow operations: loaded where they can be, or an error that says what to do."""

import sys
from importlib import metadata
from typing import Any

import tensorflow as tf

#: ScaNN's operations load with the TensorFlow they are built for, and with no other.
INSTALL = 'pip install scann==1.4.2 "tensorflow~=2.20.0" "tf-keras~=2.20.0"'


def load_scann_ops() -> Any:
    """Registers ScaNN's operations with TensorFlow.

    Returns:
        The module `scann.scann_ops`.

    Raises:
        ImportError: If ScaNN is not installed, or does not load with this TensorFlow.
    """
    try:
        from scann import scann_ops
    except ModuleNotFoundError as error:
        raise ImportError(_missing() if error.name == "scann" else mismatch()) from error
    except (ImportError, tf.errors.NotFoundError) as error:
        raise ImportError(mismatch()) from error
    return scann_ops


def mismatch() -> str:
    """What to do about a ScaNN that is installed and does not load."""
    try:
        found = metadata.version("scann")
    except metadata.PackageNotFoundError:
        found = "of an unknown version"
    return (
        f"ScaNN's operations don't load with this TensorFlow: {INSTALL}, or search exactly: "
        f"pip uninstall scann. Received: ScaNN {found}, TensorFlow {tf.__version__}"
    )


def _missing() -> str:
    if sys.platform != "linux":
        return f"There is no ScaNN for this platform, but for Linux alone. Received: {sys.platform}"
    return f"ScaNN is not installed: {INSTALL}. Received: TensorFlow {tf.__version__}"
