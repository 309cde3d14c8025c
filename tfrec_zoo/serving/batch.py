"""Batch: recommendations to many at once, in shards that a killed process leaves behind."""

import difflib
import hashlib
import json
import logging
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import pandas as pd
from tqdm import tqdm

from tfrec_zoo.features import RawFeature
from tfrec_zoo.serving.answer_files import AnswerFile
from tfrec_zoo.serving.client import Served
from tfrec_zoo.serving.served_model import EXCLUDE

logger = logging.getLogger(__name__)

#: Requests that are answered at a time.
SHARD = 4096
#: Column of request files with the candidates of a ranking model.
CANDIDATES = "candidates"


class Requests(Protocol):
    """Requests that are read a shard at a time: a `RequestFile`, or `UserRequests`."""

    @property
    def fingerprint(self) -> str:
        """Equal for equal requests."""

    @property
    def num_rows(self) -> int | None:
        """The number of requests, if it is known."""

    def shards(self, size: int) -> Iterator[pd.DataFrame]:
        """Yields the rows, `size` at a time, at least one shard."""

    def request_of(
        self, shard: pd.DataFrame, first: int, features: Mapping[str, RawFeature]
    ) -> Mapping[str, Any]:
        """The features of a shard whose first row has a number."""


def recommend_all(
    served: Served,
    requests: Requests,
    output: str | pathlib.Path,
    k: int | None = None,
    *,
    keep: Sequence[str] | None = None,
    include_history: bool = False,
    shard_size: int = SHARD,
    progress: bool = False,
) -> int:
    """Recommends items to each row of many requests, and writes them into a file.

    Requests are read, answered and written in shards, so that memory is bounded. Finished shards
    are kept in the folder `<output>.parts` until the file is whole: a call like one that was killed
    goes on from there, and its file is the same to the byte.

    Args:
        served: What is asked.
        requests: The requests.
        output: The file: Parquet, CSV or JSON lines by its name, with a row per recommendation:
            `row` (of the request, from 0), the columns to keep, `rank`, `id`, `title` if the export
            carries titles, and `score`.
        k: Number of items for each, as `Served.recommend` takes it.
        keep: Columns of the requests to carry over; by default all that are neither features that
            the model reads nor lists.
        include_history: Whether items of the `history` may be recommended.
        shard_size: Requests per shard.
        progress: Whether to show a progress bar.

    Returns:
        The number of requests.

    Raises:
        KeyError: If a column to keep is not there, or a column seems to be a misspelt feature.
        TypeError, ValueError: If a request is malformed; the message names file, row and column.
    """
    if shard_size < 1:
        raise ValueError(f"`shard_size` must be positive. Received: {shard_size}")
    features = dict(served.accepts)
    if served.is_ranking and served.item is not None:
        features[CANDIDATES] = RawFeature(CANDIDATES, served.item.dtype, is_bag=True)
    plan = {
        "requests": requests.fingerprint,
        "model": _digest(served.manifest.get("files")),
        "options": [k, None if keep is None else list(keep), include_history, shard_size],
    }
    answers = AnswerFile(output, plan)
    first, shards = 0, 0
    kept: list[str] | None = None
    with tqdm(
        total=requests.num_rows, unit=" requests", disable=not progress, dynamic_ncols=True
    ) as bar:
        for number, shard in enumerate(requests.shards(shard_size)):
            if kept is None:
                kept = _kept(shard, features, served.ignored, keep)
            if not answers.has(number):
                request = dict(requests.request_of(shard, first, features))
                candidates = request.pop(CANDIDATES, None)
                found = _answer(served, request, candidates, k, include_history, len(shard))
                carried = shard.reindex(columns=kept).iloc[found["row"]].reset_index(drop=True)
                found["row"] += first
                for at, column in enumerate(kept):
                    found.insert(1 + at, column, carried[column])
                answers.write(number, found)
            first, shards = first + len(shard), number + 1
            bar.update(len(shard))
    answers.assemble(shards)
    return first


def _answer(
    served: Served,
    request: dict[str, Any],
    candidates: Any,
    k: int | None,
    include_history: bool,
    rows: int,
) -> pd.DataFrame:
    if not rows:
        request, candidates = {key: [] for key in served.accepts}, None
    elif not request and EXCLUDE in served.accepts:
        # Nothing is known of those who ask, or nothing that the model reads.
        request = {EXCLUDE: [[]] * rows}
    return served.recommend(request, k, candidates=candidates, include_history=include_history)


def _kept(
    shard: pd.DataFrame,
    features: Mapping[str, RawFeature],
    ignored: frozenset[str],
    keep: Sequence[str] | None,
) -> list[str]:
    """The columns to carry over."""
    columns = [str(column) for column in shard.columns]
    unknown = [c for c in columns if c not in features and c not in ignored | set(keep or ())]
    for column in unknown:
        near = difflib.get_close_matches(column, features, n=1, cutoff=0.8)
        if near:
            raise KeyError(
                f"Column {column!r} is no feature of the model. Is it {near[0]!r}? To carry it "
                f"over, name it among the columns to keep. Received columns: {columns}"
            )
    if len(shard) and not set(columns) & (set(features) | ignored):
        raise KeyError(
            f"Requests must have some of the features {sorted(features)}. "
            f"Received columns: {columns}"
        )
    if keep is not None:
        missing = [column for column in keep if column not in columns]
        if missing and len(columns):
            raise KeyError(f"Columns to keep must be among {columns}. Received others: {missing}")
        chosen = list(keep)
    else:
        chosen = [c for c in columns if c not in features and not _is_list(shard[c])]
    taken = [column for column in chosen if column in ("row", "rank", "id", "title", "score")]
    if taken:
        raise ValueError(
            "Columns to keep must have other names than those of the answers; rename them, or "
            f"name others to keep. Received: {taken}"
        )
    return chosen


def _is_list(values: pd.Series) -> bool:
    is_list = values.map(
        lambda cell: hasattr(cell, "__len__") and not isinstance(cell, str | bytes)
    )
    return bool(is_list.any())


def _digest(files: Any) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
