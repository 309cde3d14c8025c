"""New items: into a model, into an export, by Python and by the command line."""

import json
import pathlib

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo as zoo
from tfrec_zoo import checkpoints
from tfrec_zoo.artifacts import read_manifest
from tfrec_zoo.cli import main
from tfrec_zoo.data import Log
from tfrec_zoo.features import (
    BagColumn,
    CrossedColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    IndicatorColumn,
    VectorColumn,
    Vocabulary,
    VocabularyColumn,
)
from tfrec_zoo.features.more_items import with_items

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

ITEM = VocabularyColumn("item_id", space="item")
BAG = BagColumn(VocabularyColumn("history", space="item"), 4)
GENRES = BagColumn(VocabularyColumn("genres"))
SPEC = FeatureSpec(
    (EmbeddingColumn(BAG, 3),),
    (EmbeddingColumn(ITEM, 3), EmbeddingColumn(GENRES, 2), VectorColumn("cover", 2)),
)
ITEMS = {
    "item_id": ["a", "b", "c"],
    "genres": [["pop"], ["pop", "rock"], []],
    "cover": [[1.0, 0.0], [0.0, 1.0], None],
}
X = {"history": np.array([["a", "b"], ["c", ""]])}


@pytest.fixture(scope="module")
def towers(untraced):
    features = Features.fit(SPEC, {**ITEMS, "history": ITEMS["item_id"]}, items=ITEMS)
    model = zoo.TwoTower(features, hidden_units=(4,), seed=1)
    model.compile("adam")
    with untraced():
        model.fit(X, np.array(["c", "a"]), epochs=3, verbose=0)
    return model


@pytest.mark.usefixtures("eagerly")
def test_an_item_is_told_by_its_features_alone(towers):
    new = {"item_id": ["d", "e"], "genres": [["pop", "rock", "new"], ["pop"]],
           "cover": [[0.0, 1.0], [1.0, 0.0]]}  # fmt: skip
    model = zoo.add_items(towers, new, "zeros")
    assert model.features.vocabularies["item"].tokens == ("a", "b", "c", "d", "e")
    assert model.features.vocabularies["genres"] == towers.features.vocabularies["genres"]
    # The known items, with no id: what is left is what a new one is told by.
    table = towers.tables["item"].table
    before = table.numpy()
    table.assign(tf.zeros_like(table))
    without_ids = towers.candidates().numpy()
    table.assign(before)
    vectors = model.candidates().numpy()
    np.testing.assert_allclose(vectors[3:], without_ids[[1, 0]], rtol=1e-5)  # d like b, e like a.
    np.testing.assert_array_equal(vectors[:3], towers.candidates())
    np.testing.assert_array_equal(model.features.items["genres"][0], ["pop", "", ""])
    # It is trained further, on the new items too.
    model.compile("adam")
    model.fit(X, np.array(["d", "e"]), verbose=0)
    assert model.tables["item"].table.numpy()[3:].any()


def test_widths_stay_that_would_grow_with_the_vocabulary():
    spec = FeatureSpec((EmbeddingColumn(BAG),), (ITEM,))
    features = Features(spec, {"item": Vocabulary(("a", "b", "c"))}, {})
    model = zoo.YouTubeRetrieval(features, hidden_units=(4,), seed=1)
    more = {"item_id": [f"new{i}" for i in range(20)]}
    grown = zoo.add_items(model, more, "zeros")
    assert grown.tables["item"].dimension == model.tables["item"].dimension == 4
    np.testing.assert_array_equal(grown.scores(X)[:, :3], model.scores(X))
    assert not grown.scores(X).numpy()[:, 3:].any()
    # In a history, too, they are nothing yet.
    with_new = {"history": np.array([["a", "b", "new3"]])}
    assert grown.tables["item"].table.shape == (23, 4)
    assert np.isfinite(grown.scores(with_new)).all()


def test_crosses_with_the_items_keep_their_meaning():
    country = VocabularyColumn("country")
    spec = FeatureSpec((IndicatorColumn(CrossedColumn((BAG, country), top_n=9)),), (ITEM,))
    x = {**X, "country": np.array(["nl", "ee"])}
    features = Features.fit(spec, {**x, "item_id": ["a", "b", "c"]})
    grown = with_items(features, {"item_id": ["d"]})
    cross = spec.crosses[0]
    assert grown.in_words(cross, [1, 2, 3]) == features.in_words(cross, [1, 2, 3])
    model = zoo.YouTubeRetrieval(features, hidden_units=(4,), seed=1)
    more = zoo.add_items(model, {"item_id": ["d"]}, "zeros")
    np.testing.assert_array_equal(more.scores(x)[:, :3], model.scores(x))


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        ({"sku": ["d"]}, KeyError, "the ids of the items, 'item_id'. Received: .*'sku'"),
        ({"item_id": ["d", "d"]}, ValueError, "a row per item. Received twice: 'd'"),
        ({"item_id": ["d", None]}, ValueError, "an id in every row. Received none in row 1"),
        ({"item_id": ["d", ""]}, ValueError, "an id in every row. Received none in row 1"),
        ({"item_id": [4.5]}, TypeError, "Feature 'item_id': Expected strings"),
        (
            {"item_id": ["d\ne"], "genres": [[]], "cover": [[]]},
            ValueError,
            "non-empty strings of one line",
        ),
        ({"item_id": ["d"], "genres": [["pop"]]}, KeyError, r"Received none of .* \['cover'\]"),
        (
            {"item_id": ["d"], "genres": [["pop"]], "cover": [[1.0]]},
            TypeError,
            "Feature 'cover': Expected vectors of 2 components",
        ),
    ],
)
def test_wrong_items_are_refused(towers, items, error, message):
    with pytest.raises(error, match=message):
        zoo.add_items(towers, items)


