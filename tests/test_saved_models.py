"""The pretrained models: small, whole, as good as their cards say, with TensorFlow alone."""

import json
import pathlib
import re
import runpy
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import tfrec_zoo
from tfrec_zoo import cards, cli, presets, pretrained, registry
from tfrec_zoo.artifacts import read_manifest
from tfrec_zoo.data import Log, interaction_examples, leave_last_out, movielens
from tfrec_zoo.training import Training, fit

FOLDER = pathlib.Path(__file__).parents[1] / "saved_models"
MODELS = {
    f"{path.parts[-4]}/{path.parts[-3]}": read_manifest(path.parent)
    for path in FOLDER.glob("*/*/model/manifest.json")
}
#: Those whose metrics are recounted from the answers of their exports, by other code.
RECOMMENDERS = [f"{model}/movielens-100k" for model in ("ease", "mf", "neumf")]
CLICKS = [f"{model}/movielens-100k" for model in ("deepfm", "wide_deep")]
#: What the files of a model may take, and those of all together.
_BYTES_OF_ONE, _BYTES = 2_000_000, 30_000_000

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


@pytest.fixture(scope="module")
def task_of(ml_100k: Log):
    """Returns the task that a model was trained on; those that are alike are one."""
    made = {}

    def task_of(name):
        preset = presets.get(MODELS[name]["config"]["preset"])
        key = (preset.task, repr(preset.options))
        if key not in made:
            made[key] = preset.make_task(ml_100k)
        return made[key]

    return task_of


def test_every_architecture_comes_trained():
    assert {MODELS[name]["model"] for name in MODELS} == set(registry.MODELS)
    rows = {preset.row: preset.model for preset in presets.of_table("movielens-100k")}
    assert {name.partition("/")[0]: MODELS[name]["model"] for name in MODELS} == rows
    sizes = [path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(sizes) < _BYTES


@pytest.mark.parametrize("name", sorted(MODELS))
def test_small_and_whole(name):
    for part in ("model", "checkpoint"):
        read_manifest(FOLDER / name / part, verify=True)
    sizes = [path.stat().st_size for path in (FOLDER / name).rglob("*") if path.is_file()]
    assert sum(sizes) < _BYTES_OF_ONE
    manifest, row = MODELS[name], name.partition("/")[0]
    result = pretrained.result(name)
    result.pop("history", None)  # What was reported after each epoch is in the result alone.
    assert {key: manifest[key] for key in result} == result
    words = f"train --preset movielens-100k/{row} --dataset movielens/100k --output runs/{row}"
    assert manifest["command"] == f"tfrec-zoo {words}"
    assert manifest["dataset"] == "movielens/100k"
    assert len(manifest["checksum"]) == 64
    # Nothing of the items but their ids.
    items = FOLDER / name / "model" / "items.parquet"
    assert not items.exists() or pd.read_parquet(items).columns.tolist() == ["id"]


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", sorted(MODELS))
def test_measured_again_it_is_what_its_card_says(name, task_of):
    task, model = task_of(name), tfrec_zoo.from_preset(name)
    metrics = task.evaluate(model)
    assert task.checksum == MODELS[name]["checksum"]
    assert metrics == pytest.approx(MODELS[name]["metrics"], rel=1e-4, abs=2e-6)
    card = (FOLDER / name / cards.FILE).read_text(encoding="utf-8")
    assert card == cards.card(FOLDER / name, model.features, name)
    said = re.findall(r"^\| (\w+) \| ([\d.-]+) \|$", card, flags=re.MULTILINE)
    assert {metric: float(value) for metric, value in said} == pytest.approx(metrics, abs=1e-4)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "model",
    ["ials", "youtube_retrieval", "sasrec", "two_tower", "gmf", "xdeepfm", "youtube_ranking"],
)
def test_the_export_answers_as_the_checkpoint(model, task_of):
    name = f"{model}/movielens-100k"
    model, served = tfrec_zoo.from_preset(name), tfrec_zoo.load(name)
    examples = task_of(name).examples(type(model), model.get_config())
    raw = examples.test.take(np.arange(20)).raw(served.request)
    answer = served({key: list(values) for key, values in raw.items()})
    if model.family == "ranking":
        np.testing.assert_allclose(
            answer["predictions"], model.pair_predictions(raw), rtol=1e-4, atol=1e-5
        )
    else:
        best = np.sort(model.scores(raw).numpy(), axis=1)[:, ::-1][:, :100]
        np.testing.assert_allclose(answer["scores"], best, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", ["deepfm/movielens-100k", "mf/movielens-100k"])
def test_it_trains_on(name, task_of):
    model = tfrec_zoo.from_preset(name)
    examples = task_of(name).examples(type(model), model.get_config())
    before = [variable.numpy() for variable in model.weights]
    few = examples.train.take(np.arange(300))
    fit(model, few, Training(epochs=1, verbose=0), examples.negatives)
    assert any((a != b.numpy()).any() for a, b in zip(before, model.weights, strict=True))


def test_the_list_and_the_table_are_of_these_models(capsys):
    assert cli.main(["list", "--pretrained", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(MODELS)
    row = rows["mf/movielens-100k"]
    assert (row["model"], row["request"]) == ("MatrixFactorization", ["user_id", "exclude"])
    assert row["metric"] == "hit_rate_at_10"
    assert row["value"] == MODELS["mf/movielens-100k"]["metrics"]["hit_rate_at_10"]
    folder = FOLDER / "mf" / "movielens-100k"
    assert row["bytes"] == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert cli.main(["list", "--pretrained"]) == 0
    assert re.search(r"^mf/movielens-100k +\d\.\d MB +hit_rate_at_10=0\.\d{4}  user_id, exclude$",
                     capsys.readouterr().out, flags=re.MULTILINE)  # fmt: skip
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"<!-- models -->\n{runpy.run_path(str(FOLDER / 'pack.py'))['table']()}\n" in page


def test_an_export_of_version_0_1_0_ranks_what_its_checkpoint_knows(tmp_path):
    """The manifests of the first exports say nothing of candidates and items."""
    request = {"user_id": ["196", "22"]}
    expected = tfrec_zoo.load("neumf/movielens-100k").recommend(request, k=3)
    folder = shutil.copytree(FOLDER / "neumf" / "movielens-100k", tmp_path / "neumf")
    path = folder / "model" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    (folder / "model" / "items.parquet").unlink()
    del manifest["files"]["items.parquet"]
    later = ("generation", "candidate", "item", "ignored", "num_items", "excludes_history")
    for name in (*later, "indexes", "items"):
        del manifest[name]
    for feature in manifest["request"]:
        del feature["argument"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    found = tfrec_zoo.load(folder).recommend(request, k=3)
    assert "title" not in found
    pd.testing.assert_frame_equal(found, expected.drop(columns="title", errors="ignore"))


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
