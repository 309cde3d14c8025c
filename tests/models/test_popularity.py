import numpy as np
import pytest

from tfrec_zoo.features import (
    BucketizedColumn,
    Features,
    FeatureSpec,
    IndicatorColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import Popularity

AGE, VIDEO = NumericColumn("example_age", "none", False), VocabularyColumn("video_id")
FEATURES = Features.fit(FeatureSpec((AGE,), (VIDEO,)), {"video_id": [*"aaaa", *"bbb", *"cc", "d"]})
X = {"example_age": np.array([9, 0, 5, 1, 5.5, np.nan, 2], np.float32)}
ITEMS = np.array(["a", "b", "c", "b", "a", "c", "never seen"])


def fitted(weight=None, batch_size=3, **arguments):
    model = Popularity(FEATURES, **arguments)
    model.compile()
    fit = model.fit(X, ITEMS, sample_weight=weight, batch_size=batch_size, shuffle=False, verbose=0)
    return model, fit.history


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_counts_by_hand(batch_size):
    model, _ = fitted(batch_size=batch_size)
    assert model.counts.numpy().tolist() == [2, 2, 2, 0]  # a, b, c, d; the unknown one is none
    expected = np.tile(np.log([3, 3, 3, 1]), [7, 1])
    np.testing.assert_allclose(model.scores(X), expected, rtol=1e-6)


def test_weights_by_hand():
    model, _ = fitted(weight=np.array([1, 2, 0, 0.5, 3, 1, 9]))
    # a 1 + 3, b 2 + .5, c 0 + 1
    assert model.counts.numpy().tolist() == [4, 2.5, 1, 0]


@pytest.mark.parametrize(
    "window, expected",
    [
        (5.0, [0, 2, 1, 0]),
        (5.5, [1, 2, 1, 0]),
        (0.0, [0, 1, 0, 0]),
        (None, [2, 2, 2, 0]),
    ],
)
def test_window_counts_what_is_at_most_as_old(window, expected):
    # Ages: a 9 and 5.5, b 0 and 1, c 5 and unknown.
    model, _ = fitted(window=window)
    assert model.counts.numpy().tolist() == expected


def test_loss_is_that_of_the_counts():
    # softmax(log(1 + count)) = (1 + count) / (items + examples)
    model, history = fitted(batch_size=7)
    # Six known examples of probability 3 / 10; the unknown one is left out.
    expected = -np.log(0.3)
    np.testing.assert_allclose(history["loss"], [expected], rtol=1e-6)
    np.testing.assert_allclose(model.evaluate(X, ITEMS, verbose=0), expected, rtol=1e-6)
    # Half of its weight, half of its loss.
    half = model.evaluate(X, ITEMS, sample_weight=np.full(7, 0.5), verbose=0)
    np.testing.assert_allclose(half, expected / 2, rtol=1e-6)


def test_before_it_has_counted_all_items_are_equal():
    model = Popularity(FEATURES)
    np.testing.assert_array_equal(model.scores(X), np.zeros([7, 4]))
    model.compile()
    expected = np.log(4)
    np.testing.assert_allclose(
        model.evaluate({"example_age": np.zeros(2)}, np.array(["a", "d"]), verbose=0),
        expected,
        rtol=1e-6,
    )


def test_a_second_fit_counts_further():
    model, _ = fitted()
    model.fit(X, ITEMS, verbose=0)
    assert model.counts.numpy().tolist() == [4, 4, 4, 0]


@pytest.mark.parametrize(
    "column", [IndicatorColumn(BucketizedColumn("example_age", (1.0,))), NumericColumn("age")]
)
def test_a_window_needs_ages(column):
    values = {"example_age": [1.0], "age": [1.0], "video_id": ["a"]}
    features = Features.fit(FeatureSpec((column,), (VIDEO,)), values)
    with pytest.raises(ValueError, match="needs the numeric query column 'example_age'. Received"):
        Popularity(features, window=5.0)
    assert Popularity(features).window is None


def test_window_is_in_the_config():
    assert Popularity.from_config(Popularity(FEATURES, window=5.0).get_config()).window == 5.0
