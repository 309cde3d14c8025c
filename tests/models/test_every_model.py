"""What every registered model does; a new one joins by its registry line and a reference file."""

import dataclasses
import functools
import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tfrec_zoo.artifacts import read_manifest
from tfrec_zoo.features import EmbeddingTable, request_arrays
from tfrec_zoo.metrics import MRR, HitRate
from tfrec_zoo.models import saving
from tfrec_zoo.registry import MODELS, Entry
from tfrec_zoo.serving import export

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


def each(*families: str) -> Any:
    """Runs a test for all models of families; all tests of a model in a row, which share models."""
    names = [name for name, entry in MODELS.items() if entry.family in families]
    return pytest.mark.parametrize("name", names, scope="module")


EACH, RETRIEVAL, RANKING = each("retrieval", "ranking"), each("retrieval"), each("ranking")
KNOWN = 10
UNKNOWN = {"string": "never seen", "int64": 777, "float32": np.float32("nan")}


def variables(model):
    """All that training leaves behind in a model."""
    of_metrics = {id(v) for metric in model.metrics for v in metric.variables}
    return [v for v in model.variables if id(v) not in of_metrics]


def state(model):
    return [v.numpy() for v in variables(model)]


def is_same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@dataclasses.dataclass
class Case:
    """A registered model, its reference and its family's data."""

    entry: Entry
    reference: Any
    data: Any

    def build(self, optimizer: Any = None, **kwargs: Any) -> Any:
        model = self.reference.build(self.data.features)
        model.compile(optimizer or tf.keras.optimizers.SGD(0.5), **kwargs)
        return model

    def fitted(self, **kwargs: Any) -> Any:
        """A model whose weights are all of the size of one, so that each of them matters."""
        model = self.build(**kwargs)
        if not self.reference.num_parameters:  # It learns in another way.
            model.fit(self.data.raw, self.data.label, verbose=0)
        self.randomise(model)
        return model

    def shared(self, learning_rate: float = 0.5) -> Any:
        """A fitted model with metrics, as it was before other tests trained it: traced once."""
        model, values = self._shared
        for variable, value in zip(variables(model), values, strict=True):
            variable.assign(value)
        model.optimizer.learning_rate = learning_rate
        return model

    @functools.cached_property
    def _shared(self) -> tuple[Any, list[np.ndarray]]:
        if self.entry.family == "retrieval":
            model = self.fitted(metrics=[HitRate(3), MRR()])
        else:
            plain, weighted = (tf.keras.metrics.BinaryAccuracy(n) for n in ("plain", "weighted"))
            model = self.fitted(metrics=[plain], weighted_metrics=[weighted])
        return model, state(model)

    @functools.cached_property
    def trained(self) -> tuple[Any, dict[str, list[float]]]:
        """A model whose weights and optimizer `fit` made and trained, and its history."""
        model = self.build(tf.keras.optimizers.Adam(0.03))
        return model, self.train(model).history

    def train(self, model: Any) -> Any:
        tf.keras.utils.set_random_seed(0)
        epochs = 8 if self.reference.num_parameters else 1
        return model.fit(self.data.raw, self.data.label, batch_size=16, epochs=epochs, verbose=0)

    def make_weights(self, model: Any) -> None:
        """Makes those of the optimizer too: then `fit` traces its step once, and not twice."""
        self.scores(model)
        model.optimizer.build(model.trainable_variables)

    def randomise(self, model: Any) -> None:
        self.make_weights(model)
        rng = np.random.default_rng(0)
        for variable in model.trainable_variables:
            variable.assign(rng.normal(size=variable.shape) / 2)

    def loss(self, model: Any) -> float:
        return float(model.compute_loss((self.data.raw, self.data.label)))

    def has_learned(self, model: Any) -> bool:
        return self.loss(model) < 0.9 * self.loss(self.build())

    def scores(self, model: Any, raw: Any = None) -> np.ndarray:
        raw = self.data.raw if raw is None else raw
        is_retrieval = self.entry.family == "retrieval"
        return (model.scores(raw) if is_retrieval else model(raw)).numpy()

    def losses(self, model: Any) -> np.ndarray:
        """The [rows] losses of the reference."""
        scores, data = self.reference.forward(model, self.data.numpy()), self.data
        if hasattr(self.reference, "losses"):
            return self.reference.losses(scores, data)
        own = scores[np.arange(len(scores)), data.classes]
        return np.where(data.classes >= 0, np.log(np.exp(scores).sum(1)) - own, 0)

    def request(self, **changes: Any) -> dict[str, np.ndarray]:
        """The last rows, in which all is known, with other values; None leaves a key out."""
        spec = self.data.features.spec
        raw = spec.raw_query if self.entry.family == "retrieval" else spec.raw
        rows = {**{key: self.data.raw[key][-KNOWN:] for key in raw}, **changes}
        return request_arrays(raw, {key: v for key, v in rows.items() if v is not None})


