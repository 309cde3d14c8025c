"""A funnel is measured by what it returns."""

from typing import Any

import numpy as np
import pytest

import tfrec_zoo
from tfrec_zoo.data import Log, next_watch_examples
from tfrec_zoo.evaluation import evaluate_funnel, funnel_request, recommended
from tfrec_zoo.serving import Funnel
from tfrec_zoo.tasks import NextWatch
from tfrec_zoo.training import Training


@pytest.fixture(scope="module")
def funnel(small_log: Log, untraced: Any) -> Funnel:
    task = NextWatch(small_log, bags=(3,), profile=False)
    with untraced():
        retrieval = tfrec_zoo.train("Popularity", task, Training(verbose=0)).model
        ranking = tfrec_zoo.train(
            "FactorizationMachine", task, Training(epochs=1, verbose=0), embedding_dim=2
        ).model
    return Funnel({"popularity": retrieval}, ranking, small_log, num_candidates=8, k=8)


@pytest.fixture(scope="module")
def examples(small_log: Log) -> Any:
    return next_watch_examples(small_log, NextWatch(small_log).rows.test, 3, serving=True)


def test_all_that_was_seen_is_excluded(funnel: Funnel, examples: Any, small_log: Log) -> None:
    request = funnel_request(funnel, examples)
    frame = small_log.interactions
    for row, bag in enumerate(request["exclude"].numpy()):
        before = frame[frame["user_id"] == f"{sorted(set(frame['user_id']))[row]}"]["item_id"][:-1]
        # The bag of the history is of three; what is excluded is of all.
        assert {item.decode() for item in bag} - {""} == set(before)
    assert request["history"].shape[1] == 3


@pytest.mark.parametrize("batch_size", [5, 200])
def test_hit_rate_and_ndcg_of_what_it_returns(
    funnel: Funnel, examples: Any, batch_size: int
) -> None:
    answers = funnel.serve(**funnel_request(funnel, examples))["ids"].numpy()
    ranks = [
        [item.decode() for item in row].index(label) if label.encode() in row.tolist() else None
        for row, label in zip(answers, examples.label, strict=True)
    ]
    hits = [rank for rank in ranks if rank is not None]
    assert 0 < len(hits) < len(ranks)
    metrics = evaluate_funnel(funnel, examples, batch_size=batch_size)
    assert metrics == pytest.approx(
        {
            "hit_rate_at_10": len(hits) / 12,
            "ndcg_at_10": sum(1 / np.log2(rank + 2) for rank in hits) / 12,
            "evaluated_examples": 12,
        }
    )


def test_at_most_so_many_evenly_spaced(funnel: Funnel, examples: Any) -> None:
    few = examples.take(np.array([0, 5, 11]))
    assert evaluate_funnel(funnel, examples, limit=3) == evaluate_funnel(funnel, few)


def test_hits_count_their_weight(funnel: Funnel, examples: Any) -> None:
    weight = np.arange(12.0)
    [lists] = recommended(funnel, examples)
    hits = [i for i in range(12) if examples.label[i] in lists[i][:10].tolist()]
    metrics = evaluate_funnel(funnel, examples, weight=weight)
    assert metrics["weight_at_10"] == pytest.approx(sum(hits) / 12)


def test_how_many_were_evaluated_is_said(
    funnel: Funnel, examples: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        metrics = evaluate_funnel(funnel, examples, limit=5)
    assert metrics["evaluated_examples"] == 5
    assert "Evaluating 5 of 12 examples" in caplog.text


def test_nothing_to_evaluate_on(funnel: Funnel, examples: Any) -> None:
    with pytest.raises(ValueError, match="the split left none. Received: 0 examples"):
        evaluate_funnel(funnel, examples.take(np.empty(0, np.int64)))


def test_a_funnel_of_nominations_alone(funnel: Funnel, small_log: Log, examples: Any) -> None:
    [popularity] = funnel._stages.sources.values()
    alone = Funnel({"popularity": popularity}, None, small_log, num_candidates=8, k=8)
    tokens = popularity.features.vocabularies["item_id"].tokens
    counts = dict(zip(tokens, popularity.counts.numpy(), strict=True))
    answer = alone.serve(**funnel_request(alone, examples))
    events = small_log.interactions
    for user, row, scores in zip(
        events["user_id"].iloc[NextWatch(small_log).rows.test],
        answer["ids"].numpy(),
        answer["scores"].numpy(),
        strict=True,
    ):
        seen = set(events.loc[events["user_id"] == user, "item_id"][:-1])
        left = [t for t in tokens if t not in seen]  # Most frequent first, as tokens are.
        shown = [item.decode() for item in row]
        assert [item for item in shown if item] == left[:8]
        expected = [np.log1p(counts[item]) if item else 0 for item in shown]
        np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_nominations_of_several_sources_are_not_in_order(funnel: Funnel, small_log: Log) -> None:
    [source] = funnel._stages.sources.values()
    with pytest.raises(ValueError, match="need a ranking model .* Received: ranking=None"):
        Funnel({"a": source, "b": source}, None, small_log)
