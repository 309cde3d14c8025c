"""Requests that nobody would write, to exports and to a server: what comes of each.

    python benchmarks/fuzzing.py --requests 100000 --output runs/fuzzing.json

A retrieval model, a ranking model and a funnel are trained for an epoch on the simulator, exported
and asked in three ways: structured requests of `Served.recommend` whose keys, types, lengths and
values Hypothesis draws; tensors of any bytes and shapes for the signatures; and, of `tfrec-zoo
serve` over HTTP, structured requests, and bytes that are drawn or damaged from a good request.
Counts what was answered and what was refused, by the error. Everything else is unexpected, is
printed, and ends the program with 1: a crash, an answer with an item that is unknown, excluded,
seen or twice there, a score that is not finite or out of order, another error, a message that is
not one line of text, a status of 500 or none. Tells the memory of the processes before and after.
"""

import argparse
import collections
import json
import os
import pathlib
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from fuzzing_requests import bodies, documents, requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from server_load import Server
from side_by_side import about, report, say

import tfrec_zoo as zoo
from tfrec_zoo.serving import Funnel, Served, export

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # What is refused is counted.
import tensorflow as tf  # isort: skip

REFUSALS = (KeyError, TypeError, ValueError)
#: What TensorFlow says of tensors of other shapes or types.
TENSOR_REFUSALS = (*REFUSALS, tf.errors.InvalidArgumentError)
_SECONDS = 20.0
SIGNATURE = "serving_default"


def fault_of(served: Served, request: Any, k: Any, answer: pd.DataFrame) -> str | None:
    """What is wrong with an answer, or None."""
    assert served.items is not None
    known = set(served.items.catalogue.ids.tolist())
    if not set(answer["id"]) <= known:
        return "unknown item"
    if not np.isfinite(answer["score"].to_numpy(np.float64)).all():
        return "score that is not finite"
    for row, of_row in answer.groupby("row"):
        ids = of_row["id"].tolist()
        if len(set(ids)) < len(ids):
            return "item twice"
        if of_row["rank"].tolist() != list(range(1, len(ids) + 1)):
            return "ranks with gaps"
        if (np.diff(of_row["score"]) > 1e-5 * np.abs(of_row["score"].to_numpy()[1:])).any():
            return "scores out of order"
        for key in ("history", "exclude"):
            bag = request[key][row] if key in request else ()
            bag = [bag] if isinstance(bag, str) else bag
            if bag is not None and {str(v) for v in np.ravel(np.array(bag, object))} & set(ids):
                return f"item of `{key}`"
        if k is not None and len(ids) > int(k):
            return "more than k"
    return None


def fault_of_json(served: Served, document: Any, answer: Any) -> str | None:
    """What is wrong with an answer of the server to rows of requests, or None."""
    rows = [
        {"row": row, "rank": rank, "id": item["id"], "score": item["score"]}
        for row, items in enumerate(answer["recommendations"])
        for rank, item in enumerate(items, start=1)
    ]
    frame = pd.DataFrame(rows, columns=["row", "rank", "id", "score"])
    asked = document["requests"]
    bags = {key: [row.get(key) for row in asked] for key in ("history", "exclude")}
    return fault_of(served, bags, document.get("k"), frame)


class Outcomes:
    """Counts of what came of requests, and the unexpected ones.

    Args:
        who: What is asked, and how.
    """

    def __init__(self, who: str) -> None:
        self.who = who
        self.counts: collections.Counter[str] = collections.Counter()
        self.unexpected: list[str] = []
        self.slowest = 0.0

    def ask(self, what: Any, answered: Callable[[], str | None], refusals: Any) -> None:
        """Asks once. `answered` returns what is wrong with the answer, or None."""
        begin = time.perf_counter()
        try:
            fault = answered()
            outcome = "answered" if fault is None else f"WRONG: {fault}"
        except refusals as error:
            outcome, text = type(error).__name__, str(error)
            if "UnicodeDecodeError" in outcome or not text.strip():
                fault = outcome = f"WRONG: {outcome} without a message"
            else:
                fault = None
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            fault = outcome = f"WRONG: {type(error).__name__}: {error}"[:200]
        seconds = time.perf_counter() - begin
        self.slowest = max(self.slowest, seconds)
        if seconds > _SECONDS:
            fault = outcome = "WRONG: took too long"
        self.counts[outcome] += 1
        if fault is not None and len(self.unexpected) < 20:
            self.unexpected.append(f"{outcome}: {what!r:.500}")

    def row(self) -> dict[str, Any]:
        """The counts, for the table."""
        wrong = sum(n for outcome, n in self.counts.items() if outcome.startswith("WRONG"))
        rest = {k: n for k, n in self.counts.most_common() if not k.startswith(("WRONG", "answ"))}
        return {
            "asked": self.who,
            "requests": sum(self.counts.values()),
            "answered": self.counts["answered"],
            "refused": ", ".join(f"{name} {n}" for name, n in rest.items()),
            "unexpected": wrong,
            "slowest, s": self.slowest,
        }


