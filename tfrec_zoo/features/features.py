"""Features: a FeatureSpec together with what was learned from the data in one pass."""

import dataclasses
import json
import math
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from tfrec_zoo.features.columns import (
    CategoricalColumn,
    CrossedColumn,
    VocabularyColumn,
)
from tfrec_zoo.features.combinations import (
    CombinationCounter,
    num_ids_of,
    part_in_words,
    radices,
)
from tfrec_zoo.features.dense_columns import (
    EmbeddingColumn,
    InteractionColumn,
    NumericColumn,
    VectorColumn,
)
from tfrec_zoo.features.empty_columns import without_empty
from tfrec_zoo.features.interactions import InteractionValues
from tfrec_zoo.features.item_rows import ItemRows, as_lists, rows_of_items
from tfrec_zoo.features.request import raw_values, raw_vectors, request_arrays
from tfrec_zoo.features.spec import FeatureSpec
from tfrec_zoo.features.summaries import Count, summaries_of
from tfrec_zoo.features.vocabulary import Vocabulary, VocabularyCounter


def default_dimension(num_ids: int) -> int:
    """Returns an embedding width that grows with the logarithm of the number of ids.

    `2 * ceil(log2(num_ids + 1))`: 2 for one id, 24 for 3,706, 40 for a million (Covington et al.,
    §4.1).
    """
    return 2 * math.ceil(math.log2(num_ids + 1))


