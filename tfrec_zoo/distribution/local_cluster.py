"""A local cluster: the processes of a strategy on this machine, for trying out and for tests."""

import contextlib
import ctypes
import json
import logging
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

logger = logging.getLogger(__name__)

#: How often processes that were killed are started again, all in all.
RESTARTS = 5
#: Seconds that a process has to end by itself once it was told to.
_GRACE = 10.0


def run(command: Sequence[str], workers: int, parameter_servers: int = 0) -> int:
    """Runs a command of `tfrec-zoo` in all processes of a cluster on this machine.

    Each gets the TF_CONFIG of its place. The chief shares this process's output; what others say is
    kept, and logged if they fail. All of them end when the chief ends, or this process does. Beside
    parameter servers a worker that is killed is started again, and the training goes on. Without
    them all start again, with --resume, from the last state that was kept.

    Args:
        command: The command and its arguments, such as `["train", "DeepFM", ...]`.
        workers: Number of workers; without parameter servers, the first is the chief.
        parameter_servers: Number of parameter servers, beside which there is one chief more.

    Returns:
        The exit code of the chief; 128 and the signal, if one ended it.

    Raises:
        ValueError: If there is no command, or no worker.
        RuntimeError: If a process fails again and again.
    """
    if not command or command[0] not in ("train", "retrain"):
        raise ValueError(
            "`command` must be one that trains: train or retrain, with its arguments. "
            f"Received: {list(command)}"
        )
    if workers < 1 or parameter_servers < 0:
        raise ValueError(
            "There must be at least one worker. "
            f"Received: workers={workers}, ps={parameter_servers}"
        )
    strategy = "parameter-server" if parameter_servers else "multi-worker"
    command = list(command)
    given = _strategy_of(command)
    if given not in (None, strategy):
        raise ValueError(
            f"Such a cluster trains by the strategy {strategy!r}: leave --strategy out"
            f"{'' if parameter_servers else ', or give parameter servers'}. Received: {given!r}"
        )
    if given is None:
        command += ["--strategy", strategy]
    jobs = {"worker": workers, "ps": parameter_servers, "chief": 1}
    if not parameter_servers:
        jobs = {"worker": workers}
    restarts = RESTARTS
    with tempfile.TemporaryDirectory(prefix="tfrec_zoo_cluster_") as folder:
        while True:
            with _started(command, jobs, pathlib.Path(folder)) as cluster:
                code, restarts = cluster.watch(restarts)
            if code is not None:
                return 128 - code if code < 0 else code
            has_own_state = any("checkpoint_dir=" in word for word in command)
            if "--resume" not in command and not has_own_state:
                command.append("--resume")


def _strategy_of(command: Sequence[str]) -> str | None:
    """The strategy that a command names; None if it names none."""
    words = iter(command)
    for word in words:
        flag, is_joined, value = word.partition("=")
        if flag == "--strategy":
            return value if is_joined else next(words, None)
        if word.removeprefix("--training=").startswith("strategy="):
            return word.rpartition("=")[2]
    return None


class _Cluster:
    """Processes by the job and the number of their task."""

    def __init__(
        self, command: Sequence[str], jobs: Mapping[str, int], folder: pathlib.Path
    ) -> None:
        self._command, self._folder = command, folder
        ports = iter(_free_ports(sum(jobs.values())))
        self._addresses = {
            job: [f"127.0.0.1:{next(ports)}" for _ in range(number)] for job, number in jobs.items()
        }
        self._chief = ("chief", 0) if "chief" in jobs else ("worker", 0)
        self._processes: dict[tuple[str, int], subprocess.Popen[bytes]] = {}
        for job, addresses in self._addresses.items():
            for index in range(len(addresses)):
                self.start(job, index)

    def start(self, job: str, index: int) -> None:
        """Starts a process in its place."""
        task = {"type": job, "index": index}
        environment = {
            **os.environ,
            "TF_CONFIG": json.dumps({"cluster": self._addresses, "task": task}),
        }
        with contextlib.ExitStack() as files:
            said: IO[bytes] | None = None
            if (job, index) != self._chief:
                said = files.enter_context(self._said(job, index).open("wb"))
            self._processes[job, index] = subprocess.Popen(
                [sys.executable, "-m", "tfrec_zoo", *self._command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                # Ctrl-C is for this process, which tells the others.
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )

    def watch(self, restarts: int) -> tuple[int | None, int]:
        """Waits for the chief.

        Args:
            restarts: How many processes may be started again.

        Returns:
            Its exit code, or None if all are to be started again; and how many restarts are left.
        """
        while True:
            code = self._processes[self._chief].poll()
            if code is not None:
                return code, restarts
            for (job, index), process in list(self._processes.items()):
                if not process.poll():  # It runs, or its part of the training is over.
                    continue
                del self._processes[job, index]
                if job != "ps" and process.returncode > 0 and self._has_ended(self._chief):
                    break  # An error of the command itself, of which the chief tells.
                said = self._last_words(job, index)
                words = f"{job} {index} ended with {process.returncode}{said}"
                logger.warning("%s", words)
                if job == "ps":
                    continue  # What only it had is lost: the chief finds out, and ends.
                if not restarts:
                    raise RuntimeError(
                        f"Processes of the cluster ended {RESTARTS + 1} times. Received: {words}"
                    )
                restarts -= 1
                if "ps" not in self._addresses:
                    return None, restarts
                self.start(job, index)
            time.sleep(0.1)

    def _has_ended(self, place: tuple[str, int]) -> bool:
        """Whether a process has ended, or does so soon."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._processes[place].wait(_GRACE)
        return self._processes[place].poll() is not None

    def end(self) -> None:
        """Ends all processes."""
        for ended in (signal.SIGTERM, signal.SIGKILL):
            running = [p for p in self._processes.values() if p.poll() is None]
            for process in running:
                process.send_signal(ended)
            until = time.monotonic() + _GRACE
            for process in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(until - time.monotonic(), 0.1))

    def interrupt(self) -> None:
        """Tells the chief of Ctrl-C, and gives it time to end."""
        chief = self._processes[self._chief]
        if chief.poll() is None:
            chief.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                chief.wait(_GRACE)

    def _said(self, job: str, index: int) -> pathlib.Path:
        return self._folder / f"{job}-{index}.log"

    def _last_words(self, job: str, index: int) -> str:
        path = self._said(job, index)
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        return f": {text.split(chr(10))[-1]:.300}" if (text := text.strip()) else ""


@contextlib.contextmanager
def _started(
    command: Sequence[str], jobs: Mapping[str, int], folder: pathlib.Path
) -> Iterator[_Cluster]:
    """Yields a cluster that runs, and ends it."""
    cluster = _Cluster(command, jobs, folder)
    before = signal.signal(signal.SIGTERM, _interrupted)
    try:
        yield cluster
    except KeyboardInterrupt:
        cluster.interrupt()
        raise
    finally:
        cluster.end()
        signal.signal(signal.SIGTERM, before)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _free_ports(number: int) -> list[int]:
    """Ports of the loopback device that nobody uses."""
    with contextlib.ExitStack() as sockets:
        found = [sockets.enter_context(socket.socket()) for _ in range(number)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def _end_with_parent() -> None:
    """Has Linux kill this process when the one that started it ends, however it does."""
    set_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(set_signal, signal.SIGKILL)
