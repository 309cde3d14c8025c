"""Items that wait are answered together, those of one key, each with its own answer."""

import asyncio
import dataclasses
import threading

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason='the server needs pip install "tfrec_zoo[serve]"')

from tfrec_zoo.serving import load
from tfrec_zoo.serving.server.batching import Batcher, each_by_itself
from tfrec_zoo.serving.server.loaded_model import LoadedModel
from tfrec_zoo.serving.server.predict import stacked


class Gate:
    """Work that notes its batches; the first waits until the gate is opened."""

    def __init__(self):
        self.batches = []
        self.is_taken, self.is_open = threading.Event(), threading.Event()

    def __call__(self, items):
        self.batches.append(items)
        self.is_taken.set()
        assert self.is_open.wait(60)
        return [item * 10 for item in items]


def run(ask, **options):
    """Runs a function of a batcher and a gate whose first item, 0, keeps the only thread."""
    gate, rows = Gate(), []

    async def main():
        batcher = Batcher(**{"workers": 1, "max_rows": 4, "observe": rows.append, **options})
        first = asyncio.ensure_future(batcher.run("a", gate, 0))
        await asyncio.to_thread(gate.is_taken.wait, 60)
        waiting = ask(batcher, gate)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        number = batcher.num_waiting
        gate.is_open.set()
        answers = await asyncio.gather(first, *waiting, return_exceptions=True)
        batcher.close()
        return number, answers

    number, answers = asyncio.run(main())
    assert sum(rows) >= len(gate.batches)
    return gate.batches, answers, number


def test_what_waits_is_answered_together():
    def ask(batcher, gate):
        return [asyncio.ensure_future(batcher.run("a", gate, item)) for item in range(1, 7)]

    batches, answers, number = run(ask)
    assert batches == [[0], [1, 2, 3, 4], [5, 6]]
    assert answers == [0, 10, 20, 30, 40, 50, 60] and number == 6
    assert run(ask, max_rows=1)[0] == [[0], [1], [2], [3], [4], [5], [6]]


def test_keys_stay_apart_and_take_turns():
    def ask(batcher, gate):
        keys = "aaaaabbc"
        return [asyncio.ensure_future(batcher.run(k, gate, n + 1)) for n, k in enumerate(keys)]

    batches, answers, _ = run(ask)
    assert batches == [[0], [1, 2, 3, 4], [6, 7], [8], [5]]
    assert answers == [10 * n for n in range(9)]


def test_rows_and_padding_are_bounded():
    def ask(batcher, gate):
        sizes = [(3, 1), (2, 1), (9, 1), (1, 1 << 19), (1, 1), (1, 1), (1, 1 << 30)]
        return [
            asyncio.ensure_future(batcher.run("a", gate, n + 1, rows, width))
            for n, (rows, width) in enumerate(sizes)
        ]

    # 3 + 2 rows are more than 4; 3 rows of 2**19 are more than 2**20; the last goes by itself.
    assert run(ask)[0] == [[0], [1], [2], [3], [4, 5], [6], [7]]


def test_what_nobody_waits_for_is_not_answered():
    def ask(batcher, gate):
        tasks = [asyncio.ensure_future(batcher.run("a", gate, item)) for item in (1, 2, 3)]
        asyncio.get_running_loop().call_soon(tasks[1].cancel)
        return tasks

    batches, answers, _ = run(ask)
    assert batches == [[0], [1, 3]]
    assert isinstance(answers[2], asyncio.CancelledError) and answers[3] == 30


def test_faults_stay_with_who_made_them():
    def divide(items):
        return [12 // item for item in items]

    async def main():
        batcher = Batcher(1, 4)
        work = lambda items: each_by_itself(divide, items)  # noqa: E731
        found = await asyncio.gather(
            *(batcher.run("a", work, item) for item in (1, 0, 3, 0, 4)), return_exceptions=True
        )
        with pytest.raises(ZeroDivisionError):
            await batcher.run("a", divide, 0)
        assert await batcher.run("a", divide, 6) == 2
        batcher.close()
        return found

    found = asyncio.run(main())
    assert [found[0], found[2], found[4]] == [12, 4, 3]
    assert isinstance(found[1], ZeroDivisionError) and isinstance(found[3], ZeroDivisionError)


def test_rows_that_are_too_many_for_one_call(films):
    """Of a large catalogue, the scores of a few rows are held at once."""
    model = LoadedModel.read(films, 1, load)
    whole = model.signatures["serving_default"]
    parts = dataclasses.replace(whole, rows_at_once=2)
    history = np.array([[b"f0"], [b"f2"], [b"f4"], [b"f1"], [b""]], object)
    arrays = {"history": history, "exclude": history}
    found, expected = parts(arrays), whole(arrays)
    assert found["ids"][:4, 0].tolist() == [b"f1", b"f3", b"f5", b"f0"]
    for name in ("ids", "scores"):
        assert found[name].tolist() == expected[name].tolist()


def test_arrays_are_padded_with_what_is_missing():
    words = stacked([np.array([[b"a", b"b"]], object), np.array([[b"c"]], object)])
    assert words.tolist() == [[b"a", b"b"], [b"c", b""]]
    numbers = stacked([np.ones([1, 0, 2]), np.full([2, 1, 1], 2.0)])
    assert np.isnan(numbers[0]).all() and numbers[1:].shape == (2, 1, 2)
    np.testing.assert_array_equal(numbers[1:, 0], [[2, np.nan], [2, np.nan]])
    assert stacked([np.array([[1, 2]]), np.array([[3, 4]])]).tolist() == [[1, 2], [3, 4]]