@dataclasses.dataclass(frozen=True)
class Features:
    """Contains all a model needs to know of its features: the spec, and what was learned of them.

    This is plain data without TensorFlow. `fit` makes it from a log; `save` and `load` store it in
    a folder.

    Args:
        spec: Spec of the columns.
        vocabularies: Vocabulary of each ID space. That of a cross with `top_n` contains keys:
            numbers from 1 up whose mixed-radix digits are the ids of the parts.
        statistics: What normalizations have learned of numbers, by name: 1,000 values at equally
            spaced ranks (after the value that is set apart, if one is), the least and the greatest
            value, or the mean and the standard deviation.
        items: Raw candidate features of the items besides their ids, by key, a row for each item
            of the vocabulary, in its order. Retrieval models read them; see `fit`.

    Example:

    >>> from tfrec_zoo.features import *
    >>> spec = FeatureSpec(query=(NumericColumn("age"),),
    ...                    candidate=(VocabularyColumn("video_id"),))
    >>> features = Features.fit(spec, {"age": [20.0, 30.0], "video_id": ["a", "b", "b"]})
    >>> features.vocabularies["video_id"].tokens
    ('b', 'a')
    """

    spec: FeatureSpec
    vocabularies: Mapping[str, Vocabulary]
    statistics: Mapping[str, tuple[float, ...]]
    items: Mapping[str, np.ndarray] = dataclasses.field(default_factory=ItemRows)

    def __post_init__(self) -> None:
        for column in self.spec.vocabulary_columns:
            vocabulary = self.vocabularies.get(column.space)
            if vocabulary is None or vocabulary.dtype != column.dtype:
                received = None if vocabulary is None else f"one of {vocabulary.dtype}"
                raise ValueError(
                    f"`vocabularies` must have one of {column.dtype} for the ID space "
                    f"{column.space!r}. Received: {received}"
                )
        for cross in self.spec.crosses:
            num_keys = math.prod(radices(cross, self.vocabularies))
            if cross.top_n is None:
                continue
            vocabulary = self.vocabularies.get(cross.space)
            keys = None if vocabulary is None else vocabulary.array()
            if keys is None or keys.dtype != np.int64 or np.any((keys < 1) | (keys > num_keys)):
                raise ValueError(
                    f"`vocabularies` must have one of int64 for the cross {cross.space!r}, of keys "
                    f"from 1 to {num_keys}, as `fit` learns it. Received: {vocabulary!r:.80}"
                )

    @classmethod
    def fit(
        cls,
        spec: FeatureSpec,
        data: Mapping[str, Any] | Iterable[Mapping[str, Any]],
        vocabularies: Mapping[str, Vocabulary] | None = None,
        rows: Iterable[Mapping[str, Any]] | None = None,
        cross_rows: Iterable[Mapping[str, Any]] | None = None,
        drop_empty: bool = False,
        items: Mapping[str, Any] | None = None,
    ) -> "Features":
        """Learns vocabularies and statistics in one pass, in memory bounded except for the counts.

        Interaction columns and crosses with `top_n` are made of ids, which are known after that
        pass: they are looked at in a second one. Chunks that come only once, from a generator, are
        kept for it as far as these read them. A combination counts once a row; of equally frequent
        ones, those whose first parts have the lowest ids come first, then the second, and so on.

        Args:
            spec: Spec of the columns.
            data: Raw features by key (a mapping or a pandas frame), or chunks of them. Values of a
                key may have any shape, and keys may differ in length.
            vocabularies: Known vocabularies by ID space, which are not learned, such as those of
                another model that should share its ids.
            rows: Chunks for the interaction columns, which compare a bag ([rows, length]), its ages
                and the candidate ([rows]) row by row; `data` by default.
            cross_rows: Chunks for the crosses with `top_n`, which combine all parts row by row; by
                default `rows` if given, else `data`.
            drop_empty: Whether columns of which the data hold no value are left out of the spec,
                with a warning in the log, instead of raising an error; for specs that are guessed.
            items: What is known of the items, for models that score all of them by their features:
                the id and the other raw candidate features by key, a row per item. Of an item
                without a row nothing is known but the id.

        Returns:
            The fitted features.

        Raises:
            ValueError: If the data contain no value of a feature, or one that is no line of text,
                or a cross has too many combinations for int64.
        """
        given = dict(vocabularies or {})
        chunks: Iterable[Mapping[str, Any]] = (
            [data] if isinstance(data, Mapping | pd.DataFrame) else data
        )
        columns = [c for c in spec.vocabulary_columns if c.space not in given]
        counters = {column.space: VocabularyCounter(column.dtype) for column in columns}
        interactions = [c for c in spec.candidate if isinstance(c, InteractionColumn)]
        widths = {c.key: c.width for c in spec.dense if isinstance(c, VectorColumn)}
        summaries = {name: s for c in spec.dense for name, s in summaries_of(c).items()}
        crosses = [c for c in spec.crosses if c.top_n is not None and c.space not in given]
        read_again: set[str] = set()
        if rows is None:
            read_again = {key for c in interactions for key in c.keys}
            if cross_rows is None:
                read_again |= {part.key for c in crosses for part in c.columns}
        kept: list[Mapping[str, Any]] | None = None
        if read_again and isinstance(chunks, Iterator):
            kept = []
        seen: set[str] = set()
        for chunk in chunks:
            seen.update(chunk.keys())
            if kept is not None:
                kept.append({key: chunk[key] for key in read_again if key in chunk})
            for key, values in chunk.items():
                try:
                    for space in dict.fromkeys(c.space for c in columns if c.key == key):
                        counters[space].update(values)
                    if key in widths:
                        vectors = raw_vectors(values, widths[key])
                        summaries[key].update(vectors[vectors != 0])
                    elif key in summaries:
                        summaries[key].update(raw_values(values, "float64"))
                except TypeError as error:
                    raise TypeError(f"Feature {key!r}: {error}") from None
        learned = {space: _vocabulary(space, counters[space], columns) for space in counters}
        of_rows = {name for c in interactions for name in c.statistics}
        empty = [space for space, vocabulary in learned.items() if not len(vocabulary)]
        empty += [
            name
            for name, summary in summaries.items()
            if not summary.count
            and name not in of_rows
            # Of what need not be learned, the data need not tell.
            and (name in seen or not isinstance(summary, Count))
        ]
        if empty:
            spec = without_empty(spec, empty, drop_empty)
            interactions = [c for c in interactions if c in spec.candidate]
            crosses = [c for c in crosses if c in spec.crosses]
        known = {**given, **learned}
        combinations = [CombinationCounter(column, known) for column in crosses]
        matches = [InteractionValues(column, known) for column in interactions]
        if read_again:
            rows = chunks if kept is None else kept
        for chunk in rows or ():
            for match in matches:
                for part, values in match.of(chunk).items():
                    summaries[part].update(values)
            for combination in combinations if cross_rows is None else ():
                combination.update(chunk)
        for chunk in (cross_rows or ()) if combinations else ():
            for combination in combinations:
                combination.update(chunk)
        known.update((c.column.space, c.vocabulary()) for c in combinations)
        empty = [name for name in of_rows if not summaries[name].count]
        if any(name in empty for c in interactions for name in c.statistics):
            spec = without_empty(spec, empty, drop_empty)
        spaces = {c.space for c in spec.vocabulary_columns} | {c.space for c in spec.crosses}
        names = {name for c in spec.dense for name in summaries_of(c)}
        statistics = {n: s.statistics() for n, s in summaries.items() if n in names}
        vocabularies = {s: v for s, v in known.items() if s in spaces or s in given}
        return cls(
            spec,
            vocabularies,
            {name: learned for name, learned in statistics.items() if learned},
            ItemRows()
            if items is None
            else rows_of_items(spec, vocabularies[spec.item.space], items),
        )

    @property
    def quantiles(self) -> dict[str, tuple[float, ...]]:
        """The statistics of those numbers that are normalized by their quantiles."""
        names = [c.key for c in self.spec.dense if isinstance(c, NumericColumn)
                 and c.normalization == "quantile"]  # fmt: skip
        names += [n for c in self.spec.dense if isinstance(c, InteractionColumn)
                  and c.normalization == "quantile" for n in c.statistics]  # fmt: skip
        return {name: self.statistics[name] for name in names}

    def num_ids(self, column: CategoricalColumn) -> int:
        """Returns the number of ids of a categorical column, not counting 0."""
        return num_ids_of(column, self.vocabularies)

    def in_words(self, column: CrossedColumn, ids: Iterable[int]) -> list[str]:
        """Returns the meaning of ids of a cross with `top_n`, as "history=v1 AND age in [20, 30)".

        Raises:
            ValueError: If the cross is hashed, or has no such id.
        """
        if column.top_n is None:
            raise ValueError(
                "The ids of a hashed cross stand for many combinations: only crosses with `top_n` "
                f"can be put in words. Received: {column!r}"
            )
        keys = self.vocabularies[column.space].tokens
        sizes = radices(column, self.vocabularies)
        texts = []
        for number in ids:
            if not 0 < number <= len(keys):
                raise ValueError(f"`ids` must be from 1 to {len(keys)}. Received: {number}")
            rest, words = int(keys[number - 1]) - 1, []
            for part, size in zip(reversed(column.columns), reversed(sizes), strict=True):
                rest, digit = divmod(rest, size)
                words.append(part_in_words(part, digit, self.vocabularies))
            texts.append(" AND ".join(reversed(words)))
        return texts

    def dimension(self, column: EmbeddingColumn) -> int:
        """Returns the width of an embedding column: as declared, or the default for its ids."""
        return column.dimension or default_dimension(self.num_ids(column.categorical))

    def to_config(self) -> dict[str, Any]:
        """Returns a JSON-serializable dict from which `from_config` makes equal features."""
        return {
            "spec": self.spec.to_config(),
            "vocabularies": {
                space: {"dtype": v.dtype, "tokens": list(v.tokens)}
                for space, v in self.vocabularies.items()
            },
            "statistics": {name: list(values) for name, values in self.statistics.items()},
            **({"items": as_lists(self.items)} if self.items else {}),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Features":
        """Makes the features that `to_config` describes."""
        # A config of quantiles alone calls them that.
        statistics = config.get("statistics", config.get("quantiles", {}))
        spec = FeatureSpec.from_config(config["spec"])
        items = config.get("items", {})
        raw = {key: spec.raw_candidate[key] for key in items}
        return cls(
            spec,
            {
                space: Vocabulary(tuple(v["tokens"]), v["dtype"])
                for space, v in config["vocabularies"].items()
            },
            {name: tuple(values) for name, values in statistics.items()},
            ItemRows(request_arrays(raw, items) if items else {}),
        )

    def save(self, folder: str | pathlib.Path) -> None:
        """Writes `features.json` and one text file per vocabulary into a folder."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        config = self.to_config()
        for index, (space, vocabulary) in enumerate(self.vocabularies.items()):
            file = f"vocabulary_{index}.txt"
            vocabulary.save(folder / file)
            config["vocabularies"][space] = {"dtype": vocabulary.dtype, "file": file}
        (folder / "features.json").write_text(json.dumps(config, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | pathlib.Path) -> "Features":
        """Reads what `save` wrote."""
        folder = pathlib.Path(folder)
        config = json.loads((folder / "features.json").read_text(encoding="utf-8"))
        for entry in config["vocabularies"].values():
            entry["tokens"] = Vocabulary.load(folder / entry["file"], entry["dtype"]).tokens
        return cls.from_config(config)


def _vocabulary(
    space: str, counter: VocabularyCounter, columns: Iterable[VocabularyColumn]
) -> Vocabulary:
    """The vocabulary of an ID space, cut to the smallest `top_n` of its columns."""
    own = [column for column in columns if column.space == space]
    if counter.dtype == "string":
        tokens = counter.table["token"]
        if broken := tokens.filter(pc.match_substring_regex(tokens, r"[\r\n]"))[:1].to_pylist():
            raise ValueError(
                f"Features must be text of one line; replace the line breaks of "
                f"{sorted({c.key for c in own})}, or leave them out of the spec. "
                f"Received: {broken[0]!r:.80}"
            )
    tops = [column.top_n for column in own if column.top_n is not None]
    return counter.vocabulary(min(tops, default=None))
