"""Normalizations by other means than ranks: min-max, z-score, log, and what all have in common."""

import json
from typing import Any

import numpy as np
import pytest

from tfrec_zoo.features import (
    DenseFeatures,
    Features,
    FeatureSpec,
    LogNormalization,
    MinMaxNormalization,
    NumericColumn,
    Preprocessor,
    QuantileNormalization,
    ZScoreNormalization,
)

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

NAN, INF = np.nan, np.inf


def test_min_max_by_hand() -> None:
    layer = MinMaxNormalization(powers=True)
    layer.adapt(np.array([20.0, NAN, 60.0, 30.0, INF, -INF]))
    # (x - 20) / 40, and nothing beyond 0 and 1.
    x = [0.0, 0.25, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    found = layer(np.array([20.0, 30.0, 60.0, 10.0, 99.0, NAN, INF, -INF]))
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, np.stack([x, np.square(x), np.sqrt(x)], -1), atol=1e-7)


def test_flags_stay_0_and_1() -> None:
    layer = MinMaxNormalization()
    layer.adapt(np.arange(1000) < 20)
    assert layer(np.array([True, False])).numpy().tolist() == [[1.0], [0.0]]
    assert layer(np.array([0, 1, 1])).numpy().tolist() == [[0.0], [1.0], [1.0]]


def test_z_score_by_hand() -> None:
    layer = ZScoreNormalization()
    # The mean of 1, 2, 3, 6 is 3; squared deviations 4, 1, 0, 9 have the mean 3.5.
    layer.adapt(tf.data.Dataset.from_tensor_slices([1.0, 2.0, NAN, 3.0, INF, 6.0]).batch(2))
    found = layer(np.array([3.0, 10.0, -4.0, NAN, INF, -INF]))
    expected = np.array([0.0, 7.0, -7.0, 0.0, 0.0, 0.0]) / np.sqrt(3.5)
    np.testing.assert_allclose(found, expected[:, None], rtol=1e-6)


def test_moments_of_large_numbers_are_those_of_numpy() -> None:
    times = 1.7e9 + np.random.default_rng(0).integers(0, 1000, 5000)
    layer = ZScoreNormalization()
    layer.adapt(tf.data.Dataset.from_tensor_slices(times).batch(300))
    config = layer.get_config()
    assert config["mean"] == pytest.approx(times.mean(), abs=1e-6)
    assert config["stddev"] == pytest.approx(times.std(), rel=1e-9)


def test_log_by_hand() -> None:
    x = np.array([0.0, np.e - 1, 1 - np.e, NAN, INF, -INF])
    found = LogNormalization()(x)
    np.testing.assert_allclose(found, [[0], [1], [-1], [0], [0], [0]], atol=1e-7)


@pytest.mark.parametrize("cls", [MinMaxNormalization, ZScoreNormalization])
def test_a_constant_is_0(cls: Any) -> None:
    layer = cls()
    layer.adapt([7.0, 7.0])
    assert layer(np.array([6.0, 7.0, 8.0, NAN])).numpy().ravel().tolist() == [0.0] * 4


LAYERS: list[Any] = [
    (QuantileNormalization, {"mass": True, "num_quantiles": 5}),
    (QuantileNormalization, {"extrapolate": True, "num_quantiles": 5, "powers": True}),
    (MinMaxNormalization, {"powers": True}),
    (ZScoreNormalization, {}),
    (LogNormalization, {}),
]


