"""A tiny data set that every model trains on, and its features in plain NumPy."""

import dataclasses
import functools
import importlib.util
import pathlib
from typing import Any

import numpy as np
import pytest
from every_model import Case

from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    IndicatorColumn,
    InteractionColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.registry import MODELS, Entry

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

REFERENCES = pathlib.Path(__file__).parent / "references"

ROWS, HISTORY = 60, 4

# 12 videos, 3 countries, 2 devices, 4 channels.
QUERY = (
    EmbeddingColumn(BagColumn(VocabularyColumn("history", space="video"), HISTORY), 4),
    EmbeddingColumn(VocabularyColumn("last_watched", space="video"), 4),
    EmbeddingColumn(VocabularyColumn("country"), 3),
    NumericColumn("age"),
    NumericColumn("example_age", powers=False, serving=0.0),
    IndicatorColumn(VocabularyColumn("device", dtype="int64")),
)
VIDEO = VocabularyColumn("video_id", space="video")
CHANNEL = VocabularyColumn("channel")
SPECS = {
    "retrieval": FeatureSpec(QUERY, (VIDEO,)),
    "ranking": FeatureSpec(
        QUERY,
        (
            EmbeddingColumn(VIDEO, 4),
            EmbeddingColumn(CHANNEL, 2),
            NumericColumn("length"),
            InteractionColumn(
                BagColumn(VocabularyColumn("watched_channels", space="channel"), HISTORY),
                CHANNEL,
                ages="watched_ages",
                mass=False,
            ),
        ),
    ),
}
#: What a row may hold instead of a value, by raw type: unknown, and missing.
UNKNOWN = {"string": "never seen", "int64": 777, "float64": np.nan}
MISSING = {"string": "", "int64": -1, "float64": np.nan}


