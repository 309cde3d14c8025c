"""The pretrained exports: small, whole, as good as their manifests say, with TensorFlow alone."""

import pathlib
import shutil

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import tfrec_zoo
from tfrec_zoo import presets, pretrained
from tfrec_zoo.artifacts import read_manifest
from tfrec_zoo.data import Log, interaction_examples, leave_last_out, movielens
from tfrec_zoo.training import Training, fit

FOLDER = pathlib.Path(__file__).parents[1] / "saved_models"
MODELS = {
    f"{path.parts[-4]}/{path.parts[-3]}": read_manifest(path.parent)
    for path in FOLDER.glob("*/*/model/manifest.json")
}
RECOMMENDERS = sorted(name for name in MODELS if "hit_rate_at_10" in MODELS[name]["metrics"])
CLICKS = sorted(name for name in MODELS if "logloss" in MODELS[name]["metrics"])

_ASK = """
import sys
import numpy as np
import tensorflow as tf

module = tf.saved_model.load(sys.argv[1])
request = {key: tf.constant(value) for key, value in np.load(sys.argv[2]).items()}
outputs = module.signatures[sys.argv[3]](**request)
np.savez(sys.argv[4], **{key: value.numpy() for key, value in outputs.items()})
"""


@pytest.fixture(scope="module")
def ml_100k(movielens_dir: pathlib.Path) -> Log:
    return movielens("100k", movielens_dir)


@pytest.fixture
def ask(run_python, tmp_path):
    """Returns what an export answers in a process that knows nothing of this package."""

    def ask(name, request, signature):
        asked, answered = tmp_path / "request.npz", tmp_path / "answer.npz"
        texts = {k: v.astype("S") if v.dtype == object else v for k, v in request.items()}
        np.savez(asked, **texts)
        run = run_python(_ASK, FOLDER / name / "model", asked, signature, answered)
        assert run.returncode == 0, run.stderr[-3000:]
        with np.load(answered, allow_pickle=True) as answer:
            return dict(answer)

    return ask


def test_there_are_models():
    assert {MODELS[name]["model"] for name in RECOMMENDERS} >= {
        "EASE",
        "MatrixFactorization",
        "NeuMF",
    }
    assert {MODELS[name]["model"] for name in CLICKS} >= {
        "AutoInt",
        "DCNV2",
        "DeepFM",
        "WideDeep",
    }
    assert set(MODELS) == {*RECOMMENDERS, *CLICKS}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_small_and_whole(name):
    for part in ("model", "checkpoint"):
        read_manifest(FOLDER / name / part, verify=True)
    sizes = [path.stat().st_size for path in (FOLDER / name).rglob("*") if path.is_file()]
    assert max(sizes) < 2_000_000
    manifest = MODELS[name]
    assert manifest["command"].startswith("tfrec-zoo train --preset movielens-100k/")
    assert manifest["dataset"] == "movielens/100k"
    assert len(manifest["checksum"]) == 64
    metrics = manifest["metrics"]
    assert metrics["hit_rate_at_10"] > 0.05 if name in RECOMMENDERS else metrics["auc"] > 0.8
    assert {"seed", "protocol", "versions"} <= set(manifest)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", sorted(MODELS))
def test_answers_and_trains_on_by_its_name(name, ml_100k, monkeypatch, tmp_path):
    """The checkpoint is of the model that was exported; training it further changes it."""
    preset = presets.get(MODELS[name]["config"]["preset"])
    task = preset.make_task(ml_100k)
    model = tfrec_zoo.from_preset(name)
    examples = task.examples(type(model), preset.arguments)
    few = examples.test.take(np.arange(20))
    served = tfrec_zoo.load(name)
    raw = few.raw(served.request)
    if model.family == "ranking":
        answer = served({key: list(raw[key]) for key in served.request})["predictions"]
        np.testing.assert_allclose(answer, model.pair_predictions(raw), rtol=1e-4, atol=1e-5)
    else:
        answer = served({key: list(value) for key, value in raw.items()})
        best = np.sort(model.scores(raw).numpy(), axis=1)[:, ::-1][:, :100]
        np.testing.assert_allclose(answer["scores"], best, rtol=1e-4, atol=1e-4)
    before = [variable.numpy() for variable in model.weights]
    fit(model, examples.train.take(np.arange(300)), Training(epochs=1, verbose=0),
        examples.negatives)  # fmt: skip
    assert any((a != b.numpy()).any() for a, b in zip(before, model.weights, strict=True))


