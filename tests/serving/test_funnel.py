"""The funnel against the same path walked in plain Python, one candidate at a time."""

import dataclasses
import inspect

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo  # noqa: F401 (before TensorFlow)

# isort: split
import tensorflow as tf

from tfrec_zoo import registry
from tfrec_zoo.data import impression_examples, next_watch_examples
from tfrec_zoo.features import (
    BagColumn,
    CrossedColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    NumericColumn,
    VocabularyColumn,
    raw_signature,
    request_arrays,
)
from tfrec_zoo.models import EASE, LogisticRegression, Popularity
from tfrec_zoo.models.youtube_ranking import YouTubeRanking
from tfrec_zoo.registry import MODELS
from tfrec_zoo.serving import Funnel, export, load

NAN = float("nan")


def ask(world, **request):
    """One request to the funnel: what it returns for its only row."""
    arrays = request_arrays(world.funnel.request, {key: [v] for key, v in request.items()})
    specs = raw_signature(world.funnel.request)
    answer = world.funnel.serve(**{k: tf.constant(v, specs[k].dtype) for k, v in arrays.items()})
    ids = [i.decode() if isinstance(i, bytes) else i for i in answer["ids"][0].numpy().tolist()]
    return ids, answer["scores"][0].numpy()


def raw_tensors(model, rows):
    """Rows of raw features (dictionaries) as a batch for a model; keys left out are missing."""
    raw = {k: f for k, f in model.features.spec.raw.items() if k in rows[0]}
    arrays = request_arrays(raw, {key: [row[key] for row in rows] for key in raw})
    specs = raw_signature(raw)
    return {key: tf.constant(array, specs[key].dtype) for key, array in arrays.items()}


def by_hand(world, **request):
    """What the funnel should return, from the models' raw paths and the log's frames."""
    log, items = world.log, world.items
    table = log.items.set_index(log.roles.item)
    missing = "" if isinstance(items[0], str) else -1
    history = [v for v in request.get("history", []) if v != missing]
    known = [v for v in history if v in items]
    user = {key: value for key, value in request.items() if key not in ("exclude", "time")}
    user["history"] = request.get("history", [])
    user["last_watched"] = history[-1] if history else missing
    user["example_age"] = 0.0
    if "channel" in table:
        for column in ("channel", "topic"):
            user[f"history_{column}"] = [
                table.loc[v, column] if v in items else "" for v in user["history"]
            ]
        user.setdefault("search_tokens", [])
        user.setdefault("country", "")
        user.setdefault("device", "")
        user.setdefault("age", NAN)
        user.setdefault("history_age", [])
        user.setdefault("recent_impressions", [])
        now = request.get("time", -1)
        if now < 0:
            now = int(log.interactions["time"].max())

    # Candidates: the best of each source that are not seen, excluded or nominated already.
    taken = {*known, *request.get("exclude", [])}
    nominated, first = [], None
    for name, model in world.sources.items():
        query = model(raw_tensors(model, [user])).numpy()[0]
        candidates = model.candidates()  # Without any, the query is the scores.
        scores = query if candidates is None else candidates.numpy() @ query
        first = scores if first is None else first
        order = [row for row in np.argsort(-scores, kind="stable") if items[row] not in taken]
        for row in order[: world.funnel.num_candidates]:
            # The first source says what it makes of everyone's nominations.
            nominated.append((items[row], name, first[row]))
            taken.add(items[row])
    if not nominated:
        return [], np.empty(0)

    # Impressions, each with the whole request.
    impressions = []
    for item, name, score in nominated:
        row = {**user, **table.loc[item].to_dict(), log.roles.item: item}
        row |= {"candidate_source": name, "candidate_score": score}
        if "upload_time" in table:
            row["item_age"] = now - table.loc[item, "upload_time"]
        impressions.append(row)
    ranker = world.ranking
    predictions = ranker.predictions(ranker(raw_tensors(ranker, impressions))).numpy()
    best = np.argsort(-predictions, kind="stable")[: world.funnel.k]
    return [nominated[at][0] for at in best], predictions[best]


def check(world, **request):
    ids, scores = ask(world, **request)
    expected_ids, expected_scores = by_hand(world, **request)
    missing = "" if isinstance(world.items[0], str) else -1
    n = len(expected_ids)
    np.testing.assert_allclose(scores[:n], expected_scores, rtol=1e-5, atol=1e-5)
    assert ids[:n] == expected_ids
    assert ids[n:] == [missing] * (world.funnel.k - n)
    assert scores[n:].tolist() == [0.0] * (world.funnel.k - n)
    return ids, scores


def test_a_full_request(world):
    items = world.items
    history = [items[i] for i in (3, 40, 3, 17, 25, 9, 30, 51)]
    ids, _ = check(
        world,
        history=history,
        history_age=[90.0, 80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 3600.0],
        recent_impressions=[items[5], items[5], items[1], items[2]],
        exclude=[items[0], items[6]],
        search_tokens=["chess", "blitz gambit", "gambit"],
        country="IN",
        device="desktop",
        age=39.0,
        time=300_000,
    )
    assert not {*history, items[0], items[6]} & set(ids)


