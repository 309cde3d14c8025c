"""tfrec-zoo serve: answer requests over HTTP."""

import argparse
import json
import logging
import pathlib
import sys
from typing import Any

HELP = "answer requests over HTTP, on TensorFlow Serving's paths and on /recommend"
EPILOG = """Of a folder with numbered folders (1, 2, ...) the latest is served, and a later one as
soon as it is there. Ctrl-C or SIGTERM ends the server when what it is answering is answered."""

#: Flags that are fields of `ServerOptions`, with what they are in words.
_LIMITS = {
    "batch_rows": (int, "rows of several requests answered at once; 1 for none (default: 64)"),
    "workers": (int, "calls of TensorFlow at once (default: 1)"),
    "max_requests": (int, "requests at once; further ones get 503 (default: 512)"),
    "max_rows": (int, "rows of one request (default: 1024)"),
    "max_body": (int, "bytes of one request (default: 8388608)"),
    "max_bytes": (int, "bytes of all requests that are held at once (default: 67108864)"),
    "timeout": (float, "seconds until a request gets 504 (default: 30)"),
    "read_timeout": (float, "seconds that a client may take to send a request (default: 10)"),
    "poll": (float, "seconds between two looks for another version (default: 1)"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "directory",
        help="a SavedModel folder, a folder of numbered ones, a pretrained model's name, or an "
        "archive or its URL: https://example.com/neumf.zip#sha256=...",
    )
    parser.add_argument("--port", type=int, default=8501, help="(default: 8501; 0: any)")
    parser.add_argument("--name", default="model", help="of the model in paths (default: model)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; 0.0.0.0 lets other machines ask (default: 127.0.0.1)",
    )
    for name, (kind, words) in _LIMITS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=words)


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    try:
        import prometheus_client  # noqa: F401 (all that the server needs beyond the package)
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "The server needs what the extra `serve` of this package installs, such as "
            f'pip install ".[serve]" in its folder. {error}'
        ) from error
    from tfrec_zoo import pretrained
    from tfrec_zoo.serving.server import ServerOptions, make_app
    from tfrec_zoo.serving.server import run as serve
    from tfrec_zoo.serving.server.run import listen

    given = {name: getattr(arguments, name) for name in ("name", *_LIMITS)}
    options = ServerOptions(**{key: value for key, value in given.items() if value is not None})
    address = listen(arguments.host, arguments.port)
    _log_at_once()
    app = make_app(_folder(arguments.directory), options, pretrained.load)
    model = app.state.server.versions.current
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    url = f"http://{host}:{address.getsockname()[1]}"

    def say() -> None:
        content: dict[str, Any] = {"url": url, "name": options.name, "version": model.number}
        text = (
            f"ready: {model.title}, version {model.number}, at {url} "
            f"(a page to try it), {url}/v1/models/{options.name} and {url}/recommend"
        )
        print(json.dumps(content) if arguments.json else text, flush=True)

    serve(app, address, options, say)


def _folder(name: str) -> pathlib.Path:
    """The folder of a model, or of its versions."""
    from tfrec_zoo import model_folders

    return model_folders.export_within(model_folders.find(name))


def _log_at_once() -> None:
    """Shows what the server logs on stderr as it comes, since the command doesn't end."""
    logger, handler = (
        logging.getLogger("tfrec_zoo.serving.server"),
        logging.StreamHandler(sys.stderr),
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
