"""Options: the limits of a server."""

import dataclasses

from tfrec_zoo.needs import Need, not_default, refuse_idle
from tfrec_zoo.typed_fields import check

#: What fields take to have an effect.
_NEEDS = (
    Need(
        ("max_body",),
        lambda options: options.max_body <= options.max_bytes,
        "is more than `max_bytes` lets in of all bodies together: raise that as well",
    ),
)


@dataclasses.dataclass(frozen=True)
class ServerOptions:
    """The name of the model and the limits of the server.

    Args:
        name: Name of the model in the paths.
        batch_rows: Rows of several requests that are answered at once; 1 answers each by itself.
        workers: Calls of TensorFlow that run at once; each uses all cores where it can.
        max_requests: Requests that are read, wait or are answered at once; further ones get 503.
        max_rows: Rows of one request, and the longest list that it may ask for.
        max_body: Bytes of the body of one request.
        max_bytes: Bytes of all bodies that are held at once; a request beyond gets 503.
        max_connections: Open connections; further ones are closed.
        timeout: Seconds until a request that waits or is answered gets 504.
        read_timeout: Seconds that a client may take to send the head of a request, and its body.
        poll: Seconds between two looks at the folder for another version.

    Raises:
        ValueError: If a value is of another type or not positive, or `max_body` is given and more
            than `max_bytes`.
    """

    name: str = "model"
    batch_rows: int = 64
    workers: int = 1
    max_requests: int = 512
    max_rows: int = 1024
    max_body: int = 8 << 20
    max_bytes: int = 64 << 20
    max_connections: int = 1024
    timeout: float = 30.0
    read_timeout: float = 10.0
    poll: float = 1.0

    def __post_init__(self) -> None:
        check(self)
        if not self.name or set(self.name) & set("/:"):
            raise ValueError(
                f"`name` must be a name without slashes and colons. Received: {self.name!r}"
            )
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "name" and not value > 0:
                raise ValueError(f"`{field.name}` must be positive. Received: {value!r}")
        refuse_idle(_NEEDS, not_default(self), self)