@pytest.mark.parametrize(("cls", "arguments"), LAYERS)
def test_round_trips(cls: Any, arguments: Any, tmp_path: Any) -> None:
    data = np.array([0.0, 0.0, 0.0, 1.0, 5.0, 9.0])
    layer, fresh = cls(**arguments), cls(**arguments)
    if cls is not LogNormalization:
        with pytest.raises(ValueError, match="yet: call `adapt"):
            layer(data)
        layer.adapt(data)
    x = np.array([-1.0, 0.0, 3.0, 9.0, NAN])
    expected = layer(x)
    again = cls.from_config(json.loads(json.dumps(layer.get_config())))
    np.testing.assert_array_equal(again(x), expected)
    tf.keras.Sequential([tf.keras.Input(()), layer]).save_weights(str(tmp_path / "weights"))
    tf.keras.Sequential([tf.keras.Input(()), fresh]).load_weights(str(tmp_path / "weights"))
    np.testing.assert_array_equal(fresh(x), expected)
    np.testing.assert_array_equal(tf.function(layer)(x), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MinMaxNormalization(low=1.0), "`high` at least `low`. Received: low=1.0"),
        (lambda: MinMaxNormalization(low=2.0, high=1.0), "Received: low=2.0, high=1.0"),
        (lambda: MinMaxNormalization(low=0.0, high=INF), "must be finite"),
        (lambda: ZScoreNormalization(mean=1.0), "`stddev` not negative. Received: mean=1.0"),
        (lambda: ZScoreNormalization(0.0, -1.0), "Received: mean=0.0, stddev=-1.0"),
        (lambda: QuantileNormalization(mass=3.0), "`mass` must be True where .* mass=3.0"),
        (lambda: QuantileNormalization(boundaries=[0.0, 1.0], mass=True), "mass=True"),
        (lambda: QuantileNormalization(boundaries=[0.0, 1.0], mass=NAN), "mass=nan"),
    ],
)
def test_wrong_arguments(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def columns_of(*columns: NumericColumn, data: dict[str, Any]) -> tuple[Features, Any]:
    """Fitted features and a function from raw numbers to what networks read."""
    features = Features.fit(FeatureSpec(columns), data)
    preprocessor, dense = Preprocessor(features), DenseFeatures(features, columns, {})
    return features, lambda raw: dense(preprocessor(raw)).numpy()


def test_columns_name_their_normalization() -> None:
    data = {name: [0.0, 10.0, 20.0, 30.0, 40.0, NAN] for name in ("rank", "age", "z", "l", "x")}
    columns = (
        NumericColumn("rank", powers=False),
        NumericColumn("age", "min-max", powers=True),
        NumericColumn("z", "z-score"),
        NumericColumn("l", "log"),
        NumericColumn("x", "none"),
    )
    features, feed = columns_of(*columns, data=data)
    assert features.statistics["age"] == (0.0, 40.0)
    # Squared deviations 400, 100, 0, 100, 400 from 20 have the mean 200.
    assert features.statistics["z"] == (20.0, pytest.approx(200**0.5))
    assert set(features.statistics) == {"rank", "age", "z"}
    assert set(features.quantiles) == {"rank"}
    raw = {key: np.array([10.0, NAN]) for key in data}
    expected = [0.25, 0.25, 0.0625, 0.5, -10 / 200**0.5, np.log(11), 10.0]
    np.testing.assert_allclose(feed(raw), [expected, [0.0] * 7], rtol=1e-5)
    again = Features.from_config(json.loads(json.dumps(features.to_config())))
    assert again == features


def test_a_config_of_quantiles_alone_still_means_the_same() -> None:
    columns = (NumericColumn("age"),)
    features, _ = columns_of(*columns, data={"age": [1.5, 2.5]})
    config = features.to_config()
    config["quantiles"] = config.pop("statistics")
    assert Features.from_config(config) == features


def test_numbers_keep_their_digits() -> None:
    # In float32 these times are all alike, and 16,777,217 is 16,777,216.
    times = 1_700_000_000 + np.arange(5)
    features, feed = columns_of(NumericColumn("time", powers=False), data={"time": times})
    np.testing.assert_allclose(feed({"time": times})[:, 0], [0.0, 0.25, 0.5, 0.75, 1.0], atol=1e-6)
    assert features.statistics["time"][-1] == 1_700_000_004
    _, feed = columns_of(NumericColumn("code", "min-max"), data={"code": [2**24, 2**24 + 2]})
    assert feed({"code": np.array([2**24 + 1])}).tolist() == [[0.5]]


def test_numbers_of_float32_equal_the_values_they_were_fitted_on() -> None:
    # 4.35 is 4.3499999 in float32: P(X <= 4.35) must not become P(X < 4.35).
    data = {"price": [1.0, 4.35, 4.35, 4.35, 9.0]}
    _, feed = columns_of(NumericColumn("price", powers=False), data=data)
    expected = feed({"price": np.array([4.35])})
    assert expected > 0.7
    np.testing.assert_allclose(feed({"price": np.array([4.35], np.float32)}), expected, rtol=1e-6)
