"""Batching: what requests wait for, answered together where that is possible."""

import asyncio
import collections
import functools
from collections.abc import Callable, Hashable, Sequence
from concurrent import futures
from typing import Any, NamedTuple

#: Answers many items; an exception in place of an answer is the item's own.
Work = Callable[[list[Any]], Sequence[Any]]
#: Values that a batch may have after its bags are padded to one length.
_PADDED = 1 << 20


class _Pending(NamedTuple):
    item: Any
    rows: int
    width: int
    work: Work
    future: "asyncio.Future[Any]"


class Batcher:
    """Calls functions in a few threads, with all items that wait for the same one at once.

    An item that finds a thread idle is answered right away. While all threads are busy, items
    gather, and a thread that is done takes those of one key, as many as fit. So nobody waits for
    a batch to fill.

    Args:
        workers: Number of threads.
        max_rows: Rows that are answered at once; an item with more is answered by itself.
        observe: Called with the rows of each batch.
    """

    def __init__(
        self, workers: int, max_rows: int, observe: Callable[[int], Any] = lambda rows: None
    ) -> None:
        self._max_rows = max_rows
        self._observe = observe
        self._idle = workers
        self._executor = futures.ThreadPoolExecutor(workers, "tensorflow")
        self._waiting: dict[Hashable, collections.deque[_Pending]] = {}

    async def run(self, key: Hashable, work: Work, item: Any, rows: int = 1, width: int = 1) -> Any:
        """Answers an item.

        Args:
            key: Items of equal keys may be answered together.
            work: What answers; the same for equal keys.
            item: What it answers.
            rows: The rows that the item has.
            width: The values of a row.

        Returns:
            The answer.
        """
        future = asyncio.get_running_loop().create_future()
        pending = _Pending(item, rows, width, work, future)
        self._waiting.setdefault(key, collections.deque()).append(pending)
        self._start()
        return await future

    @property
    def num_waiting(self) -> int:
        """The items that no thread has taken."""
        return sum(map(len, self._waiting.values()))

    def close(self) -> None:
        """Waits for what is being answered."""
        self._executor.shutdown()

    def _start(self) -> None:
        while self._idle and self._waiting:
            batch = self._take()
            if batch:
                self._idle -= 1
                items = [pending.item for pending in batch]
                task = self._executor.submit(batch[0].work, items)
                loop = batch[0].future.get_loop()
                done = functools.partial(self._done, batch)
                task.add_done_callback(functools.partial(_call, loop, done))
                self._observe(sum(pending.rows for pending in batch))

    def _take(self) -> list[_Pending]:
        """Items of the key whose turn it is, without those that nobody waits for any more."""
        key = next(iter(self._waiting))
        waiting = self._waiting.pop(key)
        batch: list[_Pending] = []
        rows = width = 0
        while waiting:
            pending = waiting[0]
            if not pending.future.done():
                rows, width = rows + pending.rows, max(width, pending.width)
                if batch and (rows > self._max_rows or rows * width > _PADDED):
                    break
                batch.append(pending)
            waiting.popleft()
        if waiting:
            self._waiting[key] = waiting  # Behind all others.
        return batch

    def _done(self, batch: list[_Pending], task: "futures.Future[Sequence[Any]]") -> None:
        self._idle += 1
        error = task.exception()
        answers = [error] * len(batch) if error is not None else task.result()
        for pending, answer in zip(batch, answers, strict=True):
            if pending.future.done():
                continue
            if isinstance(answer, BaseException):
                pending.future.set_exception(answer)
            else:
                pending.future.set_result(answer)
        self._start()


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[Any], None], task: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, task)


def each_by_itself(answer: Callable[[list[Any]], Sequence[Any]], items: list[Any]) -> list[Any]:
    """Answers items together or, where that fails, each by itself, so that faults stay apart."""
    try:
        return list(answer(items))
    except Exception as error:
        if len(items) == 1:
            return [error]
    return [each_by_itself(answer, [item])[0] for item in items]
