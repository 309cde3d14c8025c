"""Errors: what a client is told, in one line and with a status."""

from collections.abc import Mapping

import tensorflow as tf

#: What a message is cut to.
_LONGEST = 1000
#: TensorFlow Serving's statuses of TensorFlow's errors; all others are 500.
_STATUSES: dict[type[BaseException], int] = {
    tf.errors.InvalidArgumentError: 400,
    tf.errors.FailedPreconditionError: 400,
    tf.errors.OutOfRangeError: 400,
    tf.errors.NotFoundError: 404,
    tf.errors.ResourceExhaustedError: 429,
    tf.errors.UnimplementedError: 501,
    tf.errors.UnavailableError: 503,
    tf.errors.DeadlineExceededError: 504,
}


class RequestError(Exception):
    """A request that is not answered.

    Args:
        status: The status of the response.
        message: What is wrong; made one line.
        headers: Further headers of the response.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        line = " ".join(message.split())
        super().__init__(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…")
        self.status = status
        self.headers = dict(headers or {})


def busy(message: str) -> RequestError:
    """What a client is told that should come back in a second."""
    return RequestError(503, message, {"Retry-After": "1"})


def as_request_error(error: BaseException) -> RequestError:
    """What a client is told of an error."""
    if isinstance(error, RequestError):
        return error
    status = _STATUSES.get(type(error), 500)
    if isinstance(error, tf.errors.OpError) and status != 500:
        return RequestError(status, error.message)
    return RequestError(500, f"Internal error: {type(error).__name__}")
