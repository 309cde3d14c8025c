"""A server on a port of its own, in a thread, and a client that speaks plain HTTP to it."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tfrec_zoo.serving.server import ServerOptions, make_app
from tfrec_zoo.serving.server.run import listen, make_server


class Answer(NamedTuple):
    """What a server answered: its status, its headers, and its JSON or text."""

    status: int
    headers: dict[str, str]
    content: Any


class Client:
    """Asks a server, with a connection for each request."""

    def __init__(self, port: int, server: Any = None) -> None:
        self.port = port
        self.server = server

    def ask(self, path: str, body: Any = None, method: str | None = None, **headers: str) -> Answer:
        """Gets a path, or posts a body: text, bytes, or what is written as JSON."""
        if body is not None and not isinstance(body, str | bytes):
            body = json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
            return _answer(connection.getresponse())

    def counts(self, line: str) -> bool:
        """Whether the metrics have a line."""
        return line in self.ask("/metrics").content

    def send(self, *parts: bytes) -> bytes:
        """Sends bytes as they are; returns what comes until the server closes the connection."""
        with self.open() as opened:
            for part in parts:
                opened.sendall(part)
            return received(opened)

    def open(self) -> socket.socket:
        """A connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


def until(condition: Callable[[], Any]) -> None:
    """Waits until something holds."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for a minute"


def received(opened: socket.socket) -> bytes:
    """All that comes until the other side closes the connection."""
    found = b""
    while part := opened.recv(1 << 16):
        found += part
    return found


def _answer(response: http.client.HTTPResponse) -> Answer:
    body = response.read()
    content = body.decode()
    headers = {key.lower(): value for key, value in response.getheaders()}
    if headers.get("content-type") == "application/json" and body:
        content = json.loads(body)
    return Answer(response.status, headers, content)


@contextlib.contextmanager
def running(folder: Any, options: ServerOptions | None = None, **kwargs: Any) -> Iterator[Client]:
    """Serves a folder in a thread meanwhile."""
    options = options or ServerOptions()
    with answering(make_app(folder, options, **kwargs), options) as client:
        yield client


@contextlib.contextmanager
def answering(app: Any, options: ServerOptions | None = None) -> Iterator[Client]:
    """Serves an application in a thread meanwhile."""
    address, ready = listen("127.0.0.1", 0), threading.Event()
    server = make_server(app, options or ServerOptions(), ready.set)
    thread = threading.Thread(target=server.run, args=([address],))
    thread.start()
    try:
        assert ready.wait(60)
        yield Client(address.getsockname()[1], server)
    finally:
        server.should_exit = True
        thread.join(60)
    assert not thread.is_alive()
