"""What a user of any model relies on, whichever it is."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.features import (
    Features,
    FeatureSpec,
    NumericColumn,
)
from tfrec_zoo.models import Popularity, YouTubeRanking, YouTubeRetrieval

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

MODELS = {"retrieval": YouTubeRetrieval, "ranking": YouTubeRanking}

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(params=MODELS)
def model_and_data(request, data):
    chosen = data[request.param]
    return MODELS[request.param](chosen.features, hidden_units=(4,), seed=1), chosen


@pytest.mark.parametrize("received", ["features.json", None, {"spec": {}}])
def test_features_must_be_fitted_features(received):
    for model in (Popularity, YouTubeRetrieval, YouTubeRanking):
        with pytest.raises(TypeError, match="`features` must be fitted Features.* Received: "):
            model(received)


def test_a_spec_is_not_fitted(data):
    with pytest.raises(TypeError, match="must be fitted Features.* Received: FeatureSpec"):
        YouTubeRetrieval(data["retrieval"].features.spec)


def test_labels_are_needed(model_and_data):
    model, data = model_and_data
    model.compile("sgd")
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="model needs batches .* Received batches of features"):
            method(data.raw, verbose=0)


def test_labels_are_needed_to_count(data):
    model = Popularity(data["retrieval"].features)
    model.compile()
    with pytest.raises(ValueError, match="model needs batches .* Received batches of features"):
        model.fit(data["retrieval"].raw, verbose=0)


def test_features_that_are_not_there(model_and_data):
    model, data = model_and_data
    with pytest.raises(ValueError, match="None of the features of the model is there"):
        model({"colour": np.array(["red"])})


def test_encoded_data_sets_train_as_raw_ones_do(model_and_data):
    model, data = model_and_data
    raw = tf.data.Dataset.from_tensor_slices((data.raw, data.label, data.weight)).batch(16)
    encoded = raw.map(lambda x, y, w: (model.preprocessor(x), y, w))
    model.compile(tf.keras.optimizers.SGD(0.1))
    model.evaluate(raw, verbose=0)  # makes the weights
    start, found = model.get_weights(), []
    for dataset in (raw, encoded):
        model.set_weights(start)
        loss = model.fit(dataset, verbose=0).history["loss"]
        found.append((loss, [variable.numpy() for variable in model.trainable_variables]))
    assert found[0][0] == found[1][0]
    for one, other in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_single_batches_of_frames(model_and_data):
    model, data = model_and_data
    model.compile("sgd")
    frame = pd.DataFrame({k: list(v) if v.ndim == 2 else v for k, v in data.raw.items()})
    expected = model.predict(data.raw, verbose=0)
    np.testing.assert_allclose(model.predict_on_batch(frame), expected, rtol=1e-5)
    loss = float(model.compute_loss((data.raw, data.label)))
    assert model.test_on_batch(frame, pd.Series(data.label)) == pytest.approx(loss, rel=1e-5)
    assert model.train_on_batch(frame, pd.Series(data.label)) == pytest.approx(loss, rel=1e-5)
    assert float(model.compute_loss((frame, data.label))) != loss


def test_regularization_is_added_once(data):
    """The table of videos is read by three columns; its penalty is still one."""
    chosen = data["ranking"]
    model = YouTubeRanking(chosen.features, hidden_units=(4, 3), l2=0.25, seed=1)
    batch = (chosen.raw, chosen.label)
    model.compile(tf.keras.optimizers.SGD(0.0))
    reported = model.evaluate(*batch, batch_size=7, verbose=0)
    logits = model(chosen.raw).numpy().astype(np.float64)
    watched = chosen.label > 0
    weight = np.where(watched, chosen.label, 1)
    losses = weight * np.log1p(np.exp(np.where(watched, -logits, logits)))
    squares = [
        *(model.tables[name].table for name in ("video", "country", "channel")),
        model.first.query_kernel,
        model.first.candidate_kernel,
        *(layer.kernel for layer in model.tower.layers),
        model.logit.kernel,
    ]
    penalty = 0.25 * sum(np.sum(np.square(variable.numpy())) for variable in squares)
    assert len(squares) == 7 and penalty > 1
    np.testing.assert_allclose(reported, losses.mean() + penalty, rtol=1e-5)
    np.testing.assert_allclose(model.compute_loss(batch), losses.mean() + penalty, rtol=1e-5)
    history = model.fit(*batch, batch_size=7, verbose=0).history
    np.testing.assert_allclose(history["loss"], losses.mean() + penalty, rtol=1e-5)


def test_sample_weight_leaves_the_penalty_alone(data):
    chosen = data["retrieval"]
    model = YouTubeRetrieval(chosen.features, hidden_units=(4,), l2=0.25, seed=1)
    nothing = np.zeros(len(chosen.label))
    loss = model.compute_loss((chosen.raw, chosen.label, nothing))
    tables = [*(model.tables[name].table for name in ("video", "country")), model.candidates()]
    squares = [*tables, *(layer.kernel for layer in model.tower.layers)]
    penalty = 0.25 * sum(np.sum(np.square(variable.numpy())) for variable in squares)
    np.testing.assert_allclose(loss, penalty, rtol=1e-5)


def test_loss_of_lists_is_the_mean_over_impressions():
    """Minimised and reported alike: [2 requests, 3 candidates] are six examples."""
    spec = FeatureSpec((NumericColumn("age", "none", False),), (NumericColumn("x", "none", False),))
    model = YouTubeRanking(Features(spec, {}, {}), hidden_units=(), weighted=False)
    raw = {"age": np.zeros(2, np.float32), "x": np.arange(6, dtype=np.float32).reshape(2, 3)}
    model(raw)
    model.first.candidate_kernel.assign([[0.5]])
    label = np.array([[1, 0, 0], [0, 1, 1]], np.float32)
    # logits are x / 2, losses log(1 + e^∓logit)
    signed = np.where(label > 0, -1, 1) * np.arange(6).reshape(2, 3) / 2
    weight = np.array([[1, 2, 0], [1, 1, 3]], np.float32)
    losses = weight * np.log1p(np.exp(signed))
    np.testing.assert_allclose(model.compute_loss((raw, label, weight)), losses.mean(), rtol=1e-6)
    np.testing.assert_allclose(model.loss_tracker.result(), losses.mean(), rtol=1e-6)


def test_half_precision_leaves_numbers_their_digits():
    # In bfloat16 the four ages are all 1000.
    ages = np.array([1000, 1001, 1002, 1003], np.float32)
    spec = FeatureSpec((NumericColumn("age", powers=False),), (NumericColumn("x", "none", False),))
    features = Features.fit(spec, {"age": ages})
    raw = {"age": ages, "x": np.zeros(4, np.float32)}
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = YouTubeRanking(features, hidden_units=())
        model(raw)
        model.first.query_kernel.assign([[1.0]])
        for inputs in (raw, model.preprocessor(raw)):
            np.testing.assert_allclose(model(inputs), [0, 1 / 3, 2 / 3, 1], atol=0.005)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")


_LOAD = """
import sys
import numpy as np
import tfrec_zoo
import tensorflow as tf

