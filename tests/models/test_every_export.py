"""Every registered model as a SavedModel, in a process without this package."""

import numpy as np
import pytest
from every_model import EACH, RANKING, RETRIEVAL, UNKNOWN

from tfrec_zoo import serving
from tfrec_zoo.artifacts import read_manifest
from tfrec_zoo.features import request_arrays

_SERVE = """
import pathlib, sys
import numpy as np
import tensorflow as tf

folder = pathlib.Path(sys.argv[1])
module = tf.saved_model.load(str(folder / "exported"))
for path in folder.glob("*.request.npz"):
    request = {key: tf.constant(value) for key, value in np.load(path).items()}
    outputs = module.signatures["serving_default"](**request)
    kind, _, _ = path.name.split(".")
    np.savez(folder / f"{kind}.answer", **{k: v.numpy() for k, v in outputs.items()})
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


@pytest.fixture(scope="module")
def served(case, run_python, tmp_path_factory):
    """A model, the folder it was exported to, and what the export answered."""
    folder = tmp_path_factory.mktemp(case.entry.name)
    model = case.build()
    kwargs = {"k": 5} if case.entry.family == "retrieval" else {}
    # It is served before it is called, and again after it has changed.
    serving.served(model, **kwargs)
    if not case.reference.num_parameters:
        model.fit(case.data.raw, case.data.label, verbose=0)
    case.make_weights(model)
    case.randomise(model)
    serving.export(model, folder / "exported", {"seed": 2}, **kwargs)
    # All that the spec has, but for models that read less of it.
    asked = {entry["key"] for entry in read_manifest(folder / "exported")["request"]}
    for kind, request in served_requests(case).items():
        request = {key: values for key, values in request.items() if key in asked}
        texts = {k: v.astype("S") if v.dtype == object else v for k, v in request.items()}
        np.savez(folder / f"{kind}.request.npz", **texts)
    run = run_python(_SERVE, folder)
    assert run.returncode == 0, run.stderr[-3000:]
    answers = {}
    for path in folder.glob("*.answer.npz"):
        with np.load(path, allow_pickle=True) as outputs:
            answers[path.name.split(".")[0]] = dict(outputs)
    return model, folder / "exported", answers


@EACH
def test_export_is_whole(case, served):
    _, folder, _ = served
    manifest = read_manifest(folder, verify=True)
    assert (manifest["model"], manifest["seed"]) == (case.entry.name, 2)


def with_served_age(request):
    """Exports know an example's age: it is 0."""
    return {**request, "example_age": np.zeros(num_rows(request))}


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
    # Sums of products come in another order: some units in the last place of the largest.
    rounding = {"rtol": 1e-6, "atol": 5e-6}
    np.testing.assert_allclose(answer["scores"], best, **rounding)
    # Equal scores may come in any order, so each item is compared by its score.
    found = case.data.numpy({"ids": answer["ids"].astype("U")}).ids("ids", "video")
    assert all(len(set(ids)) == 5 and min(ids) > 0 for ids in found.tolist())
    of_found = np.take_along_axis(scores, found - 1, axis=1)
    np.testing.assert_allclose(of_found, answer["scores"], **rounding)


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
