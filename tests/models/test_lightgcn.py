"""What the tests of every model can't know of LightGCN."""

import numpy as np
import pytest

from tfrec_zoo import checkpoints, train
from tfrec_zoo.data import Log
from tfrec_zoo.features import Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import LightGCN
from tfrec_zoo.tasks import NextWatch
from tfrec_zoo.training import Training

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

SPEC = FeatureSpec((VocabularyColumn("user"),), (VocabularyColumn("item"),))
X = {"user": np.array(["u", "u", "v", "v", "u"])}
Y = np.array(["a", "b", "b", "c", "a"])
FEATURES = Features.fit(SPEC, {"user": list("uvw"), "item": list("abcd")})


def made(**arguments):
    """An adapted model, all of whose vectors are of the size of one."""
    model = LightGCN(FEATURES, **{"embedding_dim": 3, "seed": 1, **arguments})
    model.compile(tf.keras.optimizers.SGD(0.0))
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    model.adapt(X, Y)
    return model


def edges(model):
    users, items = (FEATURES.vocabularies[key].tokens for key in ("user", "item"))
    return [(users[u], items[i]) for u, i in model.graph.by_user.numpy().T]


def test_the_graph_is_of_what_was_chosen():
    expected = {("u", "a"), ("u", "b"), ("v", "b"), ("v", "c")}
    model = made()
    assert len(edges(model)) == 4 and set(edges(model)) == expected
    # A data set, of batches, in which an example of weight 0 and unknown ids are no edges.
    x = {"user": np.array([*X["user"], "w", "never seen", "w"])}
    y, weight = np.array([*Y, "d", "a", "never seen"]), np.array([1.0] * 5 + [0.0, 1.0, 1.0])
    model.adapt(tf.data.Dataset.from_tensor_slices((x, y, weight)).batch(3))
    assert len(edges(model)) == 4 and set(edges(model)) == expected


def test_another_graph_trains_another_step():
    model, x, y = made(), {"user": np.array(["w"])}, np.array(["d"])
    model.compile(tf.keras.optimizers.SGD(1.0))
    model.fit(X, Y, verbose=0)
    model.adapt(x, y)
    before = model.embeddings.user.table.numpy()
    model.fit(x, y, verbose=0)
    moved = np.any(model.embeddings.user.table.numpy() != before, axis=1)
    # Neither u nor v is joined to w or d any more.
    tokens = FEATURES.vocabularies["user"].tokens
    assert dict(zip(tokens, moved.tolist(), strict=True)) == {"u": False, "v": False, "w": True}


def test_the_loss_is_of_pairs_of_an_item_and_one_that_was_not_chosen():
    model = made()
    users, items = (side.numpy().astype(np.float64) for side in model.vectors(training=True))
    ids = {key: {t: i for i, t in enumerate(FEATURES.vocabularies[key].tokens)}
           for key in ("user", "item")}  # fmt: skip
    chosen, expected, evaluated = {"u": "ab", "v": "bc"}, [], []
    for user, item in zip(X["user"], Y, strict=True):
        scores = users[ids["user"][user]] @ items.T
        lead = {j: scores[ids["item"][item]] - scores[ids["item"][j]] for j in "abcd"}
        loss = {j: np.log1p(np.exp(-lead[j])) for j in "abcd"}
        expected.append(np.mean([loss[j] for j in "abcd" if j not in chosen[user]]))
        evaluated.append(np.mean([loss[j] for j in "abcd" if j != item]))
    repeated = {"user": np.tile(X["user"], 4000)}, np.tile(Y, 4000)
    found = float(model.compute_loss(repeated, training=True))
    assert found == pytest.approx(np.mean(expected), rel=0.01)
    found = float(model.compute_loss((X, Y), training=False))
    assert found == pytest.approx(np.mean(evaluated), rel=1e-5)


def test_users_and_items_that_do_not_go_together():
    model = made()
    with pytest.raises(ValueError, match="of the same examples. Received: 5 users and 2 items"):
        model.adapt(X, Y[:2])
    with pytest.raises(ValueError, match="unless `x` is a data set. Received: None"):
        model.adapt(X)


def test_a_user_of_all_items_trains_nothing():
    model = made()
    every = {"user": np.array(["u"] * 4)}, np.array(list("abcd"))
    model.adapt(*every)
    assert float(model.compute_loss(every, training=True)) == 0


def test_an_unknown_user_scores_zero():
    model = made()
    assert model.scores({"user": np.array(["never seen"])}).numpy().tolist() == [[0.0] * 4]


def test_scores_follow_each_epoch_and_each_propagation():
    model = made()
    model.compile(tf.keras.optimizers.SGD(1.0))
    seen = []
    look = tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(
            (model.scores(X).numpy(), [v.numpy() for v in model.vectors(training=True)])
        )
    )
    model.fit(X, Y, epochs=2, callbacks=[look], verbose=0)
    tokens = FEATURES.vocabularies["user"].tokens
    for scores, (users, items) in seen:
        expected = users[[tokens.index(user) for user in X["user"]]] @ items.T
        np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert np.any(seen[0][0] != seen[1][0])
    before = model.scores(X).numpy()
    model.train_on_batch(X, Y)
    np.testing.assert_array_equal(model.scores(X), before)
    model.propagate()
    assert np.any(model.scores(X) != before)


def test_a_restored_model_answers_and_wants_its_graph_to_train(tmp_path):
    model = made()
    checkpoints.save(model, tmp_path / "checkpoint")
    restored = checkpoints.restore(tmp_path / "checkpoint")
    np.testing.assert_array_equal(restored.scores(X), model.scores(X))
    restored.compile("sgd")
    with pytest.raises(ValueError, match=r"call `adapt\(x, y\)`. Received: a model that has none"):
        restored.fit(X, Y, verbose=0)


def test_validation_and_the_epochs_it_keeps_see_the_vectors_of_each_epoch(small_log: Log):
    """Without it, all epochs would score as the first."""
    task, training = NextWatch(small_log), Training(epochs=3, batch_size=64, learning_rate=0.05,
                                                    patience=3, verbose=0)  # fmt: skip
    run = train("LightGCN", task, training, embedding_dim=4, loss="softmax")
    losses = [row["val_loss"] for row in run.history]
    assert len(set(losses)) == len(losses) > 1
