"""Users' vectors: those that the exported model answers the same users with."""

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo as zoo
from tfrec_zoo.data.log import Log
from tfrec_zoo.serving import serve
from tfrec_zoo.serving.user_requests import UserRequests
from tfrec_zoo.serving.user_vectors import user_vectors


@pytest.fixture(scope="module")
def log() -> Log:
    rng = np.random.default_rng(0)
    events = pd.DataFrame(
        {
            "user_id": rng.integers(40, size=600),
            "item_id": rng.integers(30, size=600),
            "time": rng.permutation(600).astype(float),
        }
    )
    items = pd.DataFrame({"item_id": range(30), "genre": [f"g{i % 3}" for i in range(30)]})
    return Log("mine", events, items=items)


@pytest.mark.parametrize("model", ["YouTubeRetrieval", "TwoTower"])
def test_they_are_what_the_export_answers(log: Log, model: str) -> None:
    run = zoo.train(model, zoo.tasks.NextWatch(log), zoo.Training(epochs=1, verbose=0))
    served = serve(run.model, log, k=3)
    requests = next(UserRequests(log, set(served.accepts)).shards(100))
    asked = {key: requests[key].tolist() for key in requests if key in served.accepts}
    typed = served._asked(asked)
    query = {key: v for key, v in typed.items() if key in served.inputs("query")}
    expected = served(query, "query")["query"]
    found = user_vectors(run.model, log).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    # They differ from user to user.
    assert np.ptp(found, axis=0).max() > 1e-4
    # At most so many, evenly from all.
    np.testing.assert_allclose(
        user_vectors(run.model, log, number=15), found[::3], rtol=1e-5, atol=1e-6
    )
