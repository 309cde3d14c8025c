"""The clients of `server_load.py`, without TensorFlow: what asks, and what misbehaves."""

import asyncio
import collections
import contextlib
import json
import random
import time
from typing import Any

import numpy as np
from side_by_side import answer

#: What must come of a request of a kind; a server that is busy may answer 503 to any.
OUTCOMES = {
    "valid": {"right"},
    "no HTTP": {"400"},
    "no JSON": {"400"},
    "nested too deep": {"400"},
    "wrong key": {"400"},
    "wrong type": {"400"},
    "no such model": {"404"},
    "too long, declared": {"413"},
    # The connection may be closed before all of it is sent.
    "too long, in chunks": {"413", "closed"},
    "slow body": {"408"},
    "slow head": {"408"},
    "cut off": {"left"},
}
#: Kinds that take a second each are a small part of all.
_SLOW = ("slow body", "slow head")
_TOLERANCE = 1e-4


class Connection:
    """A connection that is kept between requests, and opened again where it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Posts a body; returns the status and the body of the response."""
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        return await self.send(head.encode() + body)

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Sends bytes; returns the status and the body of the response."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(request)
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            body = await reader.readexactly(length)
        except BaseException:
            self.close()
            raise
        if b"connection: close" in head:
            self.close()
        return int(head.split()[1]), body

    def close(self) -> None:
        """Closes the connection."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


def is_right(found: bytes, expected: list[list[Any]]) -> bool:
    """Whether an answer has the expected ids and scores; ids of equal scores may change places."""
    content = json.loads(found)
    if "predictions" in content:
        [row] = content["predictions"]
        pairs = list(zip(row["ids"], row["scores"], strict=True))
    else:
        pairs = [(item["id"], item["score"]) for item in content["recommendations"]]
    if len(pairs) != len(expected) or len({id_ for id_, _ in pairs}) != len(pairs):
        return False
    scores = dict(map(tuple, expected))
    return all(
        np.isclose(score, wanted, rtol=_TOLERANCE)
        and (id_ == other or np.isclose(scores.get(id_, expected[-1][1]), score, rtol=_TOLERANCE))
        for (id_, score), (other, wanted) in zip(pairs, expected, strict=True)
    )


async def load(
    port: int, path: str, asked: list[list[Any]], clients: int, seconds: float, retries: bool
) -> dict[str, Any]:
    """Asks for some seconds, each client one request after the other."""
    bodies = [(json.dumps(body).encode(), expected) for body, expected in asked]
    end = time.perf_counter() + seconds
    times: list[float] = []
    counts: collections.Counter[str] = collections.Counter()
    versions: collections.Counter[str] = collections.Counter()
    gaps = [0.0]

    async def client(number: int) -> None:
        connection = Connection(port)
        choice = random.Random(number)
        last = time.perf_counter()
        while time.perf_counter() < end:
            body, expected = choice.choice(bodies)
            begin = time.perf_counter()
            try:
                status, found = await connection.ask(path, body)
            except (OSError, asyncio.IncompleteReadError) as error:
                counts["no connection" if isinstance(error, OSError) else "cut off"] += 1
                if not retries:
                    raise
                await asyncio.sleep(0.02)
                continue
            now = time.perf_counter()
            times.append(1000 * (now - begin))
            gaps.append(now - last)
            last = now
            if status != 200:
                counts[str(status)] += 1
            else:
                counts["right" if is_right(found, expected) else "wrong"] += 1
                if found.startswith(b'{"model_version"'):
                    versions[found[:40].decode().split('"')[3]] += 1
        connection.close()

    begin = time.perf_counter()
    await asyncio.gather(*map(client, range(clients)))
    took = time.perf_counter() - begin
    p50, p99 = np.percentile(times, [50, 99])
    return {
        "per_second": len(times) / took,
        "p50_ms": p50,
        "p99_ms": p99,
        "longest_gap_s": max(gaps),
        "counts": dict(counts),
        "versions": dict(versions),
    }


async def misbehave(
    port: int, asked: list[list[Any]], requests: int, max_body: int, clients: int, seed: int
) -> dict[str, Any]:
    """Sends requests of all kinds, in an order that is drawn; counts what comes of each."""
    choice = random.Random(seed)
    kinds = [kind for kind in OUTCOMES if kind not in _SLOW]
    drawn = [choice.choice(_SLOW if choice.random() < 0.01 else kinds) for _ in range(requests)]
    drawn[0] = "valid"
    counts: dict[str, collections.Counter[str]] = {kind: collections.Counter() for kind in OUTCOMES}
    queue = iter(drawn)

    async def client(number: int) -> None:
        own = random.Random(1000 * seed + number)
        connection = Connection(port)
        for kind in queue:
            body, expected = own.choice(asked)
            outcome = await _outcome(connection, kind, body, expected, own, max_body, port)
            counts[kind][outcome] += 1
        connection.close()

    begin = time.perf_counter()
    await asyncio.gather(*map(client, range(clients)))
    wrong = {
        kind: {
            name: number for name, number in found.items() if name not in {*OUTCOMES[kind], "503"}
        }
        for kind, found in counts.items()
    }
    return {
        "seconds": time.perf_counter() - begin,
        "counts": {kind: dict(found) for kind, found in counts.items()},
        "unexpected": {kind: found for kind, found in wrong.items() if found},
    }


async def _outcome(
    connection: Connection,
    kind: str,
    body: dict[str, Any],
    expected: list[list[Any]],
    choice: random.Random,
    max_body: int,
    port: int,
) -> str:
    text = json.dumps(body).encode()
    path = "/recommend"
    if kind == "cut off":
        head = b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(text)
        request = (head + text)[: choice.randrange(len(head) + len(text))]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()
        return "left"
    if kind == "no HTTP":
        junk = bytes(choice.randrange(256) for _ in range(choice.randrange(20, 200)))
        request = b"\x00" + junk + b"\r\n\r\n"
    elif kind == "slow head":
        request = b"POST /recommend HTTP/1.1\r\nHost: x\r\n"
    elif kind == "slow body":
        request = b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
    elif kind == "too long, declared":
        request = b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (
            max_body + 1
        )
    elif kind == "too long, in chunks":
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        head = b"POST /recommend HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        request = head + chunk * (max_body // 65536 + 1)
    else:
        if kind == "no JSON":
            text = text[: choice.randrange(len(text))]
        elif kind == "nested too deep":
            text = b'{"request": ' + b"[" * 5000 + b"]" * 5000 + b"}"
        elif kind == "wrong key":
            text = json.dumps({"request": {"histori": ["i1"]}}).encode()
        elif kind == "wrong type":
            value = choice.choice(["i1", 5, True, {"id": "i1"}, [["i1"]], [{"id": 1}], [None, [1]]])
            text = json.dumps({"request": {"history": value}}).encode()
        elif kind == "no such model":
            path = "/v1/models/other:predict"
        request = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (
            path.encode(),
            len(text),
        )
        request += text
    try:
        status, found = await asyncio.wait_for(connection.send(request), 60)
    except (OSError, asyncio.IncompleteReadError):
        return "closed"
    except asyncio.TimeoutError:
        return "no answer"
    if status != 200:
        return str(status) if list(json.loads(found)) == ["error"] else "no error"
    return "right" if kind == "valid" and is_right(found, expected) else "wrong"


def handle(what: str, **arguments: Any) -> dict[str, Any]:
    work: Any = load if what == "load" else misbehave
    return asyncio.run(work(**arguments))


if __name__ == "__main__":
    answer(handle)
