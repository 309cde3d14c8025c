"""What a retrieval model nominates, and the scores it gives."""

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo.data import Log, Split, next_watch_examples
from tfrec_zoo.evaluation import nominate, scores_and_ranks
from tfrec_zoo.tasks import NextWatch
from tfrec_zoo.training import Training

#: Trained on all but the last: z thrice, y twice, x once; w is unknown.
LOG = Log(
    "four",
    pd.DataFrame(
        {
            "user_id": list("aaaabbbcc"),
            "item_id": list("zyxwzyxzy"),
            "time": [0, 1, 2, 3, 0, 1, 2, 0, 1],
        }
    ),
)


@pytest.fixture(scope="module")
def popularity() -> tfrec_zoo.models.RetrievalModel:
    rows = np.array([0, 1, 2, 4, 5, 7])
    split = tfrec_zoo.data.Split(rows, rows[:0], np.array([3, 6, 8]), "mine")
    return tfrec_zoo.train("Popularity", NextWatch(LOG, split=split), Training(verbose=0)).model


def test_the_best_first_but_what_was_seen(popularity: tfrec_zoo.models.RetrievalModel) -> None:
    # Before these, a had seen z, y and x, b had seen z and y, and c had seen z.
    examples = next_watch_examples(LOG, np.array([3, 6, 8]))
    assert nominate(popularity, examples, 2).tolist() == [["", ""], ["x", ""], ["y", "x"]]
    # There are no more than three items.
    assert nominate(popularity, examples).shape == (3, 3)


def test_scores_are_shares_of_what_was_not_seen(
    popularity: tfrec_zoo.models.RetrievalModel,
) -> None:
    """exp(score) of z, y and x is 4, 3 and 2: one more than the watches."""
    examples = next_watch_examples(LOG, np.arange(9))
    # z of z, y, x; then y of y, x; then x alone; w is unknown.
    shares = [4 / 9, 3 / 5, 2 / 2, np.nan, 4 / 9, 3 / 5, 2 / 2, 4 / 9, 3 / 5]
    found = scores_and_ranks(popularity, examples)
    np.testing.assert_allclose(found[:, 0], np.log(shares), rtol=1e-5)
    # Each was the best of what was left.
    assert found[:, 1].tolist() == [1, 1, 1, 0, 1, 1, 1, 1, 1]


def test_examples_of_one_request_share_its_past(
    popularity: tfrec_zoo.models.RetrievalModel,
) -> None:
    examples = next_watch_examples(LOG, np.array([0, 1, 2, 4, 5]))
    requests = np.array([7, 7, 7, 2, 3])
    found = scores_and_ranks(popularity, examples, requests)
    # All of a's as of a's first one.
    shares = [4 / 9, 3 / 9, 2 / 9, 4 / 9, 3 / 5]
    np.testing.assert_allclose(found[:, 0], np.log(shares), rtol=1e-5)
    assert found[:, 1].tolist() == [1, 2, 3, 1, 1]
    # Where two are nominated, the third has a score and no rank.
    few = scores_and_ranks(popularity, examples, requests, num_candidates=2)
    np.testing.assert_array_equal(few[:, 0], found[:, 0])
    assert few[:, 1].tolist() == [1, 2, 0, 1, 1]


def test_what_was_seen_is_not_nominated(popularity: tfrec_zoo.models.RetrievalModel) -> None:
    again = Log("again", LOG.interactions.assign(item_id=list("zyzxzyxzy")))
    # a had seen all but x, of which exp(score) is 2.
    found = scores_and_ranks(popularity, next_watch_examples(again, np.array([2])))
    np.testing.assert_allclose(found, [[np.log(4 / 2), 0]], rtol=1e-5)


def test_where_everything_was_seen_there_is_no_share(
    popularity: tfrec_zoo.models.RetrievalModel,
) -> None:
    twice = LOG.interactions.assign(item_id=list("zyxzzyxzy"))
    log = Log("twice", twice)
    found = scores_and_ranks(popularity, next_watch_examples(log, np.array([3])))
    assert np.isnan(found[:, 0]).all() and not found[:, 1].any()


def test_a_model_without_item_vectors() -> None:
    """Its query is the scores."""
    rows = np.array([0, 1, 2, 4, 5, 7])
    task = NextWatch(LOG, split=Split(rows, rows[:0], np.array([3, 6, 8]), "mine"))
    model = tfrec_zoo.train("EASE", task, Training(verbose=0), l2=1.0).model
    examples = next_watch_examples(LOG, np.array([5, 8]))
    assert model.candidates() is None
    scores = model.scores({"history": np.array([["z"], ["z"]])}).numpy()
    classes = [model.features.vocabularies["item_id"].tokens.index(item) for item in "yx"]
    best = np.log(np.exp(scores[:, classes]).sum(axis=1))
    found = scores_and_ranks(model, examples)
    np.testing.assert_allclose(found[:, 0], scores[:, classes[0]] - best, rtol=1e-5)