def random_request(world, rng):
    items = world.items
    length = int(rng.integers(0, 20))
    pool = np.array([*items, "unknown", ""], object)
    return {
        "history": rng.choice(pool, length).tolist(),
        "history_age": rng.uniform(0, 1e6, length).tolist(),
        "recent_impressions": rng.choice(pool, int(rng.integers(0, 9))).tolist(),
        "exclude": rng.choice(pool, int(rng.integers(0, 30))).tolist(),
        "search_tokens": rng.choice(["blitz gambit", "gambit", "?"], 2).tolist(),
        "country": str(rng.choice(["IN", "BR", "", "XX"])),
        "device": str(rng.choice(["desktop", "", "fridge"])),
        "age": float(rng.choice([20.0, 71.5, NAN])),
        "time": int(rng.integers(-2, 500_000)),
    }


def test_random_requests(world):
    rng = np.random.default_rng(5)
    lists = {tuple(check(world, **random_request(world, rng))[0]) for _ in range(25)}
    # The requests are told apart.
    assert len(lists) > 15


def test_requests_of_a_batch_do_not_mix(world):
    rng = np.random.default_rng(6)
    requests = [random_request(world, rng) for _ in range(6)]
    frame = world.served.recommend(pd.DataFrame(requests))
    for row, request in enumerate(requests):
        expected_ids, expected_scores = by_hand(world, **request)
        part = frame[frame["row"] == row]
        assert part["id"].tolist() == expected_ids
        np.testing.assert_allclose(part["score"], expected_scores, rtol=1e-5)


@pytest.mark.parametrize("length", [0, 1, 10_000])
def test_histories_of_any_length(world, length):
    rng = np.random.default_rng(length)
    # Half of the catalogue, again and again, so that something is left.
    history = rng.choice(world.items[::2], length).tolist()
    ids, _ = check(world, history=history, history_age=np.linspace(9e5, 0, length).tolist())
    assert not set(history) & set(ids)
    assert len(set(ids)) == world.funnel.k


def test_only_the_last_of_a_long_history_count_in_interactions(world):
    # The longest bag holds 50 watches, so these two requests are the same to every feature ...
    video, other = world.items[0], world.items[1]
    ids, scores = check(world, history=[video] * 60)
    again, scores_again = check(world, history=[other, other] + [video] * 60)
    # ... but the other item is seen, and left out.
    assert other not in again
    kept = dict(zip(ids, scores, strict=True))
    shared = [(score, kept[i]) for i, score in zip(again, scores_again, strict=True) if i in kept]
    assert len(shared) >= world.funnel.k - 1
    np.testing.assert_allclose(*np.transpose(shared), rtol=1e-5)


def test_everything_excluded(world):
    for request in (
        {"exclude": world.items},
        {"history": world.items},
        {"history": world.items[:30], "exclude": world.items[30:] * 3},
    ):
        ids, scores = check(world, **request)
        assert ids == [""] * 10
        assert scores.tolist() == [0.0] * 10


def test_a_few_left(world):
    left = world.items[7], world.items[33]
    ids, scores = check(world, exclude=[v for v in world.items if v not in left])
    assert set(ids[:2]) == set(left)
    assert (scores[:2] > 0).all()


def test_unknown_items_change_nothing(world):
    history = [world.items[3], world.items[8]]
    plain = check(world, history=history)
    strange = check(world, history=["no such", "", history[0], "", history[1]], exclude=["?"])
    assert strange[0] == plain[0]
    np.testing.assert_allclose(strange[1], plain[1], rtol=1e-5)
    # But the last watched is what was given last, known or not.
    assert check(world, history=[*history, "no such"])[1].tolist() != plain[1].tolist()


def test_item_age_is_from_time(world):
    end = int(world.log.interactions["time"].max())
    at_end, left_out, negative = (
        check(world, history=[], **time) for time in ({"time": end}, {}, {"time": -5})
    )
    assert left_out[0] == negative[0] == at_end[0]
    assert left_out[1].tolist() == negative[1].tolist() == at_end[1].tolist()
    earlier = check(world, history=[], time=1)
    assert earlier[1].tolist() != at_end[1].tolist()


def test_sources_take_turns(world):
    """With one candidate each, the second gives its best that the first didn't."""
    funnel = Funnel(world.sources, world.ranking, world.log, num_candidates=1, k=2)
    small = dataclasses.replace(world, funnel=funnel)
    counts = world.sources["popular"].counts.numpy()
    popular = [world.items[row] for row in np.argsort(-counts, kind="stable")]
    for history in ([], popular[:1], popular[:5]):
        ids, _ = check(small, history=history)
        best = [v for v in popular if v not in history][:2]
        assert ids[0] != ids[1]
        assert set(ids) & set(best)


