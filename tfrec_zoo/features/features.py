"""Features: a FeatureSpec together with what was learned of the data in one pass."""

import dataclasses
import json
import math
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.features.columns import (
    BucketizedColumn,
    CategoricalColumn,
    CrossedColumn,
    EmbeddingColumn,
    HashedColumn,
    InteractionColumn,
    NumericColumn,
)
from tfrec_zoo.features.quantile_sketch import QuantileSketch
from tfrec_zoo.features.request import raw_array, raw_values
from tfrec_zoo.features.spec import FeatureSpec, vocabulary_column
from tfrec_zoo.features.vocabulary import Vocabulary, VocabularyCounter

NUM_QUANTILES = 1000


def default_dimension(num_ids: int) -> int:
    """Embedding width that grows with the logarithm of the number of ids (Covington et al., §4.1).

    `2 * ceil(log2(num_ids + 1))`: 2 for one id, 24 for 3,706, 40 for a million.
    """
    return 2 * math.ceil(math.log2(num_ids + 1))


@dataclasses.dataclass(frozen=True)
class Features:
    """What a model needs to know of its features: the spec, vocabularies and quantiles.

    Plain data without TensorFlow; `fit` makes it from a log, `save` and `load` keep it in a folder.

    Args:
        spec: The columns.
        vocabularies: One vocabulary per ID space.
        quantiles: Per continuous feature, the values at equally spaced ranks.

    Example:

    >>> spec = FeatureSpec(query=(NumericColumn("age"),),
    ...                    candidate=(VocabularyColumn("video_id"),))
    >>> features = Features.fit(spec, {"age": [20.0, 30.0], "video_id": ["a", "b", "b"]})
    >>> features.vocabularies["video_id"].tokens
    ('b', 'a')
    """

    spec: FeatureSpec
    vocabularies: Mapping[str, Vocabulary]
    quantiles: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        for column in self.spec.vocabulary_columns:
            vocabulary = self.vocabularies.get(column.space)
            if vocabulary is None or vocabulary.dtype != column.dtype:
                received = None if vocabulary is None else f"one of {vocabulary.dtype}"
                raise ValueError(
                    f"`vocabularies` must have one of {column.dtype} for the ID space "
                    f"{column.space!r}. Received: {received}"
                )

    @classmethod
    def fit(
        cls,
        spec: FeatureSpec,
        data: Mapping[str, Any] | Iterable[Mapping[str, Any]],
        vocabularies: Mapping[str, Vocabulary] | None = None,
        rows: Iterable[Mapping[str, Any]] | None = None,
    ) -> "Features":
        """Learns vocabularies and quantiles in one pass, in bounded memory but for the counts.

        Args:
            spec: The columns.
            data: Raw features by key (a mapping or a pandas frame), or chunks of them. Values of a
                key may have any shape, and keys may be of different lengths.
            vocabularies: Vocabularies by ID space that are known already and not learned, for
                instance those of another model that should share its ids.
            rows: Chunks for the interaction columns, which look at a bag ([rows, length]), its ages
                and the candidate ([rows]) row by row; `data` if left out.

        Raises:
            ValueError: If the data hold nothing of a feature.
        """
        given = dict(vocabularies or {})
        chunks: Iterable[Mapping[str, Any]] = (
            [data] if isinstance(data, Mapping | pd.DataFrame) else data
        )
        columns = [c for c in spec.vocabulary_columns if c.space not in given]
        counters = {column.space: VocabularyCounter(column.dtype) for column in columns}
        numeric = [c for c in spec.dense if isinstance(c, NumericColumn)]
        interactions = [c for c in spec.candidate if isinstance(c, InteractionColumn)]
        sketches = {c.key: QuantileSketch() for c in numeric if c.normalization == "quantile"}
        sketches.update({part: QuantileSketch() for c in interactions for part in c.parts})
        for chunk in chunks:
            for key, values in chunk.items():
                for space in dict.fromkeys(c.space for c in columns if c.key == key):
                    counters[space].update(values)
                if key in sketches:
                    sketches[key].update(raw_values(values, "float32"))
            for column in interactions if rows is None else ():
                for part, values in _interaction_values(column, chunk).items():
                    sketches[part].update(values)
        for chunk in rows or ():
            for column in interactions:
                for part, values in _interaction_values(column, chunk).items():
                    sketches[part].update(values)
        learned = {}
        for space, counter in counters.items():
            tops = [c.top_n for c in columns if c.space == space and c.top_n is not None]
            learned[space] = Vocabulary.from_counts(
                counter.counts, counter.dtype, min(tops, default=None)
            )
            if not len(learned[space]):
                raise ValueError(
                    f"The data hold no value of the ID space {space!r}: they must have one of its "
                    f"keys. Received no {sorted({c.key for c in columns if c.space == space})}"
                )
        ranks = np.linspace(0.0, 1.0, NUM_QUANTILES)
        for name, sketch in sketches.items():
            if not sketch.count:
                raise ValueError(f"The data hold no finite value of {name!r}. Received none.")
        quantiles = {
            name: tuple(np.asarray(sketch.quantiles(ranks), np.float32).tolist())
            for name, sketch in sketches.items()
        }
        return cls(spec, {**given, **learned}, quantiles)

    def num_ids(self, column: CategoricalColumn) -> int:
        """Number of ids of a categorical column, besides 0."""
        if isinstance(column, BucketizedColumn):
            return len(column.boundaries) + 1
        if isinstance(column, CrossedColumn | HashedColumn):
            return column.num_buckets
        vocabulary = vocabulary_column(column)
        if vocabulary is None:
            return self.num_ids(column.values)  # type: ignore[union-attr]
        return len(self.vocabularies[vocabulary.space])

    def dimension(self, column: EmbeddingColumn) -> int:
        """Width of an embedding column: as declared, or the default for its number of ids."""
        return column.dimension or default_dimension(self.num_ids(column.categorical))

    def to_config(self) -> dict[str, Any]:
        """Returns a JSON-able dictionary from which `from_config` makes equal features."""
        return {
            "spec": self.spec.to_config(),
            "vocabularies": {
                space: {"dtype": v.dtype, "tokens": list(v.tokens)}
                for space, v in self.vocabularies.items()
            },
            "quantiles": {name: list(values) for name, values in self.quantiles.items()},
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Features":
        """Makes the features that `to_config` described."""
        return cls(
            FeatureSpec.from_config(config["spec"]),
            {
                space: Vocabulary(tuple(v["tokens"]), v["dtype"])
                for space, v in config["vocabularies"].items()
            },
            {name: tuple(values) for name, values in config["quantiles"].items()},
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


def _interaction_values(
    column: InteractionColumn, chunk: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    keys = [column.bag.key, column.candidate.key] + ([column.ages] if column.ages else [])
    if any(key not in chunk for key in keys):
        return {}
    dtype = column.candidate.dtype
    bag = raw_array(chunk[column.bag.key], dtype, is_bag=True)
    candidate = raw_array(chunk[column.candidate.key], dtype)
    codes, _ = pd.factorize(np.append(candidate, bag.ravel()))
    is_present = bag != "" if dtype == "string" else bag >= 0
    # As the preprocessor does, only the last `max_length` values of a row count.
    is_present &= is_present[:, ::-1].cumsum(axis=1)[:, ::-1] <= column.bag.max_length
    match = (
        codes[len(candidate) :].reshape(bag.shape) == codes[: len(candidate), None]
    ) & is_present
    values = {column.parts[0]: match.sum(axis=1).astype(np.float32)}
    if column.ages:
        ages = np.full(bag.shape, np.nan, np.float32)
        given = raw_array(chunk[column.ages], "float32", is_bag=True)[:, : bag.shape[1]]
        ages[:, : given.shape[1]] = given
        latest = np.fmin.reduce(np.where(match, ages, np.inf), axis=1, initial=np.inf)
        values[column.parts[1]] = latest[np.isfinite(latest)]
    return values
