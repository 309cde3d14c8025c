"""Notes: what the library logs while a command runs, shown where a person or a script finds it."""

import contextlib
import logging
import sys
from collections.abc import Iterator


class _Notes(logging.Handler):
    """Shows notes at once on a terminal, and keeps them elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a warning of any module, or what reading data finds."""
        if record.levelno < logging.WARNING and not record.name.startswith("tfrec_zoo.data"):
            return
        line = " ".join(record.getMessage().split())
        if sys.stderr.isatty():
            print(line, file=sys.stderr, flush=True)
        elif line not in self.lines:
            self.lines.append(line)


@contextlib.contextmanager
def notes() -> Iterator[list[str]]:
    """Yields the notes that are not shown yet, a line each, which a command that succeeds prints.

    What a command prints on stderr is its error alone.
    """
    logger, handler = logging.getLogger("tfrec_zoo"), _Notes()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def tell_progress() -> None:
    """Has what the library does told on stderr as it happens, of commands that take hours.

    What other packages have to tell below a warning is not.
    """
    logging.basicConfig(format="%(asctime)s %(message)s")
