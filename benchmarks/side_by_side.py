"""What benchmarks share that run contenders side by side: taking turns, ratios, tables, processes.

Nothing here needs more than NumPy, so that scripts of other environments can use it.
"""

import contextlib
import datetime
import gc
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

#: Does a contender's work once; returns `seconds`, and whatever else is to be reported.
Turn = Callable[[], dict[str, Any]]


def timed(work: Callable[[], Any]) -> dict[str, Any]:
    """The `seconds` that work took and the `loss`, if it returned one or it was Keras's `fit`."""
    gc.collect()
    begin = time.perf_counter()
    done = work()
    seconds = time.perf_counter() - begin
    loss = done.history["loss"][-1] if hasattr(done, "history") else done
    return {"seconds": seconds} | ({} if loss is None else {"loss": loss})


def milliseconds(call: Callable[[], Any], calls: int, warm_up: int = 5) -> list[float]:
    """How long each of some calls took, after others that warm up."""
    found = []
    for _ in range(warm_up + calls):
        begin = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - begin))
    return found[warm_up:]


def rates(
    contenders: list[tuple[dict[str, Any], Turn]], number: int, rounds: int
) -> list[dict[str, Any]]:
    """Thousands per second of each contender in each round, after one that warms up.

    Args:
        contenders: What says who it is, with a `contender` in it, and its work.
        number: How many (examples, pairs) its work is.
        rounds: Each goes the other way round than the one before.

    Returns:
        For each contender who it is, `min`, `median` and `max`, the `rounds`, and what its last
        turn reported.
    """
    found: list[list[float]] = [[] for _ in contenders]
    last: list[dict[str, Any]] = [{} for _ in contenders]
    for turn in range(rounds + 1):
        order = range(len(contenders))
        for i in order if turn % 2 else reversed(order):
            who, work = contenders[i]
            last[i] = work()
            rate = number / last[i].pop("seconds") / 1000
            rest = "".join(f", {key} {value:.4g}" for key, value in last[i].items())
            what = f"round {turn}" if turn else "warm-up"
            say(f"{what}: {', '.join(map(str, who.values()))}: {rate:.4g} thousand/s{rest}")
            if turn:
                found[i].append(rate)
    return [
        {**who, **spread(values), "rounds": values, **rest}
        for (who, _), values, rest in zip(contenders, found, last, strict=True)
    ]


def ratios(results: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """By how much "ours…" are faster than the others of the same key, round by round."""
    found = []
    for our in results:
        for other in results:
            is_other = our["contender"].startswith("ours") > other["contender"].startswith("ours")
            if is_other and our[key] == other[key]:
                values = [a / b for a, b in zip(our["rounds"], other["rounds"], strict=True)]
                who = {key: our[key], "ours": our["contender"], "to": other["contender"]}
                found.append({**who, **spread(values)})
    return found


def spread(values: list[float]) -> dict[str, float]:
    """`min`, `median` and `max`."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


class Peer:
    """A process, perhaps of another environment, that answers requests: `answer` is its other end.

    Args:
        *command: What to run.

    Attributes:
        about: What it said of itself when it was ready.
    """

    def __init__(self, *command: Any) -> None:
        pipe = subprocess.PIPE
        self.command = [str(word) for word in command]
        self.process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, text=True)
        self.about = self._answer()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Sends a request; returns the answer."""
        assert self.process.stdin is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.command} ended with {self.process.wait()}.")
        return json.loads(line)

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@contextlib.contextmanager
def peer_with(arrays: dict[str, Any], *command: Any) -> Iterator[Peer]:
    """A `Peer` whose last argument is the path of a file of arrays."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "arrays.npz"
        np.savez(path, **arrays)
        with contextlib.closing(Peer(*command, path)) as peer:
            yield peer


def answer(handle: Callable[..., dict[str, Any]], **about: Any) -> None:
    """Says that it is ready, then answers a `Peer`'s requests until there are no more."""
    out = sys.stdout
    print(json.dumps(about), file=out, flush=True)
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            found = handle(**json.loads(line))
        print(json.dumps(found), file=out, flush=True)