tf.config.run_functions_eagerly(True)
for folder in sys.argv[1:]:
    raw = dict(np.load(folder + "/raw.npz"))
    model = tf.keras.models.load_model(folder + "/model.keras")
    np.save(folder + "/answer.npy", model.predict(raw, verbose=0))
"""


@pytest.fixture(scope="module")
def kept(data, untraced, tmp_path_factory):
    """Models by family, each with the folder of its checkpoints and what it predicts.

    The folders hold what a process of its own makes of the whole model, too.
    """
    kept = {}
    for family, cls in MODELS.items():
        folder, chosen = tmp_path_factory.mktemp(family), data[family]
        model = cls(chosen.features, hidden_units=(4,), seed=1)
        model.compile("lazy_adam", metrics=["accuracy"])
        save = tf.keras.callbacks.ModelCheckpoint
        callbacks = [
            save(str(folder / "model.keras")),
            save(str(folder / "w.weights.h5"), save_weights_only=True),
            save(str(folder / "w.h5"), save_weights_only=True),
            save(str(folder / "w"), save_weights_only=True),
        ]
        with untraced():
            model.fit(chosen.raw, chosen.label, callbacks=callbacks, verbose=0)
            kept[family] = model, folder, model.predict(chosen.raw, verbose=0)
        np.savez(folder / "raw.npz", **chosen.raw)
    folders = [str(folder) for _, folder, _ in kept.values()]
    run = subprocess.run([sys.executable, "-c", _LOAD, *folders], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return kept


@pytest.mark.parametrize("family", MODELS)
def test_checkpoints_of_keras(kept, data, family):
    model, folder, expected = kept[family]
    for file in ("w.weights.h5", "w.h5", "w"):
        fresh = type(model).from_config(model.get_config())
        fresh.load_weights(folder / file)
        found = fresh.predict(data[family].raw, verbose=0)
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.load(folder / "answer.npy"), expected)


_REPLICAS = """
import json
import numpy as np
from tfrec_zoo.features import *
from tfrec_zoo.models import Popularity, YouTubeRanking, YouTubeRetrieval
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

