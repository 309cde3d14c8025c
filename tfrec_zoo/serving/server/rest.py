"""REST: TensorFlow Serving's paths."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np

from tfrec_zoo.serving.server.batching import Batcher
from tfrec_zoo.serving.server.errors import RequestError
from tfrec_zoo.serving.server.json_examples import read_examples, write_classes, write_values
from tfrec_zoo.serving.server.json_tensors import read_tensors, write_tensors
from tfrec_zoo.serving.server.json_text import write_json
from tfrec_zoo.serving.server.loaded_model import LoadedModel
from tfrec_zoo.serving.server.model_versions import ModelVersions
from tfrec_zoo.serving.server.options import ServerOptions
from tfrec_zoo.serving.server.predict import predict

_MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_ASK = re.compile(_MODEL + r":(?P<method>classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(_MODEL + r"(?P<metadata>/metadata)?", re.IGNORECASE)
#: Reads the body of a request, which may be long.
Read = Callable[[], Awaitable[dict[str, Any]]]


class RestApi:
    """Answers the paths below `/v1`.

    Args:
        versions: The versions of the model.
        batcher: What calls the signatures.
        options: The name of the model and the limits.
    """

    def __init__(self, versions: ModelVersions, batcher: Batcher, options: ServerOptions) -> None:
        self._versions = versions
        self._batcher = batcher
        self._options = options

    @staticmethod
    def kind(method: str, path: str) -> str:
        """What a request asks, one of few names."""
        if method == "POST":
            match = _ASK.fullmatch(path)
            return "malformed" if match is None else match["method"].lower()
        match = _STATUS.fullmatch(path) if method in ("GET", "HEAD") else None
        if match is None:
            return "malformed"
        return "metadata" if match["metadata"] else "status"

    def get(self, path: str) -> bytes:
        """Answers a request without a body.

        Args:
            path: The path of the request.

        Raises:
            RequestError: If there is nothing of that path.
        """
        match = _STATUS.fullmatch(path)
        if match is None:
            raise malformed("GET", path)
        number = self._number(match)
        if not match["metadata"]:
            if match["name"] != self._options.name:
                raise RequestError(404, f"Could not find any versions of model {match['name']:.80}")
            return write_json({"model_version_status": self._versions.status(number)})
        self._check_name(match)
        with self._versions.lease(number) as model:
            return write_json(self._metadata(model))

    async def post(self, path: str, read: Read) -> bytes:
        """Answers a request with a body.

        Args:
            path: The path of the request.
            read: Reads the body of the request.

        Raises:
            RequestError: If the request can't be answered; the message says why.
        """
        match = _ASK.fullmatch(path)
        if match is None:
            raise malformed("POST", path)
        number = self._number(match)
        self._check_name(match)
        document = await read()
        with self._versions.lease(number) as model:
            signature = model.signature(document.get("signature_name"))
            method = match["method"].lower()
            arrays: dict[str, np.ndarray]
            write: Callable[[Mapping[str, np.ndarray]], Any]
            if method == "predict":
                layout, arrays = read_tensors(document, signature.inputs)

                def write(outputs: Mapping[str, np.ndarray]) -> Any:
                    return write_tensors(layout, outputs)

            else:
                if list(signature.inputs) != ["inputs"]:
                    raise RequestError(
                        400,
                        f"To {method}, a signature must have the one input 'inputs'. "
                        f"Received one with {sorted(signature.inputs)}",
                    )
                examples = read_examples(document)
                arrays = {"inputs": examples}
                answer = write_classes if method == "classify" else write_values

                def write(outputs: Mapping[str, np.ndarray]) -> Any:
                    return answer(outputs, len(examples))

            return await predict(self._batcher, signature, arrays, write, self._options.max_rows)

    def _number(self, match: "re.Match[str]") -> int | None:
        if match["label"] is not None:
            raise RequestError(400, f"Unrecognized servable version label: {match['label']:.80}")
        text = match["version"]
        if text is None:
            return None
        if not text.isascii() or len(text) > 19 or int(text) >= 2**63:
            raise RequestError(400, f"Failed to convert version: {text:.80} to numeric.")
        return int(text)

    def _check_name(self, match: "re.Match[str]") -> None:
        if match["name"] != self._options.name:
            number = match["version"]
            asked = f"Latest({match['name']:.80})"
            if number is not None:
                asked = f"Specific({match['name']:.80}, {number})"
            raise RequestError(404, f"Servable not found for request: {asked}")

    def _metadata(self, model: LoadedModel) -> dict[str, Any]:
        return {
            "model_spec": {
                "name": self._options.name,
                "signature_name": "",
                "version": str(model.number),
            },
            "metadata": {"signature_def": {"signature_def": model.signature_defs}},
        }


def malformed(method: str, path: str) -> RequestError:
    """What TensorFlow Serving says of a path that it doesn't know."""
    return RequestError(400, f"Malformed request: {method:.20} {path:.200}")
