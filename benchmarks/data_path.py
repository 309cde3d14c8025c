"""From a raw frame to the first training batch: seconds and memory, beside pandas and scikit-learn.

    python benchmarks/data_path.py --rows 1000000 10000000 --output runs/data-path.json

A frame of interactions in no order (a tenth as many users as rows, a hundredth as many items, their
popularity by Zipf's law) is made a log, next-watch examples, fitted features and the first batch of
`YouTubeRetrieval`. Each size is a process of its own. Printed for each stage are, measured once:

- its seconds, and `cpu`, those of the processors, which other load on the machine leaves alone;
- the most memory that the process took, above what it took with the frame;
- `growth` of the processors' seconds over that of the rows, where 1 is linear;
- how many times the processors' seconds they are that pandas takes to number users and items
  (`factorize`) and to sort the rows by user and time.

Vocabularies are of strings that are there ten times each, as pandas keeps them and as Python's
objects, and of whole numbers; quantiles are 1,000 of each of ten columns. Contenders take turns;
printed are the medians of their seconds, and of how many times the first one's they are.
"""

import argparse
import contextlib
import json
import pathlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from side_by_side import Peer, Turn, about, answer, rates, report, say, spread, timed
from sklearn.preprocessing import OrdinalEncoder, QuantileTransformer

from tfrec_zoo.data import Log
from tfrec_zoo.features import Preprocessor, QuantileSketch, Vocabulary
from tfrec_zoo.models import YouTubeRetrieval
from tfrec_zoo.tasks import NextWatch

BATCH_SIZE = 512
COLUMNS = 10
RANKS = np.linspace(0, 1, 1000)


