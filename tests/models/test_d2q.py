import numpy as np
import pytest

import tfrec_zoo
from tfrec_zoo import checkpoints
from tfrec_zoo.features import (
    EmbeddingColumn,
    Features,
    FeatureSpec,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import D2Q
from tfrec_zoo.tasks import WatchTime
from tfrec_zoo.training import Training

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

SPEC = FeatureSpec(
    (NumericColumn("age"),),
    (EmbeddingColumn(VocabularyColumn("video"), 4), NumericColumn("length")),
)


def impressions(number=2000):
    """Videos of 20 and 200 seconds, of which a good one is watched for longer than a bad one."""
    rng = np.random.default_rng(0)
    video = rng.integers(0, 4, number)
    length = np.where(video < 2, 20.0, 200.0)
    share = np.where(video % 2, 0.8, 0.3) + rng.uniform(-0.1, 0.1, number)
    raw = {"age": rng.uniform(10, 80, number), "video": np.array(list("abcd"))[video]}
    return {**raw, "length": length}, (length * share).astype(np.float32), video


def trained(target, **arguments):
    raw, label, _ = impressions()
    model = D2Q(
        Features.fit(SPEC, raw),
        target=target,
        hidden_units=(16,),
        num_groups=2,
        seed=1,
        **arguments,
    )
    model.compile(tf.keras.optimizers.Adam(0.02))
    model.adapt(raw, label)
    model.fit(raw, label, batch_size=100, epochs=12, verbose=0)
    return model


@pytest.mark.parametrize("target", ["quantile", "seconds", "completion"])
def test_each_target_approaches_the_watch_times(target):
    raw, label, video = impressions()
    found = trained(target).predict(raw, batch_size=2000, verbose=0)
    for kind in range(4):
        own = video == kind
        assert found[own].mean() == pytest.approx(label[own].mean(), rel=0.2)
    # Of seconds, whatever is regressed: a good short video is watched for less than a bad long one.
    assert found[video == 1].mean() < found[video == 2].mean()


def test_the_network_tells_what_is_liked_from_what_is_long():
    """Quantiles and completion are those of the video's kind; seconds are those of its length."""
    raw, _, video = impressions()
    for target in ("quantile", "seconds", "completion"):
        model = trained(target)
        regressed = model.regressed(model.encode(raw)).numpy()
        bad_short, good_short, bad_long, good_long = (
            regressed[video == i].mean() for i in range(4)
        )
        assert good_short > bad_short and good_long > bad_long
        assert (good_short > bad_long) == (target != "seconds")


def test_losses_by_hand():
    features = Features.fit(SPEC, {"age": [1.0, 2], "video": ["a", "b"], "length": [10.0, 40.0]})
    raw = {"age": [1.0, 2, 3], "video": ["a", "b", "a"], "length": [10.0, 40.0, None]}
    label = np.array([5.0, 10.0, 15.0], np.float32)
    # Nothing is learned yet: the network says 0, that is σ(0) = ½, and log 2 for softplus. The mean
    # watch time is 10 s, and the mean duration, which stands for the unknown one, 25 s.
    log2 = np.log(2)
    expected = {
        "quantile": ([0.0, 0.5, 1.0], 0.5, [10.0, 10.0, 10.0]),
        "seconds": ([0.5, 1.0, 1.5], log2, [10 * log2] * 3),
        "completion": ([0.5, 0.25, 0.6], log2, [10 * log2, 40 * log2, 25 * log2]),
    }
    for target, (targets, predicted, seconds) in expected.items():
        # A spec without the length has one group; completion needs it.
        model = D2Q(
            features, target=target, num_groups=1, num_quantiles=3, embedding_initializer="zeros"
        )
        model.compile("sgd")
        one = {**raw, "length": [10.0, 10.0, 10.0]} if target == "quantile" else raw
        one = {
            key: np.array(value, None if key == "video" else float) for key, value in one.items()
        }
        model.adapt(one, label)
        model(one)
        model.logit.dense.kernel.assign(tf.zeros_like(model.logit.dense.kernel))
        losses, logits = model.example_losses(model.encode(one), label, False)
        np.testing.assert_allclose(losses, (np.array(targets) - predicted) ** 2, 1e-5)
        np.testing.assert_allclose(np.exp(logits), seconds, 1e-5)
        np.testing.assert_allclose(model.predict(one, verbose=0), seconds, 1e-5)


def test_what_is_learned_before_training_has_to_be():
    raw, label, _ = impressions(50)
    model = D2Q(Features.fit(SPEC, raw), hidden_units=(4,))
    model.compile("sgd")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"call `adapt\(x, y\)`"):
        model.fit(raw, label, verbose=0)
    # A data set will do, too.
    model.adapt(tf.data.Dataset.from_tensor_slices((raw, label)).batch(20))
    assert float(model.quantiles.num_adapted) == 50
    model.fit(raw, label, verbose=0)


def test_completion_is_a_share_of_a_duration():
    features = Features.fit(SPEC, impressions(50)[0])
    with pytest.raises(ValueError, match=r"there are \['length'\]. Received: 'seconds'"):
        D2Q(features, target="completion", duration="seconds")
    with pytest.raises(ValueError, match="`target` must be one of .*'quantile'.* Received: 'rank'"):
        D2Q(features, target="rank")


@pytest.mark.usefixtures("eagerly")
def test_a_log_without_durations_is_one_group(small_log):
    task = WatchTime(small_log)
    run = tfrec_zoo.train("D2Q", task, Training(epochs=1, verbose=0), hidden_units=(4,))
    assert not run.model.has_duration and run.model.predicts == "watch time"
    assert {"mae", "xauc", "bias"} <= set(run.metrics)
    # Of unknown duration all, and of no other is anything known.
    table = run.model.quantiles.watch_times.numpy()
    assert (table == table[0]).all() and float(run.model.quantiles.num_adapted) > 0


@pytest.mark.usefixtures("eagerly")
def test_trained_saved_and_restored_it_predicts_the_same(simulated_log, tmp_path):
    task = WatchTime(simulated_log)
    training = Training(epochs=1, learning_rate=0.01, verbose=0)
    run = tfrec_zoo.train("D2Q", task, training, hidden_units=(8,), num_groups=5)
    assert run.model.has_duration and np.ptp(run.model.quantiles.bounds) > 0
    run.save(tmp_path / "run")
    restored = checkpoints.restore(tmp_path / "run" / "checkpoint")
    assert task.evaluate(restored) == pytest.approx(task.evaluate(run.model))
    served = tfrec_zoo.load(tmp_path / "run")
    raw = task.examples(D2Q).test.take(np.arange(20)).raw()
    answer = served({key: list(raw[key]) for key in served.request})
    expected = run.model.pair_predictions(raw)
    np.testing.assert_allclose(answer["predictions"], expected, rtol=1e-4)
