"""What a funnel is made of: rankers of any kind, and stages that do not fit together."""

import dataclasses
import inspect

import numpy as np
import pytest
from funnel_by_hand import ask, check, random_request

from tfrec_zoo import registry
from tfrec_zoo.data import impression_examples
from tfrec_zoo.features import (
    BagColumn,
    CrossedColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import LogisticRegression, Popularity
from tfrec_zoo.models.youtube_ranking import YouTubeRanking
from tfrec_zoo.registry import MODELS
from tfrec_zoo.serving import Funnel, export, load

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


def ranker(candidate, query=(), **data):
    spec = FeatureSpec(query=query, candidate=candidate)
    return YouTubeRanking(Features.fit(spec, data), hidden_units=(4,))


def test_a_ranker_of_scores_alone(world):
    """It reads nothing of the catalogue, which is then left out of the funnel."""
    age = NumericColumn("age")
    score = NumericColumn("candidate_score_popular")
    ranking = ranker((score,), (age,), age=[9.0, 20.0], candidate_score_popular=np.arange(9.0))
    ranking({"age": tf.constant([9.0]), "candidate_score_popular": tf.constant([1.0])})
    sources = {"popular": world.sources["popular"]}
    funnel = Funnel(sources, ranking, world.log, 20, 10)
    one = dataclasses.replace(world, funnel=funnel, ranking=ranking, sources=sources)
    check(one, age=9.0, history=world.items[:4])


def test_a_ranker_with_crosses_of_the_request_and_the_candidates(world, tmp_path):
    """Requests and catalogue are encoded apart; their crosses are made when both are there."""
    history = BagColumn(VocabularyColumn("history", space="video_id"), 4)
    country = VocabularyColumn("country")
    source = BagColumn(VocabularyColumn("candidate_sources"), 3)
    video, channel = VocabularyColumn("video_id"), VocabularyColumn("channel")
    topics = BagColumn(VocabularyColumn("history_topic", space="topic"), 3)
    topic = VocabularyColumn("topic")
    crosses = (
        CrossedColumn((history, video), top_n=3000),
        CrossedColumn((topics, topic, country), top_n=40),
        CrossedColumn((country, channel), 30),
        CrossedColumn((source, history), 90),
        CrossedColumn((channel, topic), top_n=5),
    )
    shown = impression_examples(world.log)
    names = np.array([*world.sources, ""], object)
    names = np.random.default_rng(0).choice(names, (len(shown), 2))
    shown = shown.with_features({"candidate_sources": names})
    # No column but those of crosses weighs anything.
    bare = (history, country, topics)
    features = shown.fit_features(FeatureSpec(bare, (video, *crosses)))
    ranking = LogisticRegression(features)
    ranking.build_weights()
    rng = np.random.default_rng(1)
    tables = [ranking.linear.tables[cross.name].table for cross in crosses]
    for table in tables:
        table.assign(rng.normal(size=table.shape))
    funnel = Funnel(world.sources, ranking, world.log, num_candidates=12, k=10)
    one = dataclasses.replace(world, funnel=funnel, ranking=ranking)
    for _ in range(8):
        request = random_request(world, rng)
        check(one, **{key: request[key] for key in (*funnel.request, "nominate")})
    known = {"history": world.items[:4], "country": "IN"}
    check(one, **known)
    before = ask(one, **known)[1]
    exported = load(export(funnel, tmp_path / "funnel")).recommend(
        {key: [value] for key, value in known.items()}
    )
    np.testing.assert_allclose(exported["score"], before, rtol=1e-6)
    # Each cross matters.
    for table in tables:
        values = table.numpy()
        table.assign(np.zeros_like(values))
        assert not np.array_equal(ask(one, **known)[1], before), table.name
        table.assign(values)


RANKERS = [n for n, e in MODELS.items() if (e.family, e.load().reads) == ("ranking", "features")]


@pytest.mark.parametrize("name", RANKERS)
def test_any_ranking_model_of_features_by_name(world, name):
    features = world.ranking.features

    def four_wide(columns):
        is_embedding = [isinstance(column, EmbeddingColumn) for column in columns]
        return tuple(
            dataclasses.replace(column, dimension=4) if wide else column
            for column, wide in zip(columns, is_embedding, strict=True)
        )

    spec = FeatureSpec(four_wide(features.spec.query), four_wide(features.spec.candidate))
    cls = registry.get(name).load()
    small = {"embedding_dim": 4, "hidden_units": (6,), "cin_units": (3, 2)}
    taken = {key: small[key] for key in small if key in inspect.signature(cls).parameters}
    ranking = cls(dataclasses.replace(features, spec=spec), seed=1, **taken)
    ranking.build_weights()
    rng = np.random.default_rng(0)
    for variable in ranking.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 3)
    funnel = Funnel(world.sources, ranking, world.log, num_candidates=12, k=10)
    one = dataclasses.replace(world, funnel=funnel, ranking=ranking)
    for _ in range(3):
        check(one, **random_request(world, rng))


# Errors.


def test_no_sources(world):
    with pytest.raises(ValueError, match="at least one retrieval model. Received: {}"):
        Funnel({}, world.ranking, world.log)


@pytest.mark.parametrize("k", [0, -1, 13])
def test_wrong_k(world, k):
    with pytest.raises(ValueError, match=f"`k` must be positive and at most .* Received: k={k}, "):
        Funnel(world.sources, world.ranking, world.log, num_candidates=12, k=k)


def test_the_name_of_what_the_caller_nominates(world):
    sources = {"request": world.sources["popular"]}
    with pytest.raises(ValueError, match="call the source otherwise. Received: sources"):
        Funnel(sources, world.ranking, world.log)


def test_scores_of_a_source_that_there_is_not(world):
    ranking = ranker((NumericColumn("candidate_score_other"),), (NumericColumn("age"),),
                     age=[9.0, 20.0], candidate_score_other=np.arange(9.0))  # fmt: skip
    with pytest.raises(ValueError, match=r"derived .*candidate_score_network.*score_other'\]"):
        Funnel(world.sources, ranking, world.log)


def test_different_vocabularies(world):
    spec = FeatureSpec(candidate=(VocabularyColumn("video_id"),))
    other = Popularity(Features.fit(spec, {"video_id": ["v1", "v2"]}))
    with pytest.raises(
        ValueError, match="know the same items: .* Received one with others: 'other'"
    ):
        Funnel({**world.sources, "other": other}, world.ranking, world.log)


def test_candidate_features_nobody_knows(world):
    ranking = ranker(
        (NumericColumn("price"), NumericColumn("length")),
        (NumericColumn("age"),),
        **{key: [1.0, 2.0] for key in ("price", "length", "age")},
    )
    with pytest.raises(ValueError, match=r"columns of `log.items`.* others: \['price'\]"):
        Funnel(world.sources, ranking, world.log)


def test_items_without_a_row(world):
    items = world.log.items[world.log.items["video_id"] != world.items[4]]
    # A log checks itself, so one is made that could not have been.
    log = dataclasses.replace(world.log, impressions=None)
    object.__setattr__(log, "items", items)
    with pytest.raises(
        ValueError, match=f"must have a row in .*'{world.items[4]}', one of 1 without"
    ):
        Funnel(world.sources, world.ranking, log)


def test_stages_that_disagree_on_a_feature(world):
    ranking = ranker(
        (NumericColumn("length"),),
        (EmbeddingColumn(VocabularyColumn("age")),),
        length=[2.0],
        age=["young"],
    )
    with pytest.raises(ValueError, match="must declare 'age' alike"):
        Funnel(world.sources, ranking, world.log)