def test_rankers_without_a_catalogue_rank_what_they_know_or_are_given():
    served = tfrec_zoo.load("neumf/movielens-100k")
    found = served.recommend({"user_id": [196], "exclude": [[50]]}, k=2000)
    assert len(found) == found["id"].nunique() > 1600 and "50" not in set(found["id"])
    some = found["id"].tolist()[::300]
    request = {"user_id": ["196"] * len(some), "movie_id": some}
    np.testing.assert_allclose(served.score(request), found["score"][::300], rtol=1e-5)
    clicks = tfrec_zoo.load("deepfm/movielens-100k")
    features = {"movie_id": [["1", "2"]], "genres": [[["0"], ["4", "7"]]], "year": [[1995, 1995]]}
    ranked = clicks.recommend({"user_id": [196]}, candidates=features)
    rows = {key: values[0] for key, values in features.items()} | {"user_id": ["196", "196"]}
    scores = dict(zip(rows["movie_id"], clicks.score(rows), strict=True))
    np.testing.assert_allclose(ranked["score"], [scores[item] for item in ranked["id"]], rtol=1e-5)
    with pytest.raises(KeyError, match=r"candidates without \['genres', 'year'\]"):
        clicks.recommend({"user_id": [196]}, candidates=[["1", "2"]])
    with pytest.raises(ValueError, match="for the whole catalogue to be ranked"):
        clicks.recommend({"user_id": [196]})


def test_a_wrong_checksum_is_refused(monkeypatch, tmp_path):
    name = RECOMMENDERS[0]
    shutil.copytree(FOLDER / name, tmp_path / name)
    monkeypatch.setenv("TFREC_ZOO_MODELS", str(tmp_path))
    assert pretrained.find(name) == tmp_path / name
    for part, load in (("model", tfrec_zoo.load), ("checkpoint", tfrec_zoo.from_preset)):
        path = max((tmp_path / name / part).rglob("*"), key=lambda path: path.stat().st_size)
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        with pytest.raises(ValueError, match=f"{path.name} is damaged"):
            load(name)
    with pytest.raises(FileNotFoundError, match=r"only \[.*neumf.*\].*Received: 'neumf/netflix'"):
        tfrec_zoo.load("neumf/netflix")


@pytest.mark.parametrize("name", CLICKS)
def test_the_auc_of_the_manifest_is_that_of_its_answers(name, ml_100k, ask):
    task = presets.get(MODELS[name]["config"]["preset"]).make_task(ml_100k)
    test = task.parts[2]
    request = {feature["key"]: feature["dtype"] for feature in MODELS[name]["request"]}
    raw = {
        key: values.astype("float32") if request[key] == "float32" else values
        for key, values in test.raw(request).items()
    }
    p = ask(name, raw, "serving_default")["predictions"]
    assert roc_auc_score(test.label, p) == pytest.approx(MODELS[name]["metrics"]["auc"], abs=1e-4)


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_the_hit_rate_of_the_manifest_is_that_of_its_answers(name, ml_100k, ask):
    """Recounted from the answers: the last item of each user, among all not seen before."""
    manifest = MODELS[name]
    test = interaction_examples(ml_100k, leave_last_out(ml_100k).test)
    seen, item = test.seen, test.candidates.values["movie_id"]
    target = item[test.candidates.index]
    watched = [seen.values["history"][a:b] for a, b in zip(seen.start, seen.stop, strict=True)]
    user = test.raw(["user_id"])["user_id"]
    if manifest["model"] == "NeuMF":
        every = np.broadcast_to(item, (len(user), len(item)))
        # A list per user: all items, scored at once.
        answer = ask(name, {"user_id": user, "movie_id": every}, "rank")
        scores = answer["predictions"]
        ids = np.array([
            item[np.argsort(-np.where(np.isin(item, items), -1, row), kind="stable")[:10]]
            for row, items in zip(scores, watched, strict=True)
        ])  # fmt: skip
    else:
        longest = max(map(len, watched))
        bags = np.full([len(watched), longest], "", object)
        for bag, items in zip(bags, watched, strict=True):
            bag[: len(items)] = items
        request = {"exclude": bags}
        request.update({"user_id": user} if name.startswith("mf") else {"history": bags})
        ids = ask(name, request, "serving_default")["ids"][:, :10]
    hits = (ids.astype("S") == target.astype("S")[:, None]).any(axis=1)
    assert abs(hits.mean() - manifest["metrics"]["hit_rate_at_10"]) < 0.003
