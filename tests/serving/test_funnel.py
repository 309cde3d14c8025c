"""The funnel answers requests as the same path does that is walked in plain Python."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from funnel_by_hand import by_hand, check, random_request

from tfrec_zoo.data import next_watch_examples
from tfrec_zoo.evaluation import funnel_request
from tfrec_zoo.features import BagColumn, Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import EASE, SASRec
from tfrec_zoo.serving import Funnel


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
    plain = check(world, history=[video] * 60, exclude=[other])
    again = check(world, history=[other, other] + [video] * 60)
    # ... as the other item is left out of both.
    assert other not in again[0] and again[0] == plain[0]
    np.testing.assert_allclose(again[1], plain[1], rtol=1e-6)


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


def features_of_history(world):
    query = (BagColumn(VocabularyColumn("history", space="video_id"), 100),)
    network = world.sources["network"]
    spec = FeatureSpec(query, (network.item_column,))
    return Features.fit(spec, {}, network.features.vocabularies)


def test_a_source_of_sequences(world):
    model = SASRec(features_of_history(world), embedding_dim=4, max_history=20, seed=1)
    model.build_weights()
    sources = {"network": model, "popular": world.sources["popular"]}
    funnel = Funnel(sources, world.ranking, world.log, num_candidates=12, k=10)
    only = dataclasses.replace(world, funnel=funnel, sources=sources)
    for history in (world.items[3:8], world.items[:25], ["no such", world.items[0]]):
        check(only, history=history, exclude=world.items[40:43])


@pytest.mark.parametrize("max_neighbors", [None, 7])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_source_that_scores_without_vectors(world, max_neighbors, is_first):
    network = world.sources["network"]
    ease = EASE(features_of_history(world), l2=5.0, max_neighbors=max_neighbors)
    watches = next_watch_examples(world.log, np.arange(len(world.log.interactions)))
    ease.compile()
    ease.fit(watches.dataset(256, ease.preprocessor), verbose=0)
    both = (ease, network) if is_first else (network, ease)
    sources = dict(zip(world.sources, both, strict=True))
    funnel = Funnel(sources, world.ranking, world.log, num_candidates=12, k=10)
    mixed = dataclasses.replace(world, funnel=funnel, sources=sources)
    for history in (world.items[3:8], world.items[20:60:3], ["no such", world.items[0]]):
        check(mixed, history=history, exclude=world.items[40:43])


def test_more_candidates_than_items(world):
    funnel = Funnel(world.sources, world.ranking, world.log, 500, k=70)
    one = dataclasses.replace(world, funnel=funnel)
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


def test_an_example_asks_at_its_moment(world):
    """Items are as old as they were then, not as they are at the end of the log."""
    rows = np.array([3, 40])
    request = funnel_request(world.funnel, next_watch_examples(world.log, rows))
    moments = world.log.interactions["time"].to_numpy()[rows]
    assert request["time"].numpy().tolist() == moments.astype(int).tolist()


def test_only_what_is_allowed(world):
    """All of it is found, however unlikely, but for what is seen or excluded."""
    served, items = world.served, world.items
    request = {"history": [["v5", "v17"]], "country": ["IN"]}
    likely = served.recommend(request)["id"].tolist()
    allow = [item for item in items if item not in likely][:14]
    out = {**request, "exclude": [allow[:2]], "allow": [[*allow, "v5", "no such item"]]}
    found = served.recommend(out)
    left = [item for item in allow[2:] if item not in ("v5", "v17")]
    assert len(found) == 10 and set(found["id"]) <= set(left)
    assert served.recommend({**request, "allow": [left[:4]]})["id"].isin(left[:4]).sum() == 4
    assert served.recommend({**request, "allow": [["no such item"]]}).empty
    assert served.recommend({**request, "allow": [[]]})["id"].tolist() == likely
    with pytest.raises(ValueError, match="funnel never recommends.*include_history=True"):
        served.recommend(request, include_history=True)