def drawn(strategy: Any, number: int, at: int) -> list[Any]:
    """What Hypothesis draws. It remembers what it drew, so all is drawn before memory is read."""
    found: list[Any] = []

    @seed(at)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(value: Any) -> None:
        found.append(value)

    run()
    return found


def ask_by_frames(name: str, served: Served, values: list[Any]) -> Outcomes:
    """Structured requests."""
    outcomes = Outcomes(f"{name}, recommend")

    def ask(value: Any) -> None:
        request, k = value if isinstance(value, tuple) and len(value) == 2 else (value, None)

        def answered() -> str | None:
            return fault_of(served, request, k, served.recommend(request, k))

        outcomes.ask((request, k), answered, REFUSALS)

    for value in values:
        ask(value)
    return outcomes


def any_tensors(served: Served) -> Any:
    """A strategy of tensors of any bytes, numbers and shapes."""
    known = [] if served.items is None else [i.encode() for i in served.items.catalogue.ids[:30]]
    texts = st.one_of(st.sampled_from(known), st.binary(max_size=12))
    numbers = st.floats(width=32, allow_nan=True, allow_infinity=True)
    whole = st.integers(-(2**63), 2**63 - 1)
    inputs = served.inputs(SIGNATURE)

    @st.composite
    def tensors(draw: Any) -> Any:
        rows = draw(st.integers(0, 3))
        found = {}
        for key, spec in inputs.items():
            right = draw(st.integers(0, 19)) > 0
            rank = spec.shape.rank if right else draw(st.integers(0, 3))
            shape = [rows, *(draw(st.integers(0, 4)) for _ in range(rank - 1))][:rank]
            shape = [
                n if static is None or not right else static
                for n, static in zip(shape, [*(spec.shape if right else shape)], strict=True)
            ]
            values = {tf.string: texts, tf.int64: whole}.get(spec.dtype, numbers)
            size = int(np.prod(shape))
            flat = draw(st.lists(values, min_size=size, max_size=size))
            found[key] = tf.reshape(tf.constant(flat, spec.dtype), shape)
        return found

    return tensors()


def ask_by_tensors(name: str, served: Served, values: list[Any]) -> Outcomes:
    """Tensors for the signature."""
    outcomes = Outcomes(f"{name}, signatures")

    def ask(found: Any) -> None:
        def answered() -> str | None:
            outputs = served.signatures[SIGNATURE](**found)
            for key, value in outputs.items():
                array = value.numpy()
                if array.dtype.kind == "f" and not np.isfinite(array).all():
                    return f"{key} that is not finite"
            if "ids" in outputs:
                ids = outputs["ids"].numpy()
                left_out = [found[k].numpy() for k in ("exclude", "history") if k in found]
                for row in range(len(ids)):
                    out = {v for bag in left_out for v in bag[row].ravel()} - {b""}
                    if "exclude" in found and name != "funnel":
                        out = set(found["exclude"].numpy()[row].ravel()) - {b""}
                    if out & set(ids[row]):
                        return "item that is excluded"
            return None

        outcomes.ask(found, answered, TENSOR_REFUSALS)

    for value in values:
        ask(value)
    return outcomes


def ask_by_http(name: str, served: Served, port: int, values: list[Any]) -> Outcomes:
    """Bytes over HTTP, and rows of requests as JSON."""
    outcomes = Outcomes(f"{name}, HTTP")

    def ask(pair: Any) -> None:
        path, sent = pair
        document = None if isinstance(sent, bytes) else sent
        body = sent if document is None else json.dumps(document).encode()

        def answered() -> str | None:
            url = f"http://127.0.0.1:{port}{path}"
            request = urllib.request.Request(url, data=body, method="POST")
            request.add_header("Content-Type", "application/json")
            try:
                with urllib.request.urlopen(request, timeout=_SECONDS) as response:
                    content = response.read()
            except urllib.error.HTTPError as error:
                with error:
                    content = error.read()
                message = json.loads(content)["error"]
                if error.code >= 500 or not message.strip() or "\n" in content.decode().strip():
                    return f"{error.code}: {message}"
                outcomes.counts[f"status {error.code}"] += 1
                outcomes.counts["answered"] -= 1
                return None

            def refused(constant: str) -> Any:
                raise AssertionError(f"{constant} in an answer")

            answer = json.loads(content, parse_constant=refused)
            return None if document is None else fault_of_json(served, document, answer)

        outcomes.ask(pair, answered, ())

    for value in values:
        ask(value)
    return outcomes