def test_content_is_not_told_from_nothing(towers):
    model = zoo.YouTubeRetrieval(
        Features(FeatureSpec((EmbeddingColumn(BAG, 2),), (ITEM,)), {"item": Vocabulary("abc")}, {}),
        hidden_units=(4,),
    )
    with pytest.raises(ValueError, match="learned from the items that the model knows.* 1 items"):
        zoo.add_items(model, {"item_id": ["d"], "price": [3.0]})
    ranking = zoo.LogisticRegression(towers.features)
    with pytest.raises(TypeError, match="to retrieval models; .* Received: LogisticRegression"):
        zoo.add_items(ranking, {"item_id": ["d"]})


@pytest.fixture(scope="module")
def shop() -> Log:
    """60 customers take tea (even numbers) or cups; what it is, only the titles say."""
    rng = np.random.default_rng(0)
    chosen = [2 * rng.choice(12, 6, replace=False) + user % 2 for user in range(60)]
    events = pd.DataFrame({"customer": np.repeat(np.arange(60), 6), "sku": np.concatenate(chosen)})
    events = events.assign(sku=events["sku"], time=np.arange(360))
    items = pd.DataFrame({"sku": range(24), "title": ["green tea", "blue cup"] * 12})
    items["title"] += [f" no. {i}" for i in range(24)]
    items["kind"] = ["tea", "cup"] * 12
    return Log("shop", events, items=items, roles=zoo.Roles(user="customer", item="sku"))


@pytest.fixture(scope="module")
def folder(shop, tmp_path_factory) -> pathlib.Path:
    training = zoo.Training(epochs=15, batch_size=64, learning_rate=0.02, verbose=0)
    run = zoo.train("YouTubeRetrieval", shop, training, hidden_units=(16,))
    return run.save(tmp_path_factory.mktemp("run"), given={"dataset": "shop", "data_dir": None})


def scores_of(served, request):
    """The score of each id, by row."""
    found = served.recommend(request, served.longest, include_history=True)
    return {(row, item): score for row, item, score in found[["row", "id", "score"]].to_numpy()}


REQUEST = {"history": [[0, 2], [1, 3, 99], []]}


def test_an_export_gets_more_items(folder, tmp_path):
    served = zoo.load(folder)
    new = pd.DataFrame({"sku": [100, 101, 3], "title": ["green tea no. 100", "blue cup x", "?"]})
    assert served.add_items(new, tmp_path / "new") == 2
    grown = zoo.load(tmp_path / "new")
    before, after = scores_of(served, REQUEST), scores_of(grown, REQUEST)
    assert grown.manifest["num_items"] == served.manifest["num_items"] + 2
    # The lists are as long as they were, and hold the new ones besides.
    assert after.keys() - before.keys() == {(r, i) for r in range(3) for i in (100, 101)}
    assert all(after[key] == score for key, score in before.items() if key in after)
    titles = grown.recommend({"history": [[0]]}, served.longest).set_index("id")["title"]
    assert titles[100] == "green tea no. 100" and titles[2] == "green tea no. 2"
    assert grown.items.titles_of([3]).tolist() == ["blue cup no. 3"]  # It was known.
    # Whoever takes tea is shown the new tea before the new cup, and the other way around.
    assert after[0, 100] > after[0, 101] and after[1, 101] > after[1, 100]
    # An excluded one is left out, and one in the history is known.
    best = grown.recommend({"history": [[0, 2]], "exclude": [[100]]}, served.longest)
    assert 100 not in best["id"].tolist() and 101 in best["id"].tolist()
    # The checkpoint is the same model, to be trained further; the result says what it is.
    model = checkpoints.restore(tmp_path / "new" / "checkpoint")
    assert model.num_items == grown.manifest["num_items"]
    result = json.loads((tmp_path / "new" / "result.json").read_text())
    assert result["config"]["added_items"] == 2
    assert result["config"]["given"] == {"dataset": "shop", "data_dir": None}
    assert read_manifest(tmp_path / "new" / "model", verify=True)["checksum"] == result["checksum"]
    # And further items can be added to it.
    assert grown.add_items(new.assign(sku=[200, 201, 100]), tmp_path / "newer", "mean") == 2


def test_the_command(folder, tmp_path, capsys):
    pd.DataFrame({"id": [100, 7], "name": ["green tea", "x"], "kind": ["tea", "cup"]}).to_csv(
        tmp_path / "items.csv", index=False
    )
    arguments = ["add-items", folder, "--items", tmp_path / "items.csv", "--item", "id",
                 "--title", "name", "--output", tmp_path / "new", "--json"]  # fmt: skip
    assert main([*map(str, arguments)]) == 0
    assert json.loads(capsys.readouterr().out) == {"output": str(tmp_path / "new"), "added": 1}
    best = zoo.load(tmp_path / "new").recommend({"history": [["0"]]}, 24)
    assert best.set_index("id").loc[100, "title"] == "green tea"
    assert main([*map(str, arguments[:-1]), "--new-rows", "category=colour"]) == 2
    assert "must be a column of the items" in capsys.readouterr().err
    assert main([*map(str, arguments[:6]), "--title", "nobody", "--output", "x"]) == 2
    assert "Received none of ['nobody']" in capsys.readouterr().err


def test_what_has_no_checkpoint_gets_no_items(folder, shop, tmp_path):
    with pytest.raises(
        ValueError, match="a checkpoint beside the model .*YouTubeRetrieval without"
    ):
        zoo.serving.load(folder / "model").add_items({"sku": [100]}, tmp_path / "new")
    with pytest.raises(ValueError, match="a folder of its own"):
        zoo.load(folder).add_items({"sku": [100]}, folder)
    assert not (tmp_path / "new").exists()
