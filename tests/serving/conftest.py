"""Two tiny worlds, trained and exported once: string ids with everything, integer ids with little.

The catalogue is small enough (60 videos) to exclude all of it.
"""

import dataclasses
import functools
import pathlib

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo  # noqa: F401 (before TensorFlow)

# isort: split
import tensorflow as tf

from tfrec_zoo.data import (
    Log,
    impression_examples,
    next_watch_examples,
    sampled_impressions,
    simulate,
)
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    FeatureSpec,
    InteractionColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import Popularity, RankingModel, RetrievalModel
from tfrec_zoo.models.youtube_ranking import YouTubeRanking
from tfrec_zoo.models.youtube_retrieval import YouTubeRetrieval
from tfrec_zoo.serving import Funnel, Served, export, load


@dataclasses.dataclass(frozen=True)
class World:
    """A log, the models trained on it, the funnel made of them, and its export."""

    log: Log
    sources: dict[str, RetrievalModel]
    ranking: RankingModel
    funnel: Funnel
    directory: pathlib.Path

    @functools.cached_property
    def served(self) -> Served:
        return load(self.directory)

    @property
    def items(self) -> list:
        """The known items, in the order of their rows."""
        first = next(iter(self.sources.values()))
        return list(first.features.vocabularies[first.item_column.space].tokens)


def _fit(model, examples):
    model.compile(tf.keras.optimizers.Adam(0.01))
    epochs = 1 if isinstance(model, Popularity) else 2
    model.fit(examples.dataset(256, model.preprocessor, shuffle=True, seed=1), epochs=epochs,
              verbose=0)  # fmt: skip
    return model


def bag(key, max_length=50, **kwargs):
    return BagColumn(VocabularyColumn(key, **kwargs), max_length)


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    tf.keras.utils.set_random_seed(0)
    log = simulate(num_users=80, num_items=60, num_days=5, seed=1, num_topics=4)
    video = {"space": "video_id"}
    spec = FeatureSpec(
        query=(
            EmbeddingColumn(bag("history", 5, **video), 8),
            EmbeddingColumn(bag("history", **video), 8),
            EmbeddingColumn(VocabularyColumn("last_watched", **video), 8),
            # An attribute of the history in retrieval too.
            EmbeddingColumn(bag("history_channel", 4, space="channel"), 4),
            EmbeddingColumn(bag("search_tokens"), 4),
            EmbeddingColumn(VocabularyColumn("country"), 4),
            NumericColumn("age"),
            NumericColumn("example_age", serving=0.0),
        ),
        candidate=(VocabularyColumn("video_id"),),
    )
    watches = next_watch_examples(log, np.arange(len(log.interactions)))
    features = watches.fit_features(spec)
    sources = {
        "network": _fit(YouTubeRetrieval(features, hidden_units=(16, 8), seed=1), watches),
        "popular": _fit(Popularity(features), watches),
    }
    shown = impression_examples(log)
    rng = np.random.default_rng(0)
    names = np.array([*sources, ""], object)
    shown = shown.with_features(
        {
            "candidate_sources": rng.choice(names, (len(shown), 2)),
            **{
                f"candidate_{kind}_{name}": rng.normal(size=len(shown)).astype(np.float32)
                for kind in ("score", "reciprocal_rank")
                for name in sources
            },
        }
    )
    spec = FeatureSpec(
        query=(
            EmbeddingColumn(bag("history", **video), 8),
            EmbeddingColumn(VocabularyColumn("last_watched", **video), 8),
            EmbeddingColumn(VocabularyColumn("device"), 4),
            NumericColumn("age"),
        ),
        candidate=(
            EmbeddingColumn(VocabularyColumn("video_id"), 8),
            EmbeddingColumn(VocabularyColumn("channel"), 4),
            NumericColumn("length"),
            NumericColumn("item_age"),
            EmbeddingColumn(bag("candidate_sources", 3), 2),
            NumericColumn("candidate_score_network"),
            NumericColumn("candidate_score_popular"),
            NumericColumn("candidate_reciprocal_rank_network"),
            NumericColumn("candidate_reciprocal_rank_popular"),
            InteractionColumn(
                bag("history_channel", 3, space="channel"),
                VocabularyColumn("channel"),
                "history_age",
            ),
            InteractionColumn(
                bag("history_topic", space="topic"), VocabularyColumn("topic")
            ),
            InteractionColumn(bag("recent_impressions", **video), VocabularyColumn("video_id")),
        ),
    )  # fmt: skip
    ranking = YouTubeRanking(shown.fit_features(spec), hidden_units=(16, 8), seed=1)
    _fit(ranking, shown)
    funnel = Funnel(sources, ranking, log, num_candidates=12, k=10)
    directory = tmp_path_factory.mktemp("world") / "funnel"
    export(funnel, directory, {"metrics": {"auc": 0.5}, "seed": 1})
    return World(log, sources, ranking, funnel, directory)


@pytest.fixture(scope="session")
def integer_world(tmp_path_factory) -> World:
    """Whole numbers as ids, no upload times, no impressions, no users' features."""
    tf.keras.utils.set_random_seed(0)
    rng = np.random.default_rng(2)
    n = 400
    log = Log(
        name="integers",
        interactions=pd.DataFrame(
            {
                "user_id": rng.integers(0, 30, n),
                "item_id": np.minimum(rng.geometric(0.08, n), 40) * 1000,
                "time": rng.integers(0, 10**6, n).astype(float),
            }
        ),
        items=pd.DataFrame(
            {
                "item_id": np.arange(41) * 1000,
                "price": rng.uniform(1, 9, 41),
                "shelf": rng.integers(0, 4, 41),
            }
        ),
    )
    item = {"space": "item_id", "dtype": "int64"}
    spec = FeatureSpec(
        query=(EmbeddingColumn(bag("history", **item), 8),),
        candidate=(VocabularyColumn("item_id", **item),),
    )
    watches = next_watch_examples(log, np.arange(len(log.interactions)))
    network = YouTubeRetrieval(watches.fit_features(spec), hidden_units=(8,), tied=True, seed=1)
    _fit(network, watches)
    shown = impression_examples(
        dataclasses.replace(log, impressions=sampled_impressions(log, seed=1))
    )
    spec = FeatureSpec(
        query=(EmbeddingColumn(VocabularyColumn("last_watched", **item), 8),),
        candidate=(
            EmbeddingColumn(VocabularyColumn("item_id", **item), 8),
            EmbeddingColumn(VocabularyColumn("shelf", dtype="int64"), 2),
            NumericColumn("price"),
        ),
    )
    ranking = YouTubeRanking(
        shown.fit_features(spec), hidden_units=(8,), weighted=False, seed=1
    )  # fmt: skip
    _fit(ranking, shown)
    sources = {"network": network}
    funnel = Funnel(sources, ranking, log, num_candidates=20, k=5)
    directory = tmp_path_factory.mktemp("integers") / "funnel"
    export(funnel, directory)
    return World(log, sources, ranking, funnel, directory)