@pytest.fixture(scope="module")
def case(name, data_of, reference_of):
    entry = MODELS[name]
    return Case(entry, reference_of(entry), data_of(entry))


@pytest.fixture
def trainable(case):
    if not case.reference.num_parameters:
        pytest.skip("has no trainable variables")
    return case


def test_a_model_without_reference_is_told_what_to_write(reference_of):
    entry = Entry("Newcomer", "ranking", "A paper", "newcomer")
    with pytest.raises(pytest.fail.Exception, match=r"Newcomer .* write newcomer.py .* build\("):
        reference_of(entry)


# The function.


@EACH
def test_scores_are_those_of_the_paper(case):
    model = case.shared()
    scores, expected = case.scores(model), case.reference.forward(model, case.data.numpy())
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(case.scores(model, model.preprocessor(case.data.raw)), scores)


@EACH
def test_number_of_parameters(case):
    model = case.shared()
    shapes = [variable.shape for variable in model.trainable_variables]
    assert sum(int(np.prod(shape)) for shape in shapes) == case.reference.num_parameters


@EACH
def test_unknown_is_empty_is_missing(case):
    model = case.shared()
    before = case.scores(model, case.request())
    spec = case.data.features.spec
    changed = 0
    for key, feature in spec.raw.items():
        if key not in case.request():
            continue
        unknown = np.full([KNOWN, 2] if feature.is_bag else [KNOWN], UNKNOWN[feature.dtype])
        nothing = "" if feature.dtype == "string" else None
        empty = [[nothing] * 3 if feature.is_bag else nothing] * KNOWN
        missing = case.scores(model, case.request(**{key: empty}))
        np.testing.assert_array_equal(
            case.scores(model, case.request(**{key: unknown})), missing, err_msg=key
        )
        if len(case.request()) > 1:  # A request without any feature is none.
            left_out = case.scores(model, case.request(**{key: None}))
            np.testing.assert_array_equal(left_out, missing, err_msg=key)
        changed += not np.array_equal(missing, before)
    # Each feature matters, but to those models that look at none.
    looks = getattr(case.reference, "looks_at_features", case.reference.num_parameters > 0)
    assert changed == (len(case.request()) if looks else 0)


@EACH
def test_unknown_ids_move_no_row(trainable):
    model = trainable.shared()
    raw = trainable.data.features.spec.raw
    tables = [m.table for m in model.submodules if isinstance(m, EmbeddingTable)]
    if not tables:
        pytest.skip("has no embedding tables")
    unknown = {
        key: np.full([KNOWN, 2] if raw[key].is_bag else [KNOWN], UNKNOWN[raw[key].dtype])
        for key in trainable.request()
        if raw[key].dtype != "float32"
    }

    def moved(request):
        """How many rows a step on the square of the outputs would move."""
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(model(request)))
        gradients = tape.gradient(loss, tables, unconnected_gradients="zero")
        return sum(np.any(tf.convert_to_tensor(g) != 0, axis=1).sum() for g in gradients)

    assert moved(trainable.request()) > 0
    assert moved(trainable.request(**unknown)) == 0


# Training.


@EACH
def test_loss_falls(case):
    model, history = case.trained
    assert case.has_learned(model)
    assert set(history) == {"loss"}


@EACH
def test_gradient_reaches_every_variable(trainable):
    model = trainable.shared()
    with tf.GradientTape() as tape:
        loss = model.compute_loss((trainable.data.raw, trainable.data.label), training=True)
    variables = model.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        assert gradient is not None, variable.name
        assert np.any(tf.convert_to_tensor(gradient) != 0), variable.name


