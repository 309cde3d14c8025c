"""App: a server as an ASGI application, to be run or to be mounted in another."""

import asyncio
import contextlib
import importlib.resources
import logging
import pathlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent import futures
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tfrec_zoo.serving.client import Served
from tfrec_zoo.serving.load import load as load_export
from tfrec_zoo.serving.server.batching import Batcher
from tfrec_zoo.serving.server.bodies import Bodies
from tfrec_zoo.serving.server.errors import RequestError, as_request_error
from tfrec_zoo.serving.server.json_text import read_json, write_json
from tfrec_zoo.serving.server.metrics import Metrics
from tfrec_zoo.serving.server.model_versions import ModelVersions
from tfrec_zoo.serving.server.options import ServerOptions
from tfrec_zoo.serving.server.recommend import Recommender, about
from tfrec_zoo.serving.server.rest import RestApi, malformed

logger = logging.getLogger(__name__)

#: Bodies up to this size are read at once; longer ones in a thread of their own.
_SHORT = 1 << 14
_JSON = "application/json"
#: What the page may load: itself, and what this server has.
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
#: Items that a search returns.
_FOUND = 20


class Server:
    """Answers the requests of one model.

    Args:
        versions: The versions of the model.
        options: The name of the model and the limits.
    """

    def __init__(self, versions: ModelVersions, options: ServerOptions) -> None:
        self.versions = versions
        self.options = options
        self._bodies = Bodies(options)
        self._batcher = Batcher(
            options.workers, options.batch_rows, lambda rows: self.metrics.batch(rows)
        )
        self.metrics = Metrics(lambda: self._batcher.num_waiting, lambda: versions.current.number)
        self._rest = RestApi(versions, self._batcher, options)
        self._recommender = Recommender(versions, self._batcher, options)
        self._reader = futures.ThreadPoolExecutor(1, "bodies")

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """Watches for other versions meanwhile, and lets what is being answered end."""
        self.versions.watch(self.options.poll)
        try:
            yield
        finally:
            self._reader.shutdown()
            self._batcher.close()
            await asyncio.to_thread(self.versions.close)

    def routes(self) -> list[Route]:
        """The paths that are answered."""
        page = [("/", "page.html", "text/html"), ("/page.js", "page.js", "text/javascript"),
                ("/page.css", "page.css", "text/css")]  # fmt: skip
        return [
            *(Route(path, _File(name, media), methods=["GET"]) for path, name, media in page),
            Route("/healthz", self._endpoint(self._health, "healthz")),
            Route("/metrics", self._endpoint(self._metrics, "metrics")),
            Route("/monitoring/prometheus/metrics", self._endpoint(self._metrics, "metrics")),
            Route("/items", self._endpoint(self._items, "items")),
            Route("/about", self._endpoint(self._about, "about")),
            Route("/recommend", self._endpoint(self._recommend, "recommend"), methods=["POST"]),
            *(
                Route(f"/{v}1/{{rest:path}}", self._endpoint(self._v1), methods=_METHODS)
                for v in "vV"  # TensorFlow Serving takes either.
            ),
        ]

    def _endpoint(
        self, answer: Callable[[Request], Awaitable[Response]], name: str | None = None
    ) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint whose answers are counted, and whose errors are a line of JSON."""

        async def endpoint(request: Request) -> Response:
            kind = name or self._rest.kind(request.method, _path(request))
            begin = time.perf_counter()
            with self.metrics.open_requests.track_inprogress():
                response = await _or_error(answer, request)
            self.metrics.answered(kind, response.status_code, time.perf_counter() - begin)
            return response

        return endpoint

    async def _v1(self, request: Request) -> Response:
        path = _path(request)
        if request.method == "POST":
            body = await self._answer_body(
                request, lambda body: self._rest.post(path, lambda: self._read(body))
            )
        elif request.method in ("GET", "HEAD"):
            body = self._rest.get(path)
        else:
            raise malformed(request.method, path)
        return Response(body, media_type=_JSON)

    async def _recommend(self, request: Request) -> Response:
        async def answer(body: bytes) -> bytes:
            return await self._recommender.answer(await self._read(body))

        return Response(await self._answer_body(request, answer), media_type=_JSON)

    async def _answer_body(
        self, request: Request, answer: Callable[[bytes], Awaitable[bytes]]
    ) -> bytes:
        async with self._bodies.held(request) as body:
            try:
                return await asyncio.wait_for(answer(body), self.options.timeout)
            except asyncio.TimeoutError:
                raise RequestError(
                    504, f"There was no answer within {self.options.timeout} seconds."
                ) from None

    async def _read(self, body: bytes) -> dict[str, Any]:
        if len(body) <= _SHORT:
            return read_json(body)
        return await asyncio.get_running_loop().run_in_executor(self._reader, read_json, body)

    async def _health(self, request: Request) -> Response:
        content = {"status": "ok", "version": str(self.versions.current.number)}
        return Response(write_json(content), media_type=_JSON)

    async def _metrics(self, request: Request) -> Response:
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def _about(self, request: Request) -> Response:
        with self.versions.lease() as model:
            return Response(write_json(about(model)), media_type=_JSON)

    async def _items(self, request: Request) -> Response:
        text = request.query_params.get("query", "")
        with self.versions.lease() as model:
            titles = model.titles
            found = [] if titles is None else await asyncio.to_thread(titles.find, text, _FOUND)
        return Response(write_json({"items": found}), media_type=_JSON)


def make_app(
    folder: str | pathlib.Path,
    options: ServerOptions | None = None,
    load: Callable[[pathlib.Path], Served] = load_export,
) -> Starlette:
    """Makes an ASGI application that serves the latest version of a model.

    Its `state.server` has the `versions`; a program that mounts the application in its own runs
    `state.server.lifespan()` in its own lifespan.

    Args:
        folder: An export (or another SavedModel), or a folder with one in each numbered folder.
        options: The name of the model and the limits.
        load: Loads an export.

    Raises:
        FileNotFoundError, ValueError, ImportError: If there is no model that can be loaded.
    """
    options = options or ServerOptions()
    server = Server(ModelVersions(folder, options.name, load), options)
    app = Starlette(
        routes=server.routes(),
        lifespan=server.lifespan,
        exception_handlers={HTTPException: _http_error},
    )
    app.state.server = server
    return app


class _File:
    """An endpoint that returns a file of the page."""

    def __init__(self, name: str, media_type: str) -> None:
        self._body = (importlib.resources.files(__package__) / name).read_bytes()
        self._media_type = media_type

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
        await Response(self._body, headers=headers, media_type=self._media_type)(
            scope, receive, send
        )


def _path(request: Request) -> str:
    """The path below where the application is mounted."""
    return str(request.scope["path"].removeprefix(request.scope.get("root_path", "")))


async def _or_error(answer: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    try:
        return await answer(request)
    except Exception as error:
        told = as_request_error(error)
        if told.status == 500:
            logger.exception("a request failed")
        return _error(told.status, str(told), told.headers)


def _error(status: int, message: str, headers: Any) -> Response:
    return Response(
        write_json({"error": message}), status_code=status, headers=headers, media_type=_JSON
    )


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{error.detail}: {request.method} {request.url.path:.200}"
    return _error(error.status_code, message, error.headers)