def interactions(rows: int, ids: str) -> pd.DataFrame:
    """A frame of interactions in no order.

    Args:
        rows: Number of interactions.
        ids: `"text"` or `"whole"` numbers.
    """
    rng = np.random.default_rng(0)
    users, items = max(rows // 10, 2), max(rows // 100, 2)
    # Of items that are as popular as Zipf's law has it, by the inverse of their distribution.
    shares = np.cumsum(1 / np.arange(1, items + 1))
    item = np.searchsorted(shares / shares[-1], rng.random(rows))
    named = (pd.Series(np.arange(users)), pd.Series(np.arange(items)))
    if ids == "text":
        named = tuple("id-" + numbers.astype(str).str.zfill(12) for numbers in named)
    return pd.DataFrame(
        {
            "user_id": named[0].take(rng.integers(users, size=rows)).array,
            "item_id": named[1].take(rng.permutation(items)[item]).array,
            "time": rng.integers(10**9, 2 * 10**9, rows),
        }
    )


def taken_mb() -> float:
    """The memory this process takes now."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@contextlib.contextmanager
def watched_memory() -> Iterator[list[float]]:
    """Yields a list whose one number is the most memory taken so far, looked up all the time."""
    most, ended = [taken_mb()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            most[0] = max(most[0], taken_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()
        most[0] = max(most[0], taken_mb())


def by_hand(frame: pd.DataFrame) -> pd.DataFrame:
    """What pandas alone takes to number the ids and to sort the rows."""
    codes = {key: pd.factorize(frame[key])[0] for key in ("user_id", "item_id")}
    return frame.assign(**codes).sort_values(["user_id", "time"], kind="stable")


def stages(frame: pd.DataFrame) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is done to a frame, one after another."""
    done: dict[str, Any] = {}

    def kept(name: str, work: Callable[[], Any]) -> tuple[str, Callable[[], Any]]:
        return name, lambda: done.update({name: work()})

    yield kept("log", lambda: Log("drawn", frame))
    yield kept("examples", lambda: NextWatch(done["log"]).examples(YouTubeRetrieval))
    yield kept("features", lambda: done["examples"].fit_features())

    def first_batch() -> Any:
        preprocessor = Preprocessor(done["features"])
        dataset = done["examples"].train.dataset(BATCH_SIZE, preprocessor, shuffle=True)
        return next(iter(dataset))

    yield kept("first batch", first_batch)


def measured(rows: int, ids: str) -> dict[str, Any]:
    """Seconds and megabytes of each stage, once, in this process."""
    # TensorFlow's own start is not a matter of the data.
    for _, work in stages(interactions(500, ids)):
        work()
    frame = interactions(rows, ids)
    begin = taken_mb()
    found: dict[str, Any] = {"seconds": {}, "cpu": {}, "mb": {}}
    for name, work in stages(frame):
        with watched_memory() as most:
            start, cpu = time.perf_counter(), time.process_time()
            work()
            found["seconds"][name] = time.perf_counter() - start
            found["cpu"][name] = time.process_time() - cpu
        found["mb"][name] = most[0] - begin
    cpu = time.process_time()
    by_hand(frame)
    return {**found, "pandas": time.process_time() - cpu}


def paths(sizes: list[int], kinds: list[str]) -> list[dict[str, Any]]:
    """A row for each stage of each kind of ids and size, and one for all stages."""
    found = []
    for ids in kinds:
        least: dict[str, float] = {}
        for rows in sizes:
            words = json.dumps({"rows": rows, "ids": ids})
            with contextlib.closing(Peer(sys.executable, __file__, "--path", words)) as peer:
                one = peer.ask()
            for what, together in (("seconds", sum), ("cpu", sum), ("mb", max)):
                one[what]["all"] = together(one[what].values())
            for stage, cpu in one["cpu"].items():
                row = {"ids": ids, "rows": rows, "stage": stage, "seconds": one["seconds"][stage]}
                row |= {"cpu": cpu, "mb above frame": one["mb"][stage]}
                row["growth"] = cpu / least.setdefault(stage, cpu) / (rows / sizes[0])
                row["times pandas"] = cpu / one["pandas"]
                say(", ".join(f"{key} {value}" for key, value in row.items()))
                found.append(row)
    return found


def beside(
    what: str, contenders: dict[str, Callable[[], Any]], number: int, rounds: int
) -> list[dict[str, Any]]:
    """The seconds of contenders that take turns, and how many times those of the first they are.

    Args:
        what: What they do.
        contenders: What each calls.
        number: Number of values.
        rounds: Number of rounds.
    """

    def turn(work: Callable[[], Any]) -> Turn:
        return lambda: {"seconds": timed(lambda: work() and None)["seconds"]}

    turns = [({"what": what, "contender": name}, turn(work)) for name, work in contenders.items()]
    found = rates(turns, number, rounds)
    rows = []
    for one in found:
        seconds = [number / 1000 / rate for rate in one["rounds"]]
        times = [a / b for a, b in zip(found[0]["rounds"], one["rounds"], strict=True)]
        row = {"what": what, "contender": one["contender"], "seconds": spread(seconds)["median"]}
        rows.append({**row, "times": spread(times)["median"], "rounds": seconds})
    return rows


def vocabularies(rows: int, rounds: int) -> list[dict[str, Any]]:
    """Vocabularies of strings and of numbers, as pandas' own columns and as Python's objects."""
    found = []
    for ids in ("text", "objects", "whole"):
        frame = interactions(rows, "whole" if ids == "whole" else "text")
        values = frame["user_id"].to_numpy(object) if ids == "objects" else frame["user_id"]
        dtype: Any = "int64" if ids == "whole" else "string"
        table = np.asarray(values).reshape(-1, 1)
        contenders = {
            "pandas.factorize": lambda v=values: len(pd.factorize(v)[0]),
            "ours": lambda v=values, d=dtype: len(Vocabulary.from_values([v], d)),
            "pandas value_counts": lambda v=values: len(pd.Series(v).value_counts()),
            "scikit-learn OrdinalEncoder": lambda t=table: OrdinalEncoder().fit(t) is not None,
        }
        found += beside(f"vocabulary, {ids}", contenders, rows, rounds)
    return found


def quantiles(rows: int, rounds: int) -> list[dict[str, Any]]:
    """Quantiles of columns of different shapes."""
    rng = np.random.default_rng(0)
    columns = [rng.lognormal(0, 3, rows) for _ in range(COLUMNS)]
    columns[1] = np.round(columns[1])  # With ties.
    table = np.stack(columns, axis=1)

    def ours() -> int:
        for column in columns:
            sketch = QuantileSketch()
            sketch.update(column)
            sketch.quantiles(RANKS)
        return 1

    def scikit_learn(subsample: int | None) -> Any:
        transformer = QuantileTransformer(n_quantiles=len(RANKS), subsample=subsample)
        return transformer.fit(table) is not None

    contenders = {
        "np.sort": lambda: len([np.sort(column) for column in columns]),
        "ours": ours,
        "np.quantile": lambda: len([np.quantile(column, RANKS) for column in columns]),
        "scikit-learn QuantileTransformer, all rows": lambda: scikit_learn(None),
        "scikit-learn QuantileTransformer, 10,000 rows": lambda: scikit_learn(10_000),
    }
    return beside(f"quantiles of {COLUMNS} columns", contenders, rows * COLUMNS, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10**6, 10**7])
    parser.add_argument("--ids", choices=["text", "whole"], nargs="+", default=["text"])
    parser.add_argument("--strings", type=int, default=10**7, help="in a vocabulary")
    parser.add_argument("--numbers", type=int, default=10**6, help="in each column of quantiles")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--path", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=pathlib.Path, help="JSON file to write")
    arguments = parser.parse_args()
    if arguments.path:
        answer(lambda: measured(**arguments.path))
        return
    sizes = sorted(arguments.rows)
    given = {key: getattr(arguments, key) for key in ("strings", "numbers", "rounds")}
    found = about(**given, rows=sizes, batch_size=BATCH_SIZE)
    tables = {"From a frame to the first batch": paths(sizes, arguments.ids)}
    tables["Vocabularies and quantiles, and the plain ways"] = [
        *vocabularies(arguments.strings, arguments.rounds),
        *quantiles(arguments.numbers, arguments.rounds),
    ]
    report(found, tables, 3, arguments.output)


if __name__ == "__main__":
    main()