@EACH
def test_reported_loss_is_the_mean_of_all_examples(case):
    model, data = case.shared(learning_rate=0.0), case.data
    losses = case.losses(model)
    assert np.std(losses) > 0.1
    for batch_size in (7, 64):
        batch, arguments = (data.raw, data.label), {"batch_size": batch_size, "verbose": 0}
        weight = {"sample_weight": data.weight}
        plain = model.evaluate(*batch, return_dict=True, **arguments)["loss"]
        np.testing.assert_allclose(plain, losses.mean(), rtol=1e-5)
        weighted = model.evaluate(*batch, **weight, return_dict=True, **arguments)["loss"]
        np.testing.assert_allclose(weighted, (data.weight * losses).mean(), rtol=1e-5)
        if case.reference.num_parameters:  # The learning rate is 0, nothing moves.
            fit = model.fit(*batch, **weight, **arguments)
            np.testing.assert_allclose(fit.history["loss"], weighted, rtol=1e-5)


@EACH
def test_weight_zero_moves_nothing(case):
    model, data = case.shared(), case.data
    before = state(model)
    none = np.zeros(len(data.label), np.float32)
    model.fit(data.raw, data.label, sample_weight=none, verbose=0)
    assert is_same(state(model), before)
    model.fit(data.raw, data.label, sample_weight=none + 1, verbose=0)
    assert not is_same(state(model), before)


@EACH
def test_weight_two_pulls_exactly_twice_as_hard(trainable):
    model, data = trainable.shared(), trainable.data

    def gradients(weight):
        with tf.GradientTape() as tape:
            loss = model.compute_loss((data.raw, data.label, weight), training=True)
        return [tf.convert_to_tensor(g) for g in tape.gradient(loss, model.trainable_variables)]

    one, two = (gradients(tf.fill([len(data.label)], weight)) for weight in (1.0, 2.0))
    for single, double in zip(one, two, strict=True):
        np.testing.assert_array_equal(2 * single, double)


@EACH
def test_validation_loss_stops_early(case):
    model, data = case.shared(learning_rate=0.001), case.data
    # Nothing is an improvement: after the first epoch there is one more.
    stop = tf.keras.callbacks.EarlyStopping("val_loss", min_delta=1e9, patience=1)
    history = model.fit(
        data.raw,
        data.label,
        sample_weight=data.weight,
        validation_data=(data.raw, data.label, data.weight),
        epochs=4,
        callbacks=[stop],
        verbose=0,
    ).history
    assert len(history["loss"]) == len(history["val_loss"]) == 2
    if case.reference.num_parameters:  # The loss is that of the last epoch's weights.
        assert history["val_loss"][0] != history["val_loss"][1]
    np.testing.assert_allclose(
        history["val_loss"][-1], (data.weight * case.losses(model)).mean(), rtol=1e-5
    )


@RETRIEVAL
def test_metrics_of_retrieval_run_in_evaluation_only(case):
    data = case.data
    model = case.shared(learning_rate=0.0)
    validation = (data.raw, data.label)
    history = model.fit(data.raw, data.label, validation_data=validation, epochs=2, verbose=0)
    metrics = {"loss", "hit_rate_at_3", "mrr"}
    assert set(history.history) == {"loss"} | {f"val_{metric}" for metric in metrics}
    scores, classes = case.reference.forward(model, data.numpy()), data.classes
    own = scores[np.arange(len(scores)), classes][:, None]
    # Unknown items are misses, behind all others.
    ranks = np.where(classes >= 0, (scores >= own).sum(1) - 1, scores.shape[1])
    assert (classes < 0).sum() == 2
    evaluated = model.evaluate(*validation, return_dict=True, verbose=0)
    for found in ({k: v[-1] for k, v in history.history.items()}, evaluated):
        prefix = "val_" if "val_mrr" in found else ""
        np.testing.assert_allclose(found[f"{prefix}hit_rate_at_3"], (ranks < 3).mean(), rtol=1e-6)
        np.testing.assert_allclose(found[f"{prefix}mrr"], (1 / (1 + ranks)).mean(), rtol=1e-6)


@RETRIEVAL
def test_unknown_items_train_nothing(case):
    model, data = case.shared(), case.data
    before = state(model)
    items = np.where(np.arange(len(data.label)) % 2, "never seen", "")
    history = model.fit(data.raw, items, verbose=0).history
    assert is_same(state(model), before)
    assert history["loss"] == [0.0]


