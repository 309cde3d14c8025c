"""The moment of a request: exports work out of the history and its ages what models were taught."""

import pathlib
from typing import Any

import numpy as np
import pytest

import tfrec_zoo
from tfrec_zoo.data import Log, next_watch_examples
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import YouTubeRetrieval
from tfrec_zoo.serving import Funnel, export, load, serve
from tfrec_zoo.serving.export import served
from tfrec_zoo.tasks import NextWatch
from tfrec_zoo.training import Training

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

BAGS, HALF_LIVES = (1, 3), (8.0, 40.0)


@pytest.fixture(scope="module")
def task(small_log: Log) -> NextWatch:
    options = {"bags": BAGS, "example_age": False, "profile": False}
    return NextWatch(small_log, moment=True, half_lives=HALF_LIVES, **options)


@pytest.fixture(scope="module")
def model(task: NextWatch) -> Any:
    training = Training(epochs=2, batch_size=8, verbose=0)
    return tfrec_zoo.train("YouTubeRetrieval", task, training, hidden_units=(8,), seed=3).model


@pytest.fixture(scope="module")
def asked(small_log: Log) -> dict[str, Any]:
    """What the users would say after half of their watches, shorter and longer than the bags."""
    raw = next_watch_examples(small_log, np.arange(len(small_log.interactions)), 6).raw()
    keep = [[bool(item) for item in bag] for bag in raw["history"]]
    bags = ("history", "history_age")
    return {
        key: [bag[kept].tolist() for bag, kept in zip(raw[key], keep, strict=True)] for key in bags
    }


def expected_scores(model: Any, log: Log) -> np.ndarray:
    """Of what training derives of the log: `since_last` and `num_before` are given."""
    rows = np.arange(len(log.interactions))
    raw = next_watch_examples(log, rows, max(BAGS)).raw(model.raw_keys)
    assert {"since_last", "num_before", "history_age"} <= set(raw)
    assert raw["num_before"].max() == 3 and np.isnan(raw["since_last"]).any()
    return model.scores(raw).numpy()


def by_item(frame: Any, model: Any, rows: int) -> np.ndarray:
    """[rows, items] scores of a frame of recommendations, in the order of the vocabulary."""
    column = model.features.spec.item
    tokens = [*model.features.vocabularies[column.space].tokens]
    found = np.full((rows, len(tokens)), np.nan)
    found[frame["row"], [tokens.index(item) for item in frame["id"]]] = frame["score"]
    return found


def test_exports_derive_what_examples_hold(
    model: Any, asked: dict[str, Any], small_log: Log, tmp_path: pathlib.Path
) -> None:
    expected = expected_scores(model, small_log)
    answered = load(export(model, tmp_path / "model", k=model.num_items))
    assert set(answered.request) == {"history", "history_age", "exclude"}
    for asks in (serve(model, k=model.num_items), answered):
        frame = asks.recommend(asked, include_history=True)
        found = by_item(frame, model, len(expected))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    # Examples have float32 numbers and bags of any length.
    examples = [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    "history": tf.train.Feature(
                        bytes_list=tf.train.BytesList(value=[item.encode() for item in items])
                    ),
                    "history_age": tf.train.Feature(float_list=tf.train.FloatList(value=ages)),
                }
            )
        ).SerializeToString()
        for items, ages in zip(asked["history"], asked["history_age"], strict=True)
    ]
    answer = answered.signatures["examples"](examples=tf.constant(examples))
    best = np.sort(expected, axis=1)[:, ::-1]
    np.testing.assert_allclose(answer["scores"], best, rtol=1e-4, atol=1e-5)


def test_a_request_without_ages_is_neutral(model: Any) -> None:
    history = [["i1", "i2", "i3", "i4"], []]
    asks = serve(model, k=model.num_items)
    raw = {
        "history": np.array([["i1", "i2", "i3", "i4"], [""] * 4]),
        "history_age": np.full([2, 4], np.nan),
        "since_last": [np.nan, np.nan],
        "num_before": [3.0, 0.0],
    }
    expected = model.scores(raw).numpy()
    for request in (
        {"history": history},
        {"history": history, "history_age": [[], []]},
        {"history": history, "history_age": [[None, np.nan], [3.0]]},
    ):
        found = by_item(asks.recommend(request, include_history=True), model, 2)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    # Ages make a difference.
    aged = asks.recommend({"history": history, "history_age": [[90, 60, 30, 1], []]},
                          include_history=True)  # fmt: skip
    assert not np.allclose(by_item(aged, model, 2)[0], expected[0])
    with pytest.raises(KeyError, match="Unknown features.*since_last"):
        asks.recommend({"history": history, "since_last": [1.0, 2.0]})


def test_funnels_derive_it_for_both_stages(
    task: NextWatch, model: Any, asked: dict[str, Any], small_log: Log
) -> None:
    training = Training(epochs=1, batch_size=16, verbose=0)
    ranker = tfrec_zoo.train("DeepFM", task, training, embedding_dim=4, hidden_units=(4,))
    funnel = Funnel({"source": model}, ranker.model, small_log, model.num_items, model.num_items)
    assert set(funnel.request) == {"history", "history_age", "exclude"}
    found = by_item(serve(funnel).recommend(asked), model, len(asked["history"]))
    # Each item as a candidate of each example, with what training derives.
    rows = np.arange(len(small_log.interactions))
    raw = next_watch_examples(small_log, rows, max(BAGS)).raw()
    items = list(model.features.vocabularies["item_id"].tokens)
    raw = {key: values for key, values in raw.items() if key in ranker.model.raw_keys}
    raw["item_id"] = np.broadcast_to(np.array(items, object), (len(rows), len(items)))
    expected = tf.sigmoid(ranker.model(raw)).numpy()
    is_new = [[item not in history for item in items] for history in asked["history"]]
    np.testing.assert_allclose(found[is_new], expected[is_new], rtol=1e-4, atol=1e-5)
    assert np.isnan(found[~np.array(is_new)]).all()
    # The ranker alone ranks the same.
    alone = by_item(serve(ranker.model, log=small_log).recommend(asked, k=99), model, len(rows))
    np.testing.assert_allclose(alone[is_new], expected[is_new], rtol=1e-4, atol=1e-5)


def test_what_a_request_gives_follows_from_what_a_model_reads() -> None:
    def request(*query: Any) -> list[str]:
        spec = FeatureSpec(query, (VocabularyColumn("video"),))
        data = {"video": ["a", "b"], "since_last": [1.0], "num_before": [2.0], "history": ["a"]}
        model = YouTubeRetrieval(Features.fit(spec, data), hidden_units=(2,))
        return sorted(served(model).request)

    history = EmbeddingColumn(BagColumn(VocabularyColumn("history", space="video")), 2)
    since, number = NumericColumn("since_last"), NumericColumn("num_before")
    assert request(since, number, history) == ["exclude", "history", "history_age"]
    assert request(since) == ["exclude", "history_age"]
    # Without a history there is nothing to count.
    assert request(since, number) == ["exclude", "history_age", "num_before"]
    constant = NumericColumn("since_last", serving=0.0)
    assert request(constant, history) == ["exclude", "history"]