def good_bodies(served: Served) -> dict[str, list[bytes]]:
    """Requests that a server answers, by path."""
    assert served.items is not None
    ids = served.items.catalogue.ids
    rng = np.random.default_rng(0)
    found: dict[str, list[bytes]] = {"/recommend": [], "/v1/models/model:predict": []}
    for _ in range(10):
        history = rng.choice(ids, 4).tolist()
        request: dict[str, Any] = {"history": history, "exclude": rng.choice(ids, 2).tolist()}
        found["/recommend"].append(json.dumps({"request": request, "k": 3}).encode())
        row: dict[str, Any] = {}
        for key, spec in served.inputs(SIGNATURE).items():
            value = {tf.string: str(rng.choice(ids)), tf.int64: 7}.get(spec.dtype, 0.5)
            row[key] = value if spec.shape.rank == 1 else [value] * (spec.shape[1] or 3)
        found["/v1/models/model:predict"].append(json.dumps({"instances": [row]}).encode())
    return found


def make_exports(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """A retrieval model, a ranking model and a funnel of both."""
    log = zoo.simulate(num_users=300, num_items=300, num_days=5)
    quick = zoo.Training(epochs=1, verbose=0)
    retrieval = zoo.train("YouTubeRetrieval", zoo.tasks.NextWatch(log), quick, hidden_units=(16, 8))
    ranking = zoo.train("DeepFM", zoo.tasks.Clicks(log), quick, hidden_units=(16,))
    funnel = Funnel({"retrieval": retrieval.model}, ranking.model, log, num_candidates=50, k=20)
    return {
        "retrieval": retrieval.export(folder / "retrieval"),
        "ranking": ranking.export(folder / "ranking"),
        "funnel": export(funnel, folder / "funnel"),
    }


def memory_mb() -> float:
    """The memory that this process holds."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Asks, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=100_000, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=pathlib.Path, help="result file")
    arguments = parser.parse_args()
    head = about(requests=arguments.requests, seed=arguments.seed)
    each = -(-arguments.requests // 9)
    warm_up = max(each // 20, 1)
    found: list[Outcomes] = []
    memory: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name, path in make_exports(pathlib.Path(temporary)).items():
            served = zoo.load(path)
            frames = drawn(requests(served), each, arguments.seed)
            tensors = drawn(any_tensors(served), each, arguments.seed)
            ask_by_frames(name, served, frames[:warm_up])
            ask_by_tensors(name, served, tensors[:warm_up])
            before = memory_mb()
            parts = [ask_by_frames(name, served, frames), ask_by_tensors(name, served, tensors)]
            memory[name] = [before, memory_mb()]
            found += parts
            say([part.row() for part in parts])
            server = Server(path)
            pairs = [
                st.tuples(st.just(of), bodies(good)) for of, good in good_bodies(served).items()
            ]
            pairs.append(st.tuples(st.just("/recommend"), documents(served)))
            posts = drawn(st.one_of(pairs), each, arguments.seed)
            ask_by_http(name, served, server.port, posts[:warm_up])
            before = server.memory_mb()
            found.append(ask_by_http(name, served, server.port, posts))
            memory[f"{name}, server"] = [before, server.memory_mb()]
            say(found[-1].row())
            if server.end():
                found[-1].unexpected.append("the server did not end by itself")
    rows = [outcomes.row() for outcomes in found]
    taken = [
        {"who": who, "MB before": before, "MB after": after}
        for who, (before, after) in memory.items()
    ]
    unexpected = [text for outcomes in found for text in outcomes.unexpected]
    for text in unexpected:
        print(text, file=sys.stderr)
    tables = {"What came of requests": rows, "Memory of the process that answers": taken}
    report(head, tables, 2, arguments.output, unexpected=unexpected)
    if unexpected:
        sys.exit(1)


if __name__ == "__main__":
    main()