@pytest.mark.parametrize("max_neighbors", [None, 7])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_source_that_scores_without_vectors(world, max_neighbors, is_first):
    query = (BagColumn(VocabularyColumn("history", space="video_id"), 100),)
    network = world.sources["network"]
    features = Features.fit(FeatureSpec(query, (network.item_column,)), {},
                            network.features.vocabularies)  # fmt: skip
    ease = EASE(features, l2=5.0, max_neighbors=max_neighbors)
    watches = next_watch_examples(world.log, np.arange(len(world.log.interactions)))
    ease.compile()
    ease.fit(watches.dataset(256, ease.preprocessor), verbose=0)
    sources = {"ease": ease, "network": network}
    sources = sources if is_first else dict(reversed(sources.items()))
    funnel = Funnel(sources, world.ranking, world.log, num_candidates=12, k=10)
    mixed = dataclasses.replace(world, funnel=funnel, sources=sources)
    for history in (world.items[3:8], world.items[20:60:3], ["no such", world.items[0]]):
        check(mixed, history=history, exclude=world.items[40:43])


def test_more_candidates_than_items(world):
    sources = {"popular": world.sources["popular"]}
    funnel = Funnel(sources, world.ranking, world.log, 500, k=70)
    one = dataclasses.replace(world, funnel=funnel, sources=sources)
    ids, _ = check(one, history=world.items[:3])
    assert len(set(ids) - {""}) == len(world.items) - 3 < 70
    assert ids[-1] == ""


def test_integers(integer_world):
    world = integer_world
    assert set(world.funnel.request) == {"history", "exclude"}
    for history in ([], [1000, 5000, 3000], [7, -1, 2000], world.items):
        ids, scores = check(world, history=history, exclude=[4000])
        assert not {*history, 4000} & {i for i in ids if i != -1}
    frame = world.served.recommend({"history": [[1000], []]})
    assert frame["id"].dtype == np.int64
    assert frame["score"].between(0, 1).all()  # Unweighted: a probability.


def test_last_watched_is_derived(integer_world):
    # The ranker looks at nothing else of the request.
    world = integer_world
    one = check(world, history=[3000, 1000, -1, -1], exclude=[2000])
    same = check(world, history=[1000], exclude=[2000, 3000])
    other = check(world, history=[1000, 3000], exclude=[2000])
    assert not set(one[1].tolist()) & set(other[1].tolist())
    scores = dict(zip(*one, strict=True))
    shared = [(s, scores[i]) for i, s in zip(*same, strict=True) if i in scores]
    assert shared
    for a, b in shared:
        assert a == pytest.approx(b, rel=1e-5)


# Errors.


def test_no_sources(world):
    with pytest.raises(ValueError, match="at least one retrieval model. Received: {}"):
        Funnel({}, world.ranking, world.log)


@pytest.mark.parametrize("k", [0, -1, 25])
def test_wrong_k(world, k):
    with pytest.raises(ValueError, match=f"`k` must be positive and at most .* Received: k={k}, "):
        Funnel(world.sources, world.ranking, world.log, num_candidates=12, k=k)


def test_different_vocabularies(world):
    spec = FeatureSpec(candidate=(VocabularyColumn("video_id"),))
    other = Popularity(Features.fit(spec, {"video_id": ["v1", "v2"]}))
    with pytest.raises(ValueError, match="same item vocabulary. Received another: 'other'"):
        Funnel({**world.sources, "other": other}, world.ranking, world.log)


def ranker(candidate, query=(), **data):
    spec = FeatureSpec(query=query, candidate=candidate)
    return YouTubeRanking(Features.fit(spec, data), hidden_units=(4,))


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
        ValueError, match=f"must have a row in `items`. .*'{world.items[4]}', one of 1 without"
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


def test_a_ranker_of_scores_alone(world):
    """It reads nothing of the catalogue, which is then left out of the funnel."""
    age = NumericColumn("age")
    ranking = ranker((NumericColumn("candidate_score"),), (age,), age=[9.0, 20.0],
                     candidate_score=np.arange(9.0))  # fmt: skip
    ranking({"age": tf.constant([9.0]), "candidate_score": tf.constant([1.0])})
    sources = {"popular": world.sources["popular"]}
    funnel = Funnel(sources, ranking, world.log, 20, 10)
    one = dataclasses.replace(world, funnel=funnel, ranking=ranking, sources=sources)
    check(one, age=9.0, history=world.items[:4])


def test_a_ranker_with_crosses_of_the_request_and_the_candidates(world, tmp_path):
    """Requests and catalogue are encoded apart; their crosses are made when both are there."""
    history = BagColumn(VocabularyColumn("history", space="video_id"), 4)
    country, source = VocabularyColumn("country"), VocabularyColumn("candidate_source")
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
    names = np.random.default_rng(0).choice(np.array([*world.sources], object), len(shown))
    shown = shown.with_features({"candidate_source": names})
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
        check(one, **{key: request[key] for key in funnel.request})
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


RANKERS = [n for n, e in MODELS.items() if (e.family, e.reads) == ("ranking", "features")]


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
