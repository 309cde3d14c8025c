"""What `tfrec-zoo serve` bears: requests per second, bad requests, a kill, versions swapped in.

    python benchmarks/server_load.py --output runs/server-load.json

The server, the clients and this script are processes of their own on one machine, and share its
cores. The model is the funnel of `funnel_latency.py`, whose networks are not trained; each
request has a history of 50 and gets 10 items. Every answer is compared with what the export
itself recommends.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from funnel_latency import make_funnel
from side_by_side import Peer, about, report, say

from tfrec_zoo.serving import export, load

PARTS = ("throughput", "bad requests", "restarts", "swaps")
K, MAX_BODY = 10, 1 << 20
_TENTHS = 10


class Server:
    """A process that serves a folder."""

    def __init__(self, folder: pathlib.Path, port: int = 0, **options: Any) -> None:
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tfrec_zoo", "serve", str(folder), "--json", f"--port={port}"]
            + flags,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(json.loads(self.process.stdout.readline())["url"].rpartition(":")[2])

    def memory_mb(self) -> float:
        """The memory that the process holds."""
        pages = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def end(self, how: int = signal.SIGTERM) -> int:
        """Ends the process; returns its exit code."""
        self.process.send_signal(how)
        return self.process.wait()


@contextlib.contextmanager
def serving(folder: pathlib.Path, **options: Any) -> Iterator[Server]:
    server = Server(folder, **options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()


def make_requests(folder: pathlib.Path, num_items: int, number: int) -> dict[str, list[Any]]:
    """Bodies by path, each with the ids and scores that must come back."""
    rng = np.random.default_rng(0)
    served = load(folder)
    found: dict[str, list[Any]] = {"/recommend": [], "/v1/models/model:predict": []}
    for _ in range(number):
        history = [f"i{n}" for n in rng.integers(num_items, size=50)]
        frame = served.recommend({"history": [history]}, K)
        pairs = frame[["id", "score"]].values.tolist()
        found["/recommend"].append([{"request": {"history": history}, "k": K}, pairs])
        outputs = served({"history": [history]}, "from_history")
        pairs = list(zip(outputs["ids"][0].tolist(), outputs["scores"][0].tolist(), strict=True))
        body = {"signature_name": "from_history", "instances": [{"history": history}]}
        found["/v1/models/model:predict"].append([body, pairs])
    return found


def throughput(
    folder: pathlib.Path, asked: dict[str, Any], client: Peer, arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Requests per second and latency, with micro-batching and without, in turns."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    with serving(folder, batch_rows=64) as together, serving(folder, batch_rows=1) as apart:
        contenders = [("together", together), ("one by one", apart)]
        for turn in range(arguments.rounds + 1):
            for how, server in contenders if turn % 2 else reversed(contenders):
                for path, bodies in asked.items():
                    for clients in arguments.clients:
                        measured = client.ask(
                            what="load", port=server.port, path=path, asked=bodies, retries=False,
                            clients=clients, seconds=arguments.seconds if turn else 1.0,
                        )  # fmt: skip
                        rates = {k: round(v, 1) for k, v in list(measured.items())[:3]}
                        say(f"round {turn}: {path}, {clients} clients, {how}: {rates}")
                        if turn:
                            found.setdefault((path, clients, how), []).append(measured)
    rows = []
    for (path, clients, how), rounds in sorted(found.items()):
        row: dict[str, Any] = {"path": path, "clients": clients, "answered": how}
        for key in ("per_second", "p50_ms", "p99_ms"):
            row[key] = statistics.median(measured[key] for measured in rounds)
        row["right"] = sum(measured["counts"].get("right", 0) for measured in rounds)
        row["other"] = sum(sum(measured["counts"].values()) for measured in rounds) - row["right"]
        row["rounds"] = [measured["per_second"] for measured in rounds]
        rows.append(row)
    return rows


def bad_requests(
    folder: pathlib.Path, asked: dict[str, Any], client: Peer, arguments: argparse.Namespace
) -> dict[str, Any]:
    """What comes of bad requests among good ones, and the server's memory before and after."""
    with serving(folder, read_timeout=1, max_body=MAX_BODY) as server:
        bodies = asked["/recommend"]
        request = {
            "what": "misbehave", "port": server.port, "asked": bodies, "max_body": MAX_BODY,
            "clients": 32,
        }  # fmt: skip
        # What a server takes once, for its threads and its longest requests.
        client.ask(requests=arguments.bad_requests // _TENTHS, seed=_TENTHS, **request)
        memory, found = [server.memory_mb()], []
        for seed in range(_TENTHS):
            number = arguments.bad_requests // _TENTHS
            found.append(client.ask(requests=number, seed=seed, **request))
            memory.append(server.memory_mb())
            say(f"{memory[-1]:.0f} MB, unexpected: {found[-1]['unexpected']}")
    counts: dict[str, dict[str, int]] = {}
    for tenth in found:
        for kind, outcomes in tenth["counts"].items():
            for outcome, number in outcomes.items():
                of_kind = counts.setdefault(kind, {})
                of_kind[outcome] = of_kind.get(outcome, 0) + number
    return {
        "seconds": sum(tenth["seconds"] for tenth in found),
        "counts": counts,
        "unexpected": [tenth["unexpected"] for tenth in found if tenth["unexpected"]],
        "memory_mb": memory,
    }


def restarts(
    folder: pathlib.Path, asked: dict[str, Any], client: Peer, arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """What clients see that come again, when a server is ended and another one started."""
    found = []
    for name, how in (("SIGKILL", signal.SIGKILL), ("SIGTERM", signal.SIGTERM)):
        first = Server(folder)
        port = first.port
        with in_the_background(
            client, what="load", port=port, path="/recommend", asked=asked["/recommend"],
            clients=8, seconds=arguments.seconds + 15, retries=True,
        ) as answered:  # fmt: skip
            time.sleep(3)
            begin = time.perf_counter()
            code = first.end(how)
            ended = time.perf_counter()
            second = Server(folder, port)
            took = {"end_s": ended - begin, "start_s": time.perf_counter() - ended}
        measured = answered()
        second.end()
        found.append({"ended by": name, "exit code": code, **took, **measured})
        say(found[-1])
    return found


def swaps(
    folder: pathlib.Path, asked: dict[str, Any], client: Peer, arguments: argparse.Namespace
) -> dict[str, Any]:
    """What clients see when versions are swapped in, and the server's memory after each."""
    base = folder.parent / "versions"
    shutil.copytree(folder, base / "1")
    memory = []
    with serving(base, poll=0.2) as server:
        with in_the_background(
            client, what="load", port=server.port, path="/recommend", asked=asked["/recommend"],
            clients=8, seconds=4.0 * (arguments.swaps + 1), retries=False,
        ) as answered:  # fmt: skip
            for number in range(2, 2 + arguments.swaps):
                time.sleep(4)
                memory.append(server.memory_mb())
                shutil.copytree(folder, base / f".{number}")
                os.replace(base / f".{number}", base / str(number))
        measured = answered()
    return {**measured, "swaps": arguments.swaps, "memory_mb": memory}


def tables(found: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The tables of the parts that ran."""
    load = ("per_second", "p50_ms", "p99_ms")
    made = {}
    if "throughput" in found:
        made["Requests per second, with micro-batching and without"] = found["throughput"]
    if "bad requests" in found:
        made["Bad requests among good ones"] = [
            {"request": kind, "asked": sum(counts.values()), "came of them": outcomes(counts)}
            for kind, counts in found["bad requests"]["counts"].items()
        ]
    if "restarts" in found:
        made["A server ended and another started under the load of 8 clients"] = [
            {key: one[key] for key in ("ended by", "exit code", "end_s", "start_s", *load)}
            | {"answers": outcomes(one["counts"])}
            for one in found["restarts"]
        ]
    if "swaps" in found:
        one = found["swaps"]
        made["Versions swapped in under the load of 8 clients"] = [
            {key: one[key] for key in ("swaps", *load)} | {"answers": outcomes(one["counts"])}
        ]
    memory = {part: found[part]["memory_mb"] for part in ("bad requests", "swaps") if part in found}
    if memory:
        made["Memory of the server, MB"] = [
            {"during": part, "first": mb[0], "last": mb[-1]} for part, mb in memory.items()
        ]
    return made


def outcomes(counts: dict[str, int]) -> str:
    """How often each thing happened."""
    return ", ".join(f"{number} {outcome}" for outcome, number in counts.items())


@contextlib.contextmanager
def in_the_background(client: Peer, **request: Any) -> Iterator[Any]:
    """Lets a peer work meanwhile; what it yields returns the peer's answer."""
    assert client.process.stdin is not None
    print(json.dumps(request), file=client.process.stdin, flush=True)
    yield client._answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bad-requests", type=int, default=20_000)
    parser.add_argument("--swaps", type=int, default=10)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--output", type=pathlib.Path, help="JSON file to write")
    arguments = parser.parse_args()
    head, found = about(), {}
    script = pathlib.Path(__file__).with_name("server_load_client.py")
    with tempfile.TemporaryDirectory() as temporary:
        folder = export(make_funnel(arguments.items, "exact"), pathlib.Path(temporary) / "funnel")
        asked = make_requests(folder, arguments.items, 200)
        with contextlib.closing(Peer(sys.executable, script)) as client:
            for part in arguments.parts:
                work: Any = globals()[part.replace(" ", "_")]
                found[part] = work(folder, asked, client, arguments)
    report(head, tables(found), 1, arguments.output, **found)


if __name__ == "__main__":
    main()
