"""Run: a server in a process of its own."""

import logging
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn

from tfrec_zoo.serving.server.options import ServerOptions
from tfrec_zoo.serving.server.protocol import LimitedProtocol

#: Seconds that a connection may be idle between requests.
_KEEP_ALIVE = 75


def listen(host: str, port: int) -> socket.socket:
    """Takes an address.

    Args:
        host: Name or address.
        port: The port, 0 for any that is free.

    Raises:
        ValueError: If there is no such port.
        OSError: If it is taken, or there is no such address.
    """
    if not 0 <= port < 1 << 16:
        raise ValueError(f"The port must be in 0 … 65535. Received: {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
        except BaseException:
            found.close()
            raise
    except (OSError, UnicodeError) as error:
        raise OSError(f"The server can't listen at {host}, port {port}: {error}") from error
    return found


def run(
    app: Any,
    address: socket.socket,
    options: ServerOptions,
    on_ready: Callable[[], Any] = lambda: None,
) -> None:
    """Serves until the process gets SIGTERM or SIGINT; what is being answered then is answered.

    Args:
        app: What `make_app` made.
        address: What `listen` returned.
        options: The limits.
        on_ready: Called when requests are answered.
    """
    server = make_server(app, options, on_ready)
    if threading.current_thread() is threading.main_thread():
        # uvicorn raises the signal again when it has stopped, and then the process should end well.
        signal.signal(signal.SIGTERM, lambda *_: None)
    server.run(sockets=[address])


def make_server(
    app: Any, options: ServerOptions, on_ready: Callable[[], Any] = lambda: None
) -> uvicorn.Server:
    """The server of uvicorn that `run` runs.

    Args:
        app: What `make_app` made.
        options: The limits.
        on_ready: Called when requests are answered.
    """
    # What clients do wrong is told to them, and counted.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    return _Server(app, options, on_ready)


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready, and to its clients when it is about to end."""

    def __init__(self, app: Any, options: ServerOptions, on_ready: Callable[[], Any]) -> None:
        limits = {
            "max_connections": options.max_connections,
            "read_timeout": options.read_timeout,
        }
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            http=type("Protocol", (LimitedProtocol,), limits),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=int(options.timeout) + 1,
        )
        super().__init__(config)
        self._app = app
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if self.should_exit and message["type"] == "http.response.start":
                # Or a client would ask again on a connection that is closed meanwhile.
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, sending)
