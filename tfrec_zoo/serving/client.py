"""Client: a model that is asked from Python, loaded from its export or still in memory."""

import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.data.derived import HISTORY, ITEM_AGE, LAST_WATCHED, last_of
from tfrec_zoo.data.nominated import NOMINATE
from tfrec_zoo.features import MISSING, RawFeature
from tfrec_zoo.serving.added_items import export_with_items
from tfrec_zoo.serving.items import ItemTable
from tfrec_zoo.serving.ranking import CandidateRanking, Query, may_be_returned
from tfrec_zoo.serving.requests import (
    as_given,
    checked_k,
    is_missing,
    num_rows,
    typed_lists,
    typed_request,
)
from tfrec_zoo.serving.served_model import ALLOW, EXCLUDE, item_bags

#: Scores of items that are held in memory at once, and the rows at once where nobody knows.
_SCORES, _ROWS = 1 << 24, 1024
#: Lists of a ranking model where no length is given.
_DEFAULT_K = 10
_TIME = "time"


class Served:
    """A served model: typed requests in, arrays or frames out.

    `load` makes it of an export, `serve` of a model in memory. In requests a whole number stands
    for its decimal text where ids (or other features) are text, and text for a whole number where
    they are numbers, if it is written as `str` writes it: `12` is `"12"`, and `"012"` is not `12`.

    Args:
        signatures: Functions of tensors by name.
        manifest: What the manifest of the export says.
        read_items: Returns the titles and features of the items, or None; called if need be.
    """

    def __init__(
        self,
        signatures: Mapping[str, Any],
        manifest: Mapping[str, Any],
        read_items: Callable[[], ItemTable | None] = lambda: None,
    ) -> None:
        self.signatures = signatures
        self.manifest = dict(manifest)
        #: The raw features a request may give, by key, and the bags of `filter_<column>`.
        self.request: dict[str, RawFeature] = {}
        self.filters: dict[str, RawFeature] = {}
        #: The arguments of the signatures by the keys of the features that they hold.
        self.names: dict[str, str] = {}
        for kind, features in (("request", self.request), ("filters", self.filters)):
            for entry in {"filters": (), **self.manifest}[kind]:
                rest = dict(entry)
                self.names[entry["key"]] = rest.pop("argument", entry["key"])
                features[entry["key"]] = RawFeature(**rest)
        #: What holds the variables; the signatures do so only weakly.
        self.module: Any = None
        self.directory: pathlib.Path | None = None  # Of `train`, if loaded from one.
        self.is_ranking = "rank" in signatures
        self._read_items = read_items

    @functools.cached_property
    def items(self) -> ItemTable | None:
        """The titles and features of the items, or None if the export carries none."""
        return self._read_items()

    def __call__(self, request: Mapping[str, Any], signature: str = "serving_default") -> Any:
        """Answers a request by a signature, as it stands: nothing is left out or filled in.

        Args:
            request: Raw features by key, one value (or bag) per row: lists, arrays or a pandas
                frame. Features left out, None and NaN are missing. For the signature `rank` of a
                ranking model, features of the candidate are lists per row, of any length.
            signature: Name of a signature that takes raw features. The other `signatures` take
                tensors and cannot be called here.

        Returns:
            The outputs by name, as arrays; strings are `str`. Predictions beyond the end of a list
            are NaN.

        Raises:
            KeyError, TypeError, ValueError: If the request is malformed; the message says how.
        """
        if not isinstance(request, Mapping | pd.DataFrame):
            raise TypeError(f"Expected features by key. Received: {request!r:.80}")
        if signature not in self.signatures:
            raise KeyError(f"Expected one of {sorted(self.signatures)}. Received: {signature!r}")
        if signature == "rank":
            return {"predictions": self._rank_as_given(request)}
        wanted = self.inputs(signature)
        features = {**self._bags, **self.filters, **self.request}
        raw = {key: f for key, f in features.items() if self._argument(key) in wanted}
        if len(raw) < len(wanted):
            raise ValueError(
                "The signature is not over rows of raw features: give tensors to "
                f"`signatures[{signature!r}]`. Received: {signature!r}"
            )
        outputs = self._run(signature, typed_request(raw, request, self.ignored))
        return {name: as_given(value.numpy()) for name, value in outputs.items()}

    def inputs(self, signature: str) -> dict[str, tf.TensorSpec]:
        """The tensors a signature takes, by name."""
        positional, named = self.signatures[signature].structured_input_signature
        return {**{spec.name: spec for spec in positional}, **named}

    def recommend(
        self,
        request: Mapping[str, Any],
        k: int | None = None,
        *,
        candidates: Any = None,
        include_history: bool = False,
    ) -> pd.DataFrame:
        """Recommends items to each row of a request.

        The items of `history` are left out, whatever the model. What the model reads that follows
        from the history, the last item and attributes that the export carries, is filled in unless
        the request has it.

        A ranking model ranks the candidates or, if there are none, every item that it knows and
        that the export carries. A candidate that it doesn't know, which is scored by its features
        alone, comes after all that it knows.

        Args:
            request: Raw features by key, one value (or bag) per row: lists, arrays or a pandas
                frame. `exclude` holds bags of items that must not be recommended, and `allow` bags
                of the only ones that may; an empty bag allows all. Unknown items in them have no
                effect, but a bag of nothing else allows nothing. `filter_<column>`, if the export
                has it, holds bags of values of which recommended items have at least one, and
                `nominate`, of a funnel, bags of items to be ranked besides those it finds.
            k: Number of items to return, by default and at most that of the export; 10 by default
                for ranking models, or all candidates.
            candidates: For ranking models, a list of item ids per row; or lists of values by key,
                to which the features that are not given are looked up by the ids.
            include_history: Whether the items of `history` may be recommended.

        Returns:
            A frame with the columns `row` (of the request), `rank` (from 1), `id`, `title` if the
            export carries titles, and `score`. A row of the request has fewer than k if there is
            nothing left to recommend.

        Raises:
            KeyError, TypeError, ValueError: If the request is malformed; the message says how.
        """
        if include_history and self._excludes_history:
            raise ValueError(
                "A funnel never recommends what is in the history. Received: include_history=True"
            )
        if self.is_ranking:
            row, rank, ids, scores = self._ranked(request, k, candidates, include_history)
        elif candidates is not None:
            raise TypeError(
                f"{self.manifest['model']} finds candidates by itself: restrict them by `allow`. "
                f"Received: candidates={candidates!r:.80}"
            )
        else:
            row, rank, ids, scores = self._retrieved(request, k, include_history)
        frame = pd.DataFrame({"row": row, "rank": rank + 1, "id": ids, "score": scores})
        titles = None if self.items is None else self.items.titles_of(ids)
        if titles is not None:
            frame.insert(3, "title", titles)
        return frame

    def score(self, request: Mapping[str, Any], candidates: Any = None) -> np.ndarray:
        """The predictions of a ranking model.

        Args:
            request: Raw features by key, one value (or bag) per row: those of the query and the
                candidate, or of the query alone if candidates are given apart.
            candidates: As for `recommend`; nothing is left out of them.

        Returns:
            [rows] predictions, or [rows, candidates], NaN beyond the end of a list.
        """
        if not self.is_ranking:
            raise TypeError(
                "Rows are scored by ranking models; this export recommends. "
                f"Received: {self.manifest['model']}"
            )
        if candidates is None:
            return self(request)["predictions"]
        arrays = self._asked(request)
        lists = self._ranking.lists(self._query(arrays), candidates)
        return lists.scores

    def add_items(
        self, items: Any, directory: str | pathlib.Path, new_rows: Any = "content"
    ) -> int:
        """Writes a new export that knows more items; those that this one knows score the same.

        Args:
            items: A frame of ids and what is known of the items; see `tfrec_zoo.add_items`.
            directory: Folder for the new `model`, `checkpoint` and `result.json`.
            new_rows: What the vectors of the new ids start from.

        Returns:
            The number of items that were added.
        """
        if self.directory is None:
            raise ValueError(
                "Items are added to what `tfrec_zoo.load` finds with a checkpoint beside the model "
                f"(`train` leaves one). Received: {self.manifest['model']} without"
            )
        return export_with_items(self.directory, items, directory, self.longest, new_rows)

    # What the manifest says; those of early exports say less.

    @functools.cached_property
    def candidate(self) -> frozenset[str]:
        """Keys of the candidate's features."""
        if "candidate" in self.manifest or not self.is_ranking:
            return frozenset(self.manifest.get("candidate", ()))
        rows, lists = self.inputs("serving_default"), self.inputs("rank")
        return frozenset(key for key in rows if lists[key].shape.rank > rows[key].shape.rank)

    @functools.cached_property
    def item(self) -> RawFeature | None:
        """Key and type of the item ids, or None if there are none."""
        if "item" in self.manifest:
            said = self.manifest["item"]
            return None if said is None else RawFeature(said["key"], said["dtype"])
        if EXCLUDE in self.request:
            return RawFeature("item_id", self.request[EXCLUDE].dtype)
        return self.request[min(self.candidate)] if len(self.candidate) == 1 else None

    @property
    def ignored(self) -> frozenset[str]:
        """Keys of features that requests may have although the model doesn't read them."""
        return frozenset(self.manifest.get("ignored", ()))

    @functools.cached_property
    def accepts(self) -> dict[str, RawFeature]:
        """What `recommend` takes: features of the query, and bags of items."""
        found = {
            **self._bags,
            **self.filters,
            **{key: f for key, f in self.request.items() if key not in self.candidate},
        }
        if ITEM_AGE in self.candidate:
            found.setdefault(_TIME, RawFeature(_TIME, "int64"))
        return found

    @property
    def longest(self) -> int | None:
        """The length of the lists of an export; None if a ranking model may rank everything."""
        if self.is_ranking:
            return None
        return int(self.signatures["serving_default"].structured_outputs["ids"].shape[1])

    @property
    def _excludes_history(self) -> bool:
        return bool(self.manifest.get("excludes_history", self.manifest["model"] == "Funnel"))

    @property
    def _bags(self) -> dict[str, RawFeature]:
        if self.item is None:
            return {}
        dtype = self.item.dtype
        optional = (HISTORY, *((NOMINATE,) if NOMINATE in self.signatures else ()))
        bags = {key: RawFeature(key, dtype, is_bag=True) for key in optional}
        return {**item_bags(dtype), **bags}

    def _argument(self, key: str) -> str:
        return self.names.get(key, key)

    # How requests are answered.

    def _run(self, signature: str, arrays: Mapping[str, Any]) -> Any:
        """Calls a signature with those of the features that it takes."""
        specs = self.inputs(signature)
        return self.signatures[signature](
            **{
                self._argument(key): tf.convert_to_tensor(value, specs[self._argument(key)].dtype)
                for key, value in arrays.items()
                if self._argument(key) in specs
            }
        )

    def _asked(self, request: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The features of who asks and the bags of items, typed, with what follows from them."""
        raw = self.accepts
        arrays = typed_request(raw, request, self.ignored - set(raw))
        history = arrays.get(HISTORY)
        wanted = {key for key in raw if key not in request}
        if history is None or HISTORY not in request or not wanted:
            return arrays
        if LAST_WATCHED in wanted:
            last = last_of(tf.constant(history, raw[HISTORY].dtype))
            arrays[LAST_WATCHED] = as_given(last.numpy())
        if any(key.startswith(f"{HISTORY}_") for key in wanted) and self.items is not None:
            found = self.items.catalogue.attributes_of(history.ravel())
            arrays.update((k, v.reshape(history.shape)) for k, v in found.items() if k in wanted)
        return arrays

    def _query(self, arrays: Mapping[str, np.ndarray]) -> Query:
        own = {k: arrays[k] for k in self.request if k in arrays and k not in self.candidate}
        return Query(own, arrays.get(_TIME))

    def _left_out(self, arrays: Mapping[str, np.ndarray], include_history: bool) -> np.ndarray:
        """[rows, n] items that must not be recommended."""
        exclude = arrays[EXCLUDE]
        if include_history or self._excludes_history:
            return exclude
        return np.concatenate([exclude, arrays[HISTORY]], axis=1)

    def _retrieved(
        self, request: Mapping[str, Any], k: int | None, include_history: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        longest, num_items = self.longest, self.manifest.get("num_items")
        if k is not None:
            of = "" if num_items is None else f" of its {num_items} items"
            k = checked_k(k, longest, f"The export holds lists of {longest}{of}: make another.")
        arrays = self._asked(request)
        arrays[EXCLUDE] = self._left_out(arrays, include_history)
        name = "serving_default"
        if not is_missing(arrays[ALLOW]).all():
            name = ALLOW
            if name not in self.signatures:
                raise ValueError(
                    "The export is of a time before `allow`: export the model again. "
                    f"Received: signatures {sorted(self.signatures)}"
                )
        if any(not is_missing(arrays[key]).all() for key in self.filters):
            name = "filter"
        if NOMINATE in arrays and not is_missing(arrays[NOMINATE]).all():
            name = NOMINATE
        step = _ROWS if num_items is None else max(_SCORES // num_items, 1)
        parts = []
        for begin in range(0, max(num_rows(arrays), 1), step):
            part = {key: values[begin : begin + step] for key, values in arrays.items()}
            outputs = self._run(name, part)
            ids, scores = (outputs[output][:, :k].numpy() for output in ("ids", "scores"))
            row, rank = np.nonzero(ids != (b"" if ids.dtype == object else MISSING["int64"]))
            parts.append((row + begin, rank, ids[row, rank], scores[row, rank]))
        row, rank, ids, scores = (np.concatenate(values) for values in zip(*parts, strict=True))
        return row, rank, as_given(ids), scores

    @functools.cached_property
    def _ranking(self) -> CandidateRanking:
        raw = {key: f for key, f in self.request.items() if key in self.candidate}

        def score(query: Mapping[str, Any], candidates: Mapping[str, Any]) -> np.ndarray:
            return self._run("rank", {**query, **candidates})["predictions"].numpy()

        return CandidateRanking(score, raw, self.item, self.items)

    def _ranked(
        self, request: Mapping[str, Any], k: int | None, candidates: Any, include_history: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        k = None if k is None else checked_k(k)
        arrays = self._asked(request)
        query = self._query(arrays)
        if self.item is None:
            raise TypeError(
                f"{self.manifest['model']} scores impressions and doesn't tell items by their ids: "
                "ask for the `score` of candidates."
            )
        exclude = self._left_out(arrays, include_history)
        if candidates is None:
            return self._ranking.catalogue(query, exclude, arrays[ALLOW], k or _DEFAULT_K)
        lists = self._ranking.lists(query, candidates)
        if lists.ids is None:
            raise KeyError(
                f"Candidates must have their ids, {self.item.key!r}, to be told apart. "
                f"Received: {sorted(candidates)}"
            )
        keep = may_be_returned(lists.ids, lists.lengths, exclude, arrays[ALLOW])
        row, rank, at = lists.best(keep, k or lists.ids.shape[1])
        return row, rank, lists.ids[row, at], lists.scores[row, at]

    def _rank_as_given(self, request: Mapping[str, Any]) -> np.ndarray:
        """[rows, candidates] predictions for lists of candidates that are among the features."""
        lists = {key: request[key] for key in request if key in self.candidate}
        query = {key: request[key] for key in request if key not in self.candidate}
        raw = {key: f for key, f in self.request.items() if key not in self.candidate}
        own = {key: f for key, f in self.request.items() if key in self.candidate}
        if not lists:
            raise ValueError(
                f"Give lists of candidates, by some of {sorted(own)}. Received: {sorted(query)}"
            )
        one = typed_lists(lists[next(iter(lists))], own[next(iter(lists))])[1].tolist()
        for key, feature in own.items():
            lists.setdefault(key, [[[] if feature.is_bag else None] * n for n in one])
        if raw and not query:
            key = next(iter(raw))
            query = {key: [[] if raw[key].is_bag else None for _ in one]}
        arrays = typed_request(raw, query, self.ignored) if query else {}
        return self._ranking.lists(Query(arrays), lists).scores