@RANKING
def test_metrics_of_ranking_see_probabilities(case):
    data = case.data
    model = case.shared(learning_rate=0.0)
    batch = (data.raw, data.label, data.weight)
    history = model.fit(*batch[:2], sample_weight=data.weight, validation_data=batch, verbose=0)
    logits = case.reference.forward(model, data.numpy())
    is_right = (logits > 0) == (data.label > 0)
    assert 0 < is_right.mean() < 1
    metrics = {"loss", "plain", "weighted"}
    assert set(history.history) == metrics | {f"val_{metric}" for metric in metrics}
    for prefix in ("", "val_"):
        found = {key: history.history[prefix + key][0] for key in ("plain", "weighted")}
        np.testing.assert_allclose(found["plain"], is_right.mean(), rtol=1e-6)
        expected = np.average(is_right, weights=data.weight)
        np.testing.assert_allclose(found["weighted"], expected, rtol=1e-6)


@EACH
def test_half_precision(case):
    data = case.data
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = case.fitted()
        scores = case.scores(model)
        # bfloat16 has 8 bits.
        expected = case.reference.forward(model, data.numpy())
        np.testing.assert_allclose(scores, expected, atol=0.03 * np.abs(expected).max())
        assert scores.dtype == np.float32
        assert all(variable.dtype == tf.float32 for variable in model.trainable_variables)
        model = case.build(tf.keras.optimizers.Adam(0.03))
        case.make_weights(model)
        case.train(model)
        assert case.has_learned(model)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")


# On disk.


@EACH
def test_config_round_trip(case):
    model = case.shared()
    config = json.loads(json.dumps(model.get_config()))
    again = case.entry.load().from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    assert again.features == model.features
    case.scores(again)  # makes the weights
    again.set_weights(model.get_weights())  # raises where shapes differ
    np.testing.assert_array_equal(case.scores(again), case.scores(model))


@EACH
def test_saved_restored_and_trained_further(case, tmp_path):
    data = case.data
    model, _ = case.trained
    saving.save(model, tmp_path / "checkpoint")
    restored = saving.restore(tmp_path / "checkpoint")
    assert type(restored) is type(model)
    assert restored.get_config() == model.get_config()
    np.testing.assert_array_equal(case.scores(restored), case.scores(model))
    # The moments of the optimizer are in the checkpoint as well.
    restored.compile(tf.keras.optimizers.Adam(0.03))
    for one in (model, restored):
        one.fit(data.raw, data.label, shuffle=False, verbose=0)
    for value, found in zip(state(model), state(restored), strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-6)


@EACH
def test_saved_again_before_it_is_used(case, tmp_path):
    model = case.shared()
    saving.save(model, tmp_path / "one")
    saving.save(saving.restore(tmp_path / "one"), tmp_path / "two")
    restored = saving.restore(tmp_path / "two")
    np.testing.assert_array_equal(case.scores(restored), case.scores(model))


# Exported.

_SERVE = """
import pathlib, sys, traceback
import numpy as np
import tensorflow as tf

def serve(folder):
    module = tf.saved_model.load(str(folder / "exported"))
    for path in folder.glob("*.request.npz"):
        request = {key: tf.constant(value) for key, value in np.load(path).items()}
        outputs = module.signatures["serving_default"](**request)
        kind, _, _ = path.name.split(".")
        np.savez(folder / f"{kind}.answer", **{k: v.numpy() for k, v in outputs.items()})
    zoo = [name for name in sys.modules if name.startswith(("tfrec_zoo", "tensorflow_recomm"))]
    assert not zoo, zoo

for line in sys.stdin:
    try:
        serve(pathlib.Path(line.rstrip()))
        print("served", flush=True)
    except Exception:
        traceback.print_exc()
        print("failed", flush=True)
"""


def num_rows(request):
    return len(next(iter(request.values())))