def peak_mb() -> float:
    """The most memory this process ever took."""
    _require_linux()
    # Not `ru_maxrss`, which begins with that of the process that started this one.
    peak = re.search(r"VmHWM:\s*(\d+) kB", pathlib.Path("/proc/self/status").read_text())
    assert peak is not None
    return int(peak[1]) / 1024


def about(**more: Any) -> dict[str, Any]:
    """What a benchmark measures, its command, and when, on what and with what it began to run.

    Folders of this machine, which tell nobody anything, are `DIR` in the command.
    """
    _require_linux()
    from tfrec_zoo.artifacts import versions  # Environments of peers have no tfrec_zoo.

    script, (path, *arguments) = sys.modules["__main__"], sys.argv
    words = [re.sub(r"(^|=)/(.*/)?", r"\1DIR/", word) for word in arguments]
    return {
        "measures": (script.__doc__ or "").partition("\n")[0],
        "command": shlex.join(["python", f"benchmarks/{pathlib.Path(path).name}", *words]),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)),
        "load_at_start": os.getloadavg()[0],
        "versions": versions(),
        **more,
    }


def versions_in(python: str | None, *packages: str) -> dict[str, str]:
    """The versions of packages of a peer's environment, by "peer NAME"; nothing without a Python.

    Args:
        python: The environment's Python.
        packages: Their names, as PyPI has them.
    """
    if python is None:
        return {}
    program = (
        "import importlib.metadata as of, json, sys;"
        "print(json.dumps({f'peer {name}': of.version(name) for name in sys.argv[1:]}))"
    )
    answer = subprocess.check_output([python, "-c", program, *packages], text=True)
    return json.loads(answer)


def kept(
    path: pathlib.Path, settings: dict[str, Any], work: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What a run found, from its file; without one the work is done, and its file written.

    Args:
        path: Of the run's file.
        settings: What the run depends on; JSON has words for it.
        work: Returns what is to be kept.

    Raises:
        SystemExit: If the file is of other settings.
    """
    from tfrec_zoo.artifacts import atomic_write

    settings = json.loads(json.dumps(settings))
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.get("settings") != settings:
            sys.exit(
                f"{path} is of other settings: give another folder, or remove it. "
                f"Received: {settings}, in the file: {found.get('settings')}"
            )
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {**work(), "settings": settings}
    atomic_write(path, json.dumps(found, indent=1) + "\n")
    return found


def report(
    head: dict[str, Any],
    tables: dict[str, list[dict[str, Any]]],
    digits: int,
    output: pathlib.Path | None,
    **details: Any,
) -> None:
    """Prints tables, and writes the file that `page.py` renders.

    Args:
        head: What `about` returned.
        tables: Rows by what they show. Keys that not all rows of a table have are left out of it.
        digits: Decimals of numbers.
        output: Result file; none is written without.
        **details: What the tables are made from, or what stands in no table; only written.
    """
    for title, rows in tables.items():
        print(f"\n{title}:\n\n{markdown(rows, digits)}", flush=True)
    if output:
        from tfrec_zoo.artifacts import atomic_write
        from tfrec_zoo.evaluation.result import without_nan

        contents = without_nan({**head, "digits": digits, "tables": tables, **details})
        atomic_write(output, json.dumps(contents, indent=1, allow_nan=False) + "\n")


def _require_linux() -> None:
    if sys.platform != "linux":
        raise SystemExit(
            "Cores, load and memory are read as Linux tells them: run this benchmark there. "
            f"Received: {sys.platform}"
        )


def say(what: Any) -> None:
    """Progress."""
    print(what, file=sys.stderr, flush=True)


def markdown(results: list[dict[str, Any]], digits: int) -> str:
    """A table of rows; lists, and what not all rows have, are left out, and no number is blank."""
    keys = [k for k, v in results[0].items() if not isinstance(v, list)]
    keys = [key for key in keys if all(key in row for row in results)]
    lines = [f"| {' | '.join(keys)} |", "|---" * len(keys) + "|"]
    lines += [f"| {' | '.join(_cell(row[key], digits) for key in keys)} |" for row in results]
    return "\n".join(lines)


def _cell(value: Any, digits: int) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)
