"""Protocol: HTTP/1.1 whose heads have a deadline, and whose errors are JSON."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from tfrec_zoo.serving.server.json_text import write_json

#: Bytes of a long answer that a client must take in `read_timeout` seconds.
_TAKEN = 1 << 16


class LimitedProtocol(H11Protocol):
    """uvicorn's protocol, with limits of connections and of the time that a client may take.

    Attributes:
        max_connections: Open connections; further ones are closed.
        read_timeout: Seconds that the head of a request may take, and in which a client must take
            some of a long answer.
    """

    max_connections: int
    read_timeout: float
    _deadline: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Takes a connection, or closes it where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._end(503, "There are too many connections: try again.")
        else:
            self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Takes bytes; a head that has begun must end in time."""
        super().data_received(data)
        if self.transport.is_closing() or self._is_answering:
            self._forget_deadline()
        elif self._deadline is None and self.timeout_keep_alive_task is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        self._forget_deadline()
        self._forget_stall()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Holds back what a client doesn't take, and watches whether it takes any."""
        super().pause_writing()
        self._watch_stall()

    def resume_writing(self) -> None:
        """Goes on when the client has taken most."""
        self._forget_stall()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP."""
        self._end(400, msg)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(self.read_timeout, self._too_late)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        if not self.transport.is_closing() and not self._is_answering:
            self._end(408, f"The head took longer than {self.read_timeout} seconds.")

    def _watch_stall(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(self.read_timeout, self._end_stall, left)

    def _end_stall(self, before: int) -> None:
        if before - self.transport.get_write_buffer_size() < _TAKEN:
            self.transport.abort()
        else:
            self._watch_stall()

    def _forget_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _end(self, status: int, message: str) -> None:
        """Answers, if nothing is being answered, and closes the connection."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = write_json({"error": message})
            headers = [
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            for event in (
                h11.Response(status_code=status, headers=headers),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