def _log() -> dict[str, np.ndarray]:
    """Rows in which everything is known; the next video mostly follows from the last one."""
    rng = np.random.default_rng(0)
    videos = np.array([f"v{i}" for i in range(12)])
    channels = np.array([f"c{i}" for i in range(4)])
    last = np.append(np.arange(12), rng.integers(0, 12, ROWS - 12))
    following = np.where(rng.random(ROWS) < 0.8, last // 2, rng.integers(0, 12, ROWS))
    history = videos[rng.integers(0, 12, [ROWS, 6])]
    watched = channels[rng.integers(0, 4, [ROWS, 5])]
    watched = np.where(rng.random([ROWS, 5]) < 0.3, "", watched)
    watched[-1, -1] = channels[following[-1] % 4]  # In the last row both are known.
    return {
        "user_id": np.char.add("u", last.astype("U")),
        "history": np.where(rng.random([ROWS, 6]) < 0.3, "", history),
        "last_watched": videos[last],
        "country": np.array(["nl", "ee", "pt"])[np.arange(ROWS) % 3],
        "age": rng.integers(10, 80, ROWS).astype(np.float64),
        "example_age": rng.exponential(100, ROWS),
        "device": np.array([7, 9])[rng.integers(0, 2, ROWS)],
        "video_id": videos[following],
        "channel": channels[following % 4],
        "length": rng.lognormal(4, 1, ROWS),
        "watched_channels": watched,
        "watched_ages": rng.exponential(10, [ROWS, 5]),
    }


def _with_gaps(log: dict[str, np.ndarray], keys: Any) -> dict[str, np.ndarray]:
    """Unknown in row 1, missing in row 2, and in rows 3, 4, 5 ... one of both in each key."""
    raw = {}
    for i, key in enumerate(keys):
        kind = {"U": "string", "i": "int64", "f": "float64"}[log[key].dtype.kind]
        values = log[key].astype("U16") if kind == "string" else log[key].copy()
        values[[1, 3 + i]] = UNKNOWN[kind]
        values[[2, 20 + i]] = MISSING[kind]
        raw[key] = values
    # Ages that are known of some of the values only.
    if "watched_ages" in raw:
        raw["watched_ages"][40:, 1::2] = np.nan
    return raw


@dataclasses.dataclass(frozen=True)
class Raw:
    """Raw features, and what they are to a network by the definitions, in plain NumPy.

    Args:
        features: Fitted features; their vocabularies and quantiles are read.
        values: The raw features by key.
    """

    features: Features
    values: dict[str, np.ndarray]

    def ids(self, key: str, space: str = "") -> np.ndarray:
        """Ids from 1 up, 0 for unknown, empty and missing."""
        ids = {v: i + 1 for i, v in enumerate(self.features.vocabularies[space or key].tokens)}
        values = self.values[key]
        found = [ids.get(v, 0) for v in values.ravel().tolist()]
        return np.array(found, np.int64).reshape(values.shape)

    def bag(self, key: str, space: str) -> np.ndarray:
        """Ids of a bag, 0 but for the last values that aren't missing."""
        ids = self.ids(key, space)
        for row, values in enumerate(self.values[key]):
            present = [i for i, value in enumerate(values) if value != ""]
            ids[row, [i for i in range(len(values)) if i not in present[-HISTORY:]]] = 0
        return ids

    def quantile(self, key: str, values: np.ndarray | None = None) -> np.ndarray:
        """[rows, 1] P(X <= x), below 1; 0 for NaN."""
        boundaries = np.array(self.features.quantiles[key])
        x = self.values[key] if values is None else values
        cdf = np.interp(x, boundaries, np.linspace(0, 1, len(boundaries)))
        return np.nan_to_num(np.minimum(cdf, 1 - 2**-24))[:, None]

    def powers(self, key: str, values: np.ndarray | None = None) -> np.ndarray:
        """[rows, 3] x, x² and √x."""
        x = self.quantile(key, values)
        return np.concatenate([x, x**2, np.sqrt(x)], axis=1)

    def query(self, tables: Any) -> np.ndarray:
        """[rows, 17] the query columns, given the model's embedding tables."""
        videos = with_zero(tables["video"])
        hot = np.eye(3)[:, 1:]
        return np.concatenate(
            [
                mean_of_known(videos, self.bag("history", "video")),
                videos[self.ids("last_watched", "video")],
                with_zero(tables["country"])[self.ids("country")],
                self.powers("age"),
                self.quantile("example_age"),
                hot[self.ids("device")],
            ],
            axis=1,
        )

    def candidate(self, tables: Any) -> np.ndarray:
        """[rows, 15] the candidate columns of the ranking spec."""
        bag, channel = self.bag("watched_channels", "channel"), self.ids("channel")
        count, latest = np.zeros(len(channel)), np.full(len(channel), np.nan)
        for row, (ids, ages) in enumerate(zip(bag, self.values["watched_ages"], strict=True)):
            same = (ids == channel[row]) & (ids > 0)
            count[row] = same.sum()
            known = ages[same & ~np.isnan(ages)]
            latest[row] = known.min() if len(known) else np.nan
        name = "watched_channels_bag4_and_channel"
        return np.concatenate(
            [
                with_zero(tables["video"])[self.ids("video_id", "video")],
                with_zero(tables["channel"])[channel],
                self.powers("length"),
                self.powers(f"{name}/count", count),
                self.powers(f"{name}/age", latest),
            ],
            axis=1,
        )


def with_zero(table: Any) -> np.ndarray:
    """The rows of an embedding table, and before them the zero vector of id 0."""
    rows = table.table.numpy().astype(np.float64)
    return np.concatenate([np.zeros([1, rows.shape[1]]), rows])


def mean_of_known(vectors: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The mean vector of each row's ids that aren't 0; zero where there is none."""
    return np.stack([vectors[row[row > 0]].sum(0) / max((row > 0).sum(), 1) for row in ids])


@dataclasses.dataclass(frozen=True)
class Data:
    """Data for one family of models.

    Args:
        features: Fitted on rows in which everything is known.
        raw: 60 rows with gaps, and without what is predicted.
        label: Item ids, two of them unknown (retrieval), or watch times (ranking).
        weight: Sample weights.
    """

    features: Features
    raw: dict[str, np.ndarray]
    label: np.ndarray
    weight: np.ndarray

    def numpy(self, raw: dict[str, np.ndarray] | None = None) -> Raw:
        """Raw features, by default all rows, for a reference."""
        return Raw(self.features, self.raw if raw is None else raw)

    @property
    def classes(self) -> np.ndarray:
        """Of a retrieval label: the place in the vocabulary, −1 for an unknown one."""
        return Raw(self.features, {"label": self.label}).ids("label", "video") - 1


@pytest.fixture(autouse=True, scope="module")
def seed() -> None:
    """Shuffling is the same each time that a file is run.

    It is seeded no more often, because TensorFlow then forgets the operations that it has made.
    """
    tf.keras.utils.set_random_seed(0)


def _items() -> dict[str, np.ndarray]:
    """What is known of the videos, but of one of which nothing is."""
    numbers = np.arange(1, 12)
    return {
        "video_id": np.array([f"v{i}" for i in numbers]),
        "channel": np.array([f"c{i}" for i in numbers % 4]),
        "length": np.exp(numbers / 2),
    }


@functools.cache
def make_data(family: str, spec: FeatureSpec, reads_items: bool = False) -> Data:
    """Data for a family of models, with features of its own or those of the family."""
    log = _log()
    rng = np.random.default_rng(1)
    weight = rng.integers(0, 4, ROWS).astype(np.float32)
    items = log["video_id"].astype("U16")
    items[[5, 50]] = ["never seen", ""]
    # Watched where the video is popular, and then for its length.
    likes = np.isin(log["video_id"], ["v0", "v1", "v2"])
    watch_time = np.where(likes, 1 + 4 * rng.random(ROWS), 0).astype(np.float32)
    label = items if family == "retrieval" else watch_time
    raw = _with_gaps(log, spec.raw_query if family == "retrieval" else spec.raw)
    features = Features.fit(spec, log, items=_items() if reads_items else None)
    return Data(features, raw, label, weight)


@pytest.fixture(scope="session")
def data() -> dict[str, Data]:
    """Data by family."""
    return {family: make_data(family, spec) for family, spec in SPECS.items()}


@functools.cache
def load_reference(entry: Entry) -> Any:
    """Loads `references/<module>.py`; the suite fails where a registered model has none."""
    path = REFERENCES / f"{entry.module}.py"
    if not path.exists():
        needs = "" if entry.family == "retrieval" else ", and losses(scores, data) in NumPy"
        pytest.fail(
            f"{entry.name} is registered and has no reference: write {path.name} in "
            f"tests/models/references with build(features) -> a tiny model, num_parameters by "
            f"hand, forward(model, raw) -> scores by the paper's equations in NumPy{needs}; and "
            "PAPER_DEFAULTS, the arguments whose default is the paper's value. If they are there, "
            "SPEC is the model's FeatureSpec, of keys of _log; VARIANTS are other arguments to "
            "test it with; unpenalised(model) are the weights that `l2` spares; looks_at_features "
            "says whether a model without parameters reads the request. CONTRIBUTING.md and the "
            "other references show how.",
            pytrace=False,
        )
    spec = importlib.util.spec_from_file_location(f"reference_{entry.module}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference_of() -> Any:
    """Returns the reference of a registered model."""
    return load_reference


def reference_data(entry: Entry) -> Data:
    """Returns the data of a registered model: with the features that its reference asks for."""
    spec = getattr(load_reference(entry), "SPEC", SPECS[entry.family])
    return make_data(entry.family, spec, entry.load().reads_items)


@pytest.fixture(scope="session")
def data_of() -> Any:
    """Returns the data of a registered model."""
    return reference_data


@functools.cache
def make_case(name: str) -> Case:
    """The case of a registered model, whose fitted models all files of tests share."""
    entry = MODELS[name]
    return Case(entry, load_reference(entry), reference_data(entry))


@pytest.fixture(scope="module")
def case(name: str) -> Case:
    """The case of the registered model that a test is run for."""
    return make_case(name)


@pytest.fixture
def trainable(case: Case) -> Case:
    """A case whose model learns by gradients."""
    if not case.reference.num_parameters:
        pytest.skip("has no trainable variables")
    return case
