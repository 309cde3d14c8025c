"""What a funnel says of nominations is what training is told of them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from funnel_by_hand import ask, check

from tfrec_zoo.data import impression_examples, next_watch_examples
from tfrec_zoo.data.nominated import nominations_of_examples
from tfrec_zoo.evaluation import funnel_request, scores_and_ranks
from tfrec_zoo.features import BagColumn, Features, FeatureSpec, NumericColumn, VocabularyColumn
from tfrec_zoo.models import EASE, LogisticRegression
from tfrec_zoo.serving import Funnel, export, load, serve

# isort: split
import tensorflow as tf

NUMBER = 12


@pytest.fixture(scope="module")
def sources(world):
    network = world.sources["network"]
    query = (BagColumn(VocabularyColumn("history", space="video_id"), 100),)
    spec = FeatureSpec(query, (network.item_column,))
    # It knows the same items in another order.
    known = network.features.vocabularies["video_id"]
    turned = type(known)(known.tokens[::-1], known.dtype)
    ease = EASE(Features.fit(spec, {}, {"video_id": turned}), l2=5.0)
    watches = next_watch_examples(world.log, np.arange(len(world.log.interactions)))
    ease.compile()
    ease.fit(watches.dataset(256, ease.preprocessor), verbose=0)
    return {**world.sources, "ease": ease}


def by_one_feature(world, sources, column, weights=1.0):
    """A funnel whose logits are a feature of the candidates, weighed, or weights of its values."""
    history = BagColumn(VocabularyColumn("history", space="video_id"), 5)
    names = (*sources, "request")
    features = Features.fit(
        FeatureSpec((history,), (column,)),
        {"history": world.items, "candidate_sources": names},
    )
    ranking = LogisticRegression(features)
    ranking.build_weights()
    for variable in ranking.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    if isinstance(weights, float):
        [kernel] = [v for v in ranking.trainable_variables if v.shape == (1, 1)]
        kernel.assign([[weights]])
    else:
        tokens = features.vocabularies["candidate_sources"].tokens
        table = ranking.linear.tables[column.name].table
        table.assign([[weights[token]] for token in tokens])
    return Funnel(sources, ranking, world.log, num_candidates=NUMBER, k=NUMBER)


def logits(scores):
    scores = scores.astype(np.float64)
    return np.log(scores / (1 - scores))


@pytest.fixture(scope="module")
def moments(world):
    """Every item shown at once, at some moments of the log."""
    rows = np.linspace(30, len(world.log.interactions) - 1, 9).astype(int)
    asked = world.log.interactions.iloc[rows][["user_id", "time"]]
    shown = asked.assign(page_id=range(9)).merge(pd.DataFrame({"video_id": world.items}), "cross")
    log = dataclasses.replace(world.log, impressions=shown.assign(clicked=0))
    item = pd.Index(world.items).get_indexer(log.impressions["video_id"])
    order = np.lexsort((item, log.impressions["page_id"]))
    return next_watch_examples(log, rows), impression_examples(log, order)


@pytest.mark.parametrize("kind", ["score", "reciprocal_rank"])
@pytest.mark.parametrize("name", ["network", "popular", "ease"])
def test_training_and_serving_have_the_same_numbers(world, sources, moments, kind, name):
    key = f"candidate_{kind}_{name}"
    # Upside down: the candidates that the source likes least come first.
    funnel = by_one_feature(world, sources, NumericColumn(key, "none"), -1.0)
    asked, shown = moments
    answer = funnel.serve(**funnel_request(funnel, asked))
    found = {
        own: scores_and_ranks(source, shown, shown.groups, NUMBER)
        for own, source in sources.items()
    }
    trained = nominations_of_examples(
        {own: values[:, 1] for own, values in found.items()},
        {own: values[:, 0] for own, values in found.items()},
    )
    # Moment by moment, item by item.
    numbers = trained[key].reshape(9, -1)
    is_nominated = (trained["candidate_sources"] != "").any(axis=1).reshape(9, -1)
    for row, (ids, scores) in enumerate(
        zip(answer["ids"].numpy(), answer["scores"].numpy(), strict=True)
    ):
        at = [world.items.index(item.decode()) for item in ids]
        np.testing.assert_allclose(-logits(scores), numbers[row, at], rtol=1e-3, atol=1e-4)
        # They are the last of all that is nominated.
        last = np.sort(numbers[row, is_nominated[row]])[:NUMBER]
        np.testing.assert_allclose(numbers[row, at], last, rtol=1e-5, atol=1e-6)
        assert NUMBER < is_nominated[row].sum() < len(world.items)


def test_all_that_nominated_a_candidate_are_named(world, sources):
    """Their weights add up: of three sources and the caller."""
    column = BagColumn(VocabularyColumn("candidate_sources"), 4, "sum")
    weights = {"network": 0.1, "popular": 0.2, "ease": 0.4, "request": 0.8}
    funnel = by_one_feature(world, sources, column, weights)
    one = dataclasses.replace(world, funnel=funnel, ranking=funnel._stages.ranking, sources=sources)
    history = world.items[20:24]
    plain, scores = check(one, history=history)
    assert (logits(scores) < 0.75).all() and logits(scores)[0] > 0.25
    worst = world.items[-1]
    given = [history[0], "no such video", plain[5], plain[0], worst]
    ids, scores = check(one, history=history, nominate=given)
    found = dict(zip(ids, logits(scores), strict=True))
    assert history[0] not in found and {plain[5], plain[0], worst} <= set(found)
    assert min(found[item] for item in (plain[5], plain[0], worst)) > 0.75 > logits(scores)[3]
    # Nothing that is excluded is nominated by anyone.
    ids, _ = check(one, history=history, nominate=given, exclude=[plain[0], worst])
    assert not {plain[0], worst} & set(ids)


def test_the_place_in_the_list_of_the_caller(world, sources):
    column = NumericColumn("candidate_reciprocal_rank_request", "none")
    funnel = by_one_feature(world, sources, column)
    given = [world.items[50], "no such video", world.items[3], world.items[50]]
    one = dataclasses.replace(world, funnel=funnel)
    ids, scores = ask(one, history=[], nominate=given)
    assert ids[:2] == [world.items[50], world.items[3]]
    np.testing.assert_allclose(logits(scores)[:3], [1, 1 / 3, 0], atol=1e-5)
    ids, scores = ask(one, history=[])
    np.testing.assert_allclose(scores, 0.5)


def test_what_is_not_allowed_is_not_nominated_either(world):
    asks = serve(world.funnel)
    allow = world.items[40:50]
    request = {"history": [world.items[:3]], "nominate": [world.items[30:45]], "allow": [allow]}
    assert set(asks.recommend(request)["id"]) == set(allow)
    assert set(asks.recommend({**request, "exclude": [allow[:4]]})["id"]) == set(allow[4:])


def test_an_export_takes_nominations(world, tmp_path):
    sources = {"network": world.sources["network"], "popular": world.sources["popular"]}
    funnel = Funnel(sources, world.ranking, world.log, num_candidates=2, k=2, filters=["channel"])
    served = load(export(funnel, tmp_path / "funnel"))
    assert {"allow", "filter", "nominate"} <= set(served.signatures)
    assert set(served.inputs("nominate")) - set(served.inputs("filter")) == {"nominate"}
    one = dataclasses.replace(world, funnel=funnel)
    request = {"history": world.items[:3], "nominate": world.items[5:25], "country": "IN"}
    expected = check(one, **request)
    found = served.recommend({key: [value] for key, value in request.items()})
    assert found["id"].tolist() == expected[0]
    np.testing.assert_allclose(found["score"], expected[1], rtol=1e-5)
    # A row of many may nominate nothing.
    both = served.recommend(
        {"history": [world.items[:3]] * 2, "nominate": [[], request["nominate"]]}
    )
    assert len(both) == 4
    channel = world.log.items.set_index("video_id")["channel"]
    [wanted] = channel[world.items[5:6]]
    asked = {"history": [[]], "nominate": [world.items[5:25]], "filter_channel": [[wanted]]}
    assert set(channel[served.recommend(asked)["id"]]) == {wanted}
    require_no_answer_to_no_request(served)


def test_no_request_is_not_answered(world):
    require_no_answer_to_no_request(world.served)


def require_no_answer_to_no_request(served):
    """Every signature, without a row, and with bags that have no place or two."""
    for name, signature in served.signatures.items():
        for length in (0, 2):
            inputs = {
                key: tf.zeros([0] + [length] * (spec.shape.rank - 1), spec.dtype)
                if spec.dtype != tf.string
                else tf.fill([0] + [length] * (spec.shape.rank - 1), "")
                for key, spec in served.inputs(name).items()
            }
            for output in signature(**inputs).values():
                assert output.shape[0] == 0, name


def test_nominations_alone_are_not_ranked(world):
    """Without a ranking model the caller's have no score to be put in order by."""
    alone = serve(Funnel({"popular": world.sources["popular"]}, None, world.log, 9, 9))
    assert "nominate" not in alone.signatures
    with pytest.raises(KeyError, match="nominate"):
        alone.recommend({"history": [[]], "nominate": [world.items[:2]]})
