"""What a retrieval model nominates, and the scores it gives."""

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo
from tfrec_zoo.data import Log, next_watch_examples
from tfrec_zoo.evaluation import candidate_scores, nominate
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


def test_the_best_first_seen_ones_included(
    popularity: tfrec_zoo.models.RetrievalModel,
) -> None:
    examples = next_watch_examples(LOG, np.array([3, 6, 8]))
    assert nominate(popularity, examples, 2).tolist() == [["z", "y"]] * 3
    # There are no more than three.
    assert nominate(popularity, examples).tolist() == [["z", "y", "x"]] * 3


def test_scores_of_the_examples_own_items(popularity: tfrec_zoo.models.RetrievalModel) -> None:
    examples = next_watch_examples(LOG, np.arange(9))
    expected = np.log1p([3, 2, 1, np.nan, 3, 2, 1, 3, 2])
    np.testing.assert_allclose(candidate_scores(popularity, examples), expected, rtol=1e-6)
