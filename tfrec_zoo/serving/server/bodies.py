"""Bodies: what requests bring, read within limits of size, time and number."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from tfrec_zoo.serving.server.errors import RequestError, busy
from tfrec_zoo.serving.server.options import ServerOptions

#: A response with it ends the connection, whose body is not read to its end.
_CLOSE = {"Connection": "close"}


class Bodies:
    """Reads bodies, and counts what is held of them.

    Args:
        options: The limits.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._requests = 0
        self._bytes = 0

    @contextlib.asynccontextmanager
    async def held(self, request: Request) -> AsyncIterator[bytes]:
        """Yields the body of a request, which counts as held until the request is answered.

        Args:
            request: The request.

        Raises:
            RequestError: If the body is too long, too slow or cut off, or too much is held already.
        """
        options = self._options
        if self._requests >= options.max_requests:
            raise busy(f"{options.max_requests} requests are being answered: try again.")
        if request.headers.get("content-encoding", "identity") != "identity":
            raise RequestError(415, "A body must not be compressed.", _CLOSE)
        declared = request.headers.get("content-length", "0")
        if declared.isascii() and declared.isdigit() and int(declared) > options.max_body:
            raise self._too_long()
        body = _Body()
        self._requests += 1
        try:
            try:
                await asyncio.wait_for(self._read(request, body), options.read_timeout)
            except asyncio.TimeoutError:
                raise RequestError(
                    408, f"The body took longer than {options.read_timeout} seconds.", _CLOSE
                ) from None
            except ClientDisconnect:
                raise RequestError(400, "The body was cut off.", _CLOSE) from None
            yield b"".join(body.parts)
        finally:
            self._requests -= 1
            self._bytes -= body.size

    async def _read(self, request: Request, body: "_Body") -> None:
        async for part in request.stream():
            body.parts.append(part)
            body.size += len(part)
            self._bytes += len(part)
            if body.size > self._options.max_body:
                raise self._too_long()
            if self._bytes > self._options.max_bytes:
                raise busy("The bodies of other requests fill the memory: try again.")

    def _too_long(self) -> RequestError:
        limit = self._options.max_body
        return RequestError(413, f"A body has at most {limit} bytes.", _CLOSE)


@dataclasses.dataclass
class _Body:
    """What has been read of a body."""

    parts: list[bytes] = dataclasses.field(default_factory=list)
    size: int = 0
