"""Server: an export over HTTP, on TensorFlow Serving's paths and a few that are easier to ask."""

from tfrec_zoo.serving.server.app import make_app
from tfrec_zoo.serving.server.model_versions import ModelVersions
from tfrec_zoo.serving.server.options import ServerOptions
from tfrec_zoo.serving.server.run import run

__all__ = ["ModelVersions", "ServerOptions", "make_app", "run"]
