import numpy as np
import pytest

from tfrec_zoo.features import BagColumn, Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import ItemKNN
from tfrec_zoo.serving import export

SPEC = FeatureSpec(
    (BagColumn(VocabularyColumn("history", space="video")),), (VocabularyColumn("video"),)
)
# a, b, c: the most frequent first.
FEATURES = Features.fit(SPEC, {"video": [*"aaa", *"bb", "c"]})

# Baskets: a and b, twice; b and c; and one whose item is unknown, which is left out. Two users
# watched a, three b, one c.
X = {"history": np.array([["a", "a"], ["", "b"], ["no such", "c"], ["a", "c"]])}
Y = np.array(["b", "a", "b", "no such"])


def fitted(features=FEATURES, x=X, y=Y, weight=None, **arguments):
    model = ItemKNN(features, **arguments)
    model.compile()
    model.fit(x, y, sample_weight=weight, batch_size=3, verbose=0)
    return model


def similarities(model):
    """Row j: what a history of item j alone scores."""
    tokens = model.features.vocabularies["video"].tokens
    return model.scores({"history": np.array(tokens)[:, None]}).numpy()


@pytest.mark.parametrize("max_neighbors", [2, 3, 100, None])
@pytest.mark.parametrize("shrink", [0.0, 1.0])
def test_cosines_by_hand(max_neighbors, shrink):
    model = fitted(max_neighbors=max_neighbors, shrink=shrink)
    ab, bc = 2 / (np.sqrt(2 * 3) + shrink), 1 / (np.sqrt(3 * 1) + shrink)
    np.testing.assert_allclose(similarities(model), [[0, ab, 0], [ab, 0, bc], [0, bc, 0]],
                               rtol=1e-6)  # fmt: skip


def test_nearest_by_hand():
    # The nearest of a is b (.82), of b is a (.82, before c, .58), of c is b.
    model = fitted(max_neighbors=1, shrink=0.0)
    ab, bc = 2 / np.sqrt(6), 1 / np.sqrt(3)
    np.testing.assert_array_equal(model.neighbors, [[1], [0], [1]])
    np.testing.assert_allclose(model.neighbor_weights, [[ab], [ab], [bc]], rtol=1e-6)
    found = model.scores({"history": np.array([["c", "a"], ["b", "b"]])})
    np.testing.assert_allclose(found, [[0, ab + bc, 0], [ab, 0, 0]], rtol=1e-6)


def test_nearest_of_candidates_by_hand():
    # a is what is nearest to b, and b to both a and c: c alone in the history speaks for nobody.
    model = fitted(max_neighbors=1, shrink=0.0, neighbors_of="candidate")
    ab, bc = 2 / np.sqrt(6), 1 / np.sqrt(3)
    np.testing.assert_array_equal(model.neighbors, [[1], [0], [1]])
    np.testing.assert_allclose(similarities(model), [[0, ab, 0], [ab, 0, bc], [0, 0, 0]], rtol=1e-6)
    found = model.scores({"history": np.array([["c", "a"], ["b", "b"], ["", ""]])})
    np.testing.assert_allclose(found, [[0, ab, 0], [ab, 0, bc], [0, 0, 0]], rtol=1e-6)


def test_of_equally_near_ones_the_more_frequent_is_kept():
    x, y = {"history": np.array([["b"], ["c"], ["a"], ["a"]])}, np.array([*"caba"])
    # One user each of b and c, c and a, a and b, and one of a: c is as near to a as b is.
    model = fitted(x=x, y=y, max_neighbors=1, shrink=0.0)
    assert model.neighbors.numpy()[0].tolist() == [1]


@pytest.mark.parametrize("neighbors_of", ["history", "candidate"])
def test_against_vectors(neighbors_of):
    rng = np.random.default_rng(0)
    users, items = 60, 10
    names = np.array([f"v{i}" for i in range(items)] + ["", "no such"])
    # The last two are watched by nobody.
    history = names[np.where(rng.random([users, 5]) < 0.3, rng.choice([10, 11], [users, 5]),
                             rng.integers(0, 8, [users, 5]))]  # fmt: skip
    label = names[rng.integers(0, 8, users)]
    weight = rng.integers(0, 4, users).astype(np.float32)
    features = Features.fit(SPEC, {"video": names[:items]})
    tokens = features.vocabularies["video"].tokens
    # [users, items], each row times the root of its weight: columns are the items' vectors.
    vectors = np.sqrt(weight)[:, None] * np.array(
        [[float(v in {*h, y}) for v in tokens] for h, y in zip(history, label, strict=True)]
    )
    expected = np.zeros([items, items])
    for j in range(items):
        for i in set(range(items)) - {j}:
            lengths = np.linalg.norm(vectors[:, j]) * np.linalg.norm(vectors[:, i])
            expected[j, i] = vectors[:, j] @ vectors[:, i] / (lengths + 3)
    axis = ("history", "candidate").index(neighbors_of)
    for i in range(items):
        kept = expected[i] if axis == 0 else expected[:, i]  # A view.
        kept[kept < np.sort(kept)[-4]] = 0
    # No two are equal.
    assert (expected > 0).sum(1 - axis).tolist() == [4] * 8 + [0] * 2
    arguments = {"max_neighbors": 4, "shrink": 3, "neighbors_of": neighbors_of}
    model = fitted(features, {"history": history}, label, weight, **arguments)
    np.testing.assert_allclose(similarities(model), expected, rtol=1e-5, atol=1e-7)
    multi_hot = np.array([[float(v in h) for v in tokens] for h in history])
    found = model.scores({"history": history})
    np.testing.assert_allclose(found, multi_hot @ expected, rtol=1e-5, atol=1e-6)


def test_an_export_of_movielens_100k_is_small(tmp_path):
    items = [f"{i}" for i in range(1682)]
    model = fitted(Features.fit(SPEC, {"video": items}), y=np.array(["1", "2", "3", "4"]))
    export(model, tmp_path / "model")
    size = sum(path.stat().st_size for path in (tmp_path / "model").rglob("*") if path.is_file())
    assert size < 2e6


@pytest.mark.parametrize("shrink", [-1.0, np.nan])
def test_wrong_shrink(shrink):
    with pytest.raises(ValueError, match=f"`shrink` must be at least 0. Received: {shrink}"):
        ItemKNN(FEATURES, shrink=shrink)