rng = np.random.default_rng(0)
video = VocabularyColumn("video_id", space="video")
query = (EmbeddingColumn(BagColumn(VocabularyColumn("history", space="video")), 3),)
x = {"history": np.array(list("abcde"))[rng.integers(0, 5, [8, 2])],
     "video_id": np.array(list("abcdeabc"))}
watch_time = np.array([0, 3, 0, 1, 5, 0, 0, 2], np.float32)
weight = np.array([1, 2, 0, 1, 3, 1, 1, 0.5], np.float32)
retrieval = Features.fit(FeatureSpec(query, (video,)), x)
ranking = Features.fit(FeatureSpec(query, (EmbeddingColumn(video, 3),)), x)
cases = {
    "popularity": (lambda: Popularity(retrieval), x["video_id"], [7]),
    "retrieval": (lambda: YouTubeRetrieval(retrieval, hidden_units=(4,), l2=0.1, seed=1),
                  x["video_id"], [7]),
    "ranking": (lambda: YouTubeRanking(ranking, hidden_units=(4,), l2=0.1, seed=1),
                watch_time, [8, 1]),
}

mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert mirrored.num_replicas_in_sync == 2
results = {}
for name, (build, label, sizes) in cases.items():
    for devices in (1, 2):
        with (tf.distribute.get_strategy() if devices == 1 else mirrored).scope():
            model = build()
            # One device is what two are compared with; it need not trace a step for that.
            model.compile(tf.keras.optimizers.SGD(0.5), run_eagerly=devices == 1)
            model(x)
        start = model.get_weights()
        for rows in sizes:
            model.set_weights(start)
            raw = {key: value[:rows] for key, value in x.items()}
            batch = {"x": raw, "y": label[:rows], "sample_weight": weight[:rows]}
            fit = model.fit(**batch, batch_size=8, verbose=0)
            results[f"{name} {rows} {devices}"] = {
                "loss": fit.history["loss"][0],
                "after": model.evaluate(**batch, batch_size=8, verbose=0),
                "weights": [v.numpy().tolist() for v in
                            (model.trainable_variables or [model.counts])],
            }
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def replicas():
    """A step of SGD on one device and on two, by model, rows and number of devices."""
    run = subprocess.run(
        [sys.executable, "-c", _REPLICAS],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", ["popularity 7", "retrieval 7", "ranking 8", "ranking 1"])
def test_two_replicas_train_as_one(replicas, case):
    """8 rows are shared 4 and 4, 7 rows 4 and 3, 1 row 1 and 0."""
    one, two = (replicas[f"{case} {devices}"] for devices in (1, 2))
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-5)
    np.testing.assert_allclose(two["after"], one["after"], rtol=1e-5)
    for mirrored, single in zip(two["weights"], one["weights"], strict=True):
        np.testing.assert_allclose(mirrored, single, rtol=1e-5, atol=1e-6)