def served_requests(case):
    """Requests of an exported model: all rows; one of which all is unknown; one all missing."""
    spec = case.data.features.spec
    raw = spec.raw_query if case.entry.family == "retrieval" else spec.raw
    raw = {key: feature for key, feature in raw.items() if feature.serving is None}
    unknown = {
        key: np.full([1, 3] if f.is_bag else [1], UNKNOWN[f.dtype]) for key, f in raw.items()
    }
    requests = {
        "rows": {key: case.data.raw[key] for key in raw},
        "unknown": unknown,
        "missing": request_arrays(raw, {next(iter(raw)): [None]}),
    }
    for request in requests.values():
        if case.entry.family == "retrieval":
            exclude = np.array([["v3", ""], ["never seen", "v1"]])
            request["exclude"] = exclude[np.arange(num_rows(request)) % 2]
    return requests


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Answers the requests in a folder by the export in it, in a process with TensorFlow alone."""
    folder = tmp_path_factory.mktemp("server")
    plain = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    errors = folder / "stderr"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            cwd=folder,
            env=plain,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):

        def serve(exported):
            print(exported, file=process.stdin, flush=True)
            assert process.stdout.readline() == "served\n", errors.read_text()[-3000:]

        yield serve


@pytest.fixture(scope="module")
def served(case, serve, tmp_path_factory):
    """A model, the folder it was exported to, and what the export answered."""
    folder = tmp_path_factory.mktemp(case.entry.name)
    model = case.build()
    kwargs = {"k": 5} if case.entry.family == "retrieval" else {}
    export(model, folder / "exported", **kwargs)
    # Again, over the first, after it has changed.
    if not case.reference.num_parameters:
        model.fit(case.data.raw, case.data.label, verbose=0)
    case.randomise(model)
    export(model, folder / "exported", {"try": 2}, **kwargs)
    for kind, request in served_requests(case).items():
        texts = {k: v.astype("S") if v.dtype == object else v for k, v in request.items()}
        np.savez(folder / f"{kind}.request.npz", **texts)
    serve(folder)
    answers = {}
    for path in folder.glob("*.answer.npz"):
        with np.load(path, allow_pickle=True) as outputs:
            answers[path.name.split(".")[0]] = dict(outputs)
    return model, folder / "exported", answers


@EACH
def test_exported_twice_is_whole(case, served):
    _, folder, _ = served
    manifest = read_manifest(folder, verify=True)
    assert (manifest["model"], manifest["try"]) == (case.entry.name, 2)


def with_served_age(request):
    """Exports know an example's age: it is 0."""
    return {**request, "example_age": np.zeros(num_rows(request), np.float32)}


@RETRIEVAL
@pytest.mark.parametrize("kind", ["rows", "unknown", "missing"])
def test_exported_retrieval_finds_the_same(case, served, kind):
    model, _, answers = served
    answer = answers[kind]
    request = with_served_age(served_requests(case)[kind])
    excluded = case.data.numpy({"exclude": request.pop("exclude")}).ids("exclude", "video")
    scores = case.scores(model, request)
    expected = case.reference.forward(model, case.data.numpy(request))
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
    for row, ids in enumerate(excluded):
        scores[row, ids[ids > 0] - 1] = -np.inf
    best = -np.sort(-scores, axis=1)[:, :5]
    np.testing.assert_allclose(answer["scores"], best, rtol=1e-6, atol=1e-6)
    # Equal scores may come in any order, so each item is compared by its score.
    found = case.data.numpy({"ids": answer["ids"].astype("U")}).ids("ids", "video")
    assert all(len(set(ids)) == 5 and min(ids) > 0 for ids in found.tolist())
    of_found = np.take_along_axis(scores, found - 1, axis=1)
    np.testing.assert_allclose(of_found, answer["scores"], rtol=1e-6, atol=1e-6)


@RANKING
@pytest.mark.parametrize("kind", ["rows", "unknown", "missing"])
def test_exported_ranking_predicts_the_same(case, served, kind):
    model, _, answers = served
    answer = answers[kind]
    request = with_served_age(served_requests(case)[kind])
    logits = case.scores(model, request)
    expected = case.reference.forward(model, case.data.numpy(request))
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(answer["predictions"], model.predictions(logits), rtol=1e-5)


@EACH
def test_exported_unknown_is_missing(case, served):
    _, _, answers = served
    unknown, missing = answers["unknown"], answers["missing"]
    assert set(unknown) == set(missing)
    for key, value in unknown.items():
        np.testing.assert_array_equal(value, missing[key])
