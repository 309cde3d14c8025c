"""Recommend: requests by key, with what is missing filled in and titles beside the ids."""

import asyncio
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfrec_zoo.serving.client import Served
from tfrec_zoo.serving.requests import checked_k
from tfrec_zoo.serving.served_model import EXCLUDE
from tfrec_zoo.serving.server.batching import Batcher, each_by_itself
from tfrec_zoo.serving.server.errors import RequestError
from tfrec_zoo.serving.server.json_tensors import decimals
from tfrec_zoo.serving.server.json_text import shown, write_json
from tfrec_zoo.serving.server.loaded_model import LoadedModel
from tfrec_zoo.serving.server.model_versions import ModelVersions
from tfrec_zoo.serving.server.options import ServerOptions

_KEYS = ("request", "requests", "candidates", "k", "include_history")
_K = 10


class _Asked(NamedTuple):
    """One request of one body."""

    request: Mapping[str, Any]
    candidates: Any

    @property
    def kind(self) -> tuple[Any, ...]:
        """Requests of one kind can be rows of one request."""
        given: Any = type(self.candidates)
        if isinstance(self.candidates, dict):
            given = frozenset(self.candidates)
        return frozenset(self.request), given

    @property
    def width(self) -> int:
        """The length of the longest list."""
        lists = [*self.request.values()]
        lists += (
            self.candidates.values() if isinstance(self.candidates, dict) else [self.candidates]
        )
        return max((len(values) for values in lists if isinstance(values, list)), default=1)


class Recommender:
    """Answers `/recommend`.

    Args:
        versions: The versions of the model.
        batcher: What asks the model.
        options: The limits.
    """

    def __init__(self, versions: ModelVersions, batcher: Batcher, options: ServerOptions) -> None:
        self._versions = versions
        self._batcher = batcher
        self._options = options

    async def answer(self, document: Mapping[str, Any]) -> bytes:
        """Answers the body of a request.

        Args:
            document: `request`, features by key, or `requests`, a list of such; and if need be
                `candidates` (for each of the requests), `k` and `include_history`, as
                `Served.recommend` takes them.

        Returns:
            The `model_version`, and as `recommendations` a list of `id`, `title` (if the export
            carries titles) and `score`, or for `requests` a list of such lists.

        Raises:
            RequestError: If the request can't be answered; the message says why.
        """
        unknown = sorted(set(document) - set(_KEYS))
        if unknown or ("request" in document) == ("requests" in document):
            raise RequestError(
                400,
                "Expected 'request', features by key, or 'requests', a list of such; and perhaps "
                f"'candidates', 'k' and 'include_history'. Received: {shown(sorted(document))}",
            )
        asked = self._asked(document)
        k = self._k(document.get("k"))
        include_history = document.get("include_history", False)
        if not isinstance(include_history, bool):
            raise RequestError(
                400, f"'include_history' must be true or false. Received: {shown(include_history)}"
            )
        with self._versions.lease() as model:
            served = model.asked()
            if k is None:
                k = min(_K, served.longest or _K)
            work = functools.partial(_answer, served, k, include_history)
            found = await asyncio.gather(
                *(
                    self._batcher.run(
                        (model, k, include_history, one.kind), work, one, width=one.width
                    )
                    for one in asked
                ),
                return_exceptions=True,
            )
            for number, answer in enumerate(found):
                if isinstance(answer, BaseException):
                    raise _of_row(answer, number if "requests" in document else None)
            return write_json(
                {
                    "model_version": str(model.number),
                    "recommendations": found if "requests" in document else found[0],
                }
            )

    def _k(self, k: Any) -> int | None:
        if k is None:
            return None
        try:
            return checked_k(k, self._options.max_rows)
        except ValueError as error:
            raise RequestError(400, str(error)) from error

    def _asked(self, document: Mapping[str, Any]) -> list[_Asked]:
        is_one = "request" in document
        requests = [document["request"]] if is_one else document["requests"]
        if not isinstance(requests, list) or not requests:
            raise RequestError(
                400, f"'requests' must be a list that is not empty. Received: {shown(requests)}"
            )
        if len(requests) > self._options.max_rows:
            raise RequestError(
                400,
                f"There may be {self._options.max_rows} 'requests' at once. "
                f"Received: {len(requests)}",
            )
        for request in requests:
            if not isinstance(request, dict):
                raise RequestError(
                    400, f"A request must be a JSON object. Received: {shown(request)}"
                )
        candidates = document.get("candidates")
        if candidates is None:
            return [_Asked(request, None) for request in requests]
        candidates = [candidates] if is_one else candidates
        if not isinstance(candidates, list) or len(candidates) != len(requests):
            raise RequestError(
                400,
                "'candidates' must be a list for each of the 'requests'. "
                f"Received: {shown(candidates)}",
            )
        for one in candidates:
            if not isinstance(one, list | dict):
                raise RequestError(
                    400,
                    "Candidates must be a list of ids, or lists of features by key. "
                    f"Received: {shown(one)}",
                )
        return [_Asked(*pair) for pair in zip(requests, candidates, strict=True)]


def about(model: LoadedModel) -> dict[str, Any]:
    """What a page has to know of a model to ask it."""
    served = model.asked()
    return {
        "model": model.title,
        "version": str(model.number),
        "features": [
            {"key": feature.key, "type": feature.dtype, "is_bag": feature.is_bag}
            for feature in served.accepts.values()
        ],
        "has_titles": served.items is not None and served.items.titles is not None,
        "longest": served.longest,
    }


def _of_row(error: BaseException, number: int | None) -> BaseException:
    """An error that says which of many requests it is about."""
    if number is None or not isinstance(error, RequestError):
        return error
    return RequestError(error.status, f"Request {number} (the first is 0): {error}", error.headers)


def _answer(served: Served, k: int, include_history: bool, items: list[_Asked]) -> list[Any]:
    return each_by_itself(functools.partial(_answer_together, served, k, include_history), items)


def _answer_together(
    served: Served, k: int, include_history: bool, items: list[_Asked]
) -> list[Any]:
    first = items[0]
    request = {key: [item.request[key] for item in items] for key in first.request}
    if not request and EXCLUDE in served.accepts:
        request = {EXCLUDE: [[] for _ in items]}
    candidates: Any = None
    if isinstance(first.candidates, dict):
        candidates = {key: [item.candidates[key] for item in items] for key in first.candidates}
    elif first.candidates is not None:
        candidates = [item.candidates for item in items]
    try:
        frame = served.recommend(request, k, candidates=candidates, include_history=include_history)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        said = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise RequestError(400, str(said)) from error
    columns: dict[str, Sequence[Any]] = {"id": frame["id"].tolist()}
    if "title" in frame:
        columns["title"] = frame["title"].tolist()
    scores = decimals(frame["score"].to_numpy(np.float32))
    columns["score"] = [score if math.isfinite(score) else None for score in scores]
    answers: list[list[dict[str, Any]]] = [[] for _ in items]
    for row, *values in zip(frame["row"].tolist(), *columns.values(), strict=True):
        answers[row].append(dict(zip(columns, values, strict=True)))
    return answers
