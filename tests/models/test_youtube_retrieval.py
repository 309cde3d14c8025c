import numpy as np
import pytest

from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.metrics import HitRate
from tfrec_zoo.models import YouTubeRetrieval
from tfrec_zoo.registry import MODELS
from tfrec_zoo.serving.export import served

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


@pytest.fixture(scope="module")
def chosen(data):
    return data["retrieval"]


def widths(model, raw):
    """In, out of each layer of the tower, once it is built."""
    model(raw)
    return [tuple(layer.kernel.shape) for layer in model.tower.layers]


@pytest.mark.parametrize(
    "hidden_units, expected",
    [
        ((), [(17, 5)]),
        ((5,), [(17, 5)]),
        ((8, 5), [(17, 8), (8, 5)]),
        ((16, 8, 5), [(17, 16), (16, 8), (8, 5)]),
        ((32, 16, 8, 5), [(17, 32), (32, 16), (16, 8), (8, 5)]),
    ],
)
def test_depths_of_the_paper(chosen, hidden_units, expected):
    model = YouTubeRetrieval(chosen.features, hidden_units=hidden_units, embedding_dim=5, seed=1)
    assert widths(model, chosen.raw) == expected
    query = model(chosen.raw)
    assert query.shape == (60, 5)
    assert model.candidates().shape == (12, 5)
    # ReLU but at depth 0, which is linear.
    assert (tf.reduce_min(query) < 0) == (not hidden_units)


@pytest.mark.parametrize("hidden_units", [(), (32, 16, 8, 5)])
def test_the_shallowest_and_the_deepest_learn(chosen, hidden_units):
    model = YouTubeRetrieval(chosen.features, hidden_units=hidden_units, embedding_dim=5, seed=1)
    model.compile(tf.keras.optimizers.Adam(0.02))
    losses = model.fit(chosen.raw, chosen.label, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


# Tied item vectors.


def test_tied_is_one_table(chosen):
    tied, free = (
        YouTubeRetrieval(chosen.features, hidden_units=(8, 4), tied=tied, seed=1)
        for tied in (True, False)
    )
    sizes = []
    for model in (tied, free):
        model(chosen.raw)
        sizes.append(sum(int(np.prod(v.shape)) for v in model.trainable_variables))
    assert sizes[1] - sizes[0] == 12 * 4  # the item vectors
    video = tied.tables["video"].table
    np.testing.assert_array_equal(tied.candidates(), video)
    np.testing.assert_allclose(
        tied.scores(chosen.raw), tied(chosen.raw).numpy() @ video.numpy().T, rtol=1e-5, atol=1e-7
    )


def test_tied_learns(chosen):
    model = YouTubeRetrieval(chosen.features, hidden_units=(8, 4), tied=True, seed=1)
    model.compile(tf.keras.optimizers.Adam(0.03))
    losses = model.fit(chosen.raw, chosen.label, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]


def test_tied_needs_equal_widths(chosen):
    with pytest.raises(
        ValueError, match="as wide as the last of `hidden_units`. Received: 4 and 8"
    ):
        YouTubeRetrieval(chosen.features, hidden_units=(8,), tied=True)
    with pytest.raises(ValueError, match="Received: 4 and 256"):
        YouTubeRetrieval(chosen.features, hidden_units=(), tied=True)


def test_tied_needs_an_embedding_of_items():
    spec = FeatureSpec((NumericColumn("age"),), (VocabularyColumn("video_id"),))
    features = Features.fit(spec, {"age": [1.0, 2.0], "video_id": ["a", "b"]})
    message = "need a query EmbeddingColumn in the items' ID space 'video_id'. Received: "
    with pytest.raises(ValueError, match=message):
        YouTubeRetrieval(features, hidden_units=(4,), tied=True)


# Sampled softmax.


@pytest.fixture(scope="module")
def catalogue():
    """200 items; the history holds one, and the next is the one after it."""
    items = np.array([f"v{i:03}" for i in range(200)])
    spec = FeatureSpec(
        (EmbeddingColumn(BagColumn(VocabularyColumn("history", space="video"), 1), 8),),
        (VocabularyColumn("video_id", space="video"),),
    )
    features = Features.fit(spec, {"video_id": items})
    return features, {"history": items[:, None]}, np.roll(items, -1)


TWENTY = {"kind": "log-uniform", "number": 20}


def test_sampled_training_learns_the_full_softmax(catalogue):
    features, raw, label = catalogue
    tf.keras.utils.set_random_seed(0)  # Of the order of the examples.
    model = YouTubeRetrieval(features, hidden_units=(16,), negatives=TWENTY, seed=1)
    model.compile(tf.keras.optimizers.Adam(0.03))
    history = model.fit(
        raw, label, batch_size=50, epochs=40, validation_data=(raw, label), verbose=0
    ).history
    # Validated on the full softmax, of 200 classes, and by hand:
    np.testing.assert_allclose(history["val_loss"][0], np.log(200), rtol=0.05)
    scores = model.scores(raw).numpy().astype(np.float64)
    classes = [features.vocabularies["video"].tokens.index(item) for item in label]
    losses = np.log(np.exp(scores).sum(1)) - scores[np.arange(200), classes]
    np.testing.assert_allclose(history["val_loss"][-1], losses.mean(), rtol=1e-5)
    assert history["val_loss"][-1] < 0.6 * np.log(200)
    # Trained on fewer than 200, that are corrected for it.
    assert history["loss"][0] != pytest.approx(history["val_loss"][0], rel=1e-3)


def test_sampled_gradients_touch_own_and_drawn_items_only(catalogue):
    features, raw, label = catalogue
    model = YouTubeRetrieval(features, hidden_units=(16,), negatives=TWENTY, seed=1)
    batch = ({"history": raw["history"][:10]}, label[:10])
    table = model.output_table.table
    for training, expected in ((True, range(10, 31)), (False, [200])):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(batch, training=training)
        gradient = tf.convert_to_tensor(tape.gradient(loss, table))
        assert np.any(gradient != 0, axis=1).sum() in expected


def test_unknown_items_train_nothing_when_sampled(catalogue):
    features, raw, label = catalogue
    model = YouTubeRetrieval(features, hidden_units=(16,), negatives=TWENTY, seed=1)
    model.compile(tf.keras.optimizers.SGD(0.5))
    model(raw)
    before = [variable.numpy() for variable in model.trainable_variables]
    loss = model.fit(raw, np.full(200, "never seen"), verbose=0).history["loss"]
    assert loss == [0.0]
    for variable, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


# Hierarchical softmax.


@pytest.fixture(scope="module")
def reference(reference_of):
    return reference_of(MODELS["YouTubeRetrieval"])


def hierarchical(chosen, **arguments):
    """A model whose weights are all of the size of one."""
    arguments = {"hidden_units": (8, 4), "output": "hierarchical", "seed": 1, **arguments}
    model = YouTubeRetrieval(chosen.features, **arguments)
    model(chosen.raw)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 2)
    return model


def test_hierarchical_scores_are_log_probabilities(chosen, reference):
    model = hierarchical(chosen)
    expected = reference.forward(model, chosen.numpy())
    assert np.ptp(expected, axis=1).max() > 3
    np.testing.assert_allclose(np.exp(expected).sum(axis=1), 1)
    np.testing.assert_allclose(model.scores(chosen.raw), expected, rtol=1e-5, atol=1e-5)
    assert model.candidates() is None
    # Embeddings and the tower are those of the softmax; then 11 nodes, each of 4 and a bias.
    sizes = [int(np.prod(v.shape)) for v in model.trainable_variables]
    assert sum(sizes) == 57 + 180 + 11 * (4 + 1)


def test_hierarchical_loss_in_training_and_evaluation(chosen, reference):
    model, classes = hierarchical(chosen), chosen.classes
    scores = reference.forward(model, chosen.numpy())
    known = classes >= 0
    assert (~known).sum() == 2
    losses = -scores[np.arange(60), classes][known]
    model.compile(tf.keras.optimizers.SGD(0.0), metrics=[HitRate(3)], run_eagerly=True)
    found = model.fit(
        chosen.raw, chosen.label, validation_data=(chosen.raw, chosen.label), verbose=0
    ).history
    np.testing.assert_allclose([found["loss"], found["val_loss"]], losses.mean(), rtol=1e-5)
    ranks = (scores[known] > -losses[:, None]).sum(axis=1)
    hits = (ranks < 3).sum() / 60  # Unknown labels are misses.
    np.testing.assert_allclose(found["val_hit_rate_at_3"], hits, rtol=1e-6)


def test_hierarchical_pairs_are_scored_as_among_all_items(chosen, reference):
    model, classes = hierarchical(chosen), chosen.classes
    expected = reference.forward(model, chosen.numpy())[np.arange(60), classes]
    expected = np.where(classes >= 0, expected, -np.inf)
    found = model.pair_scores({**chosen.raw, "video_id": chosen.label})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_hierarchical_temperature_divides_u(chosen):
    warm, plain = (hierarchical(chosen, temperature=t) for t in (0.5, 1.0))
    np.testing.assert_array_equal(warm.user_vectors(chosen.raw), 2 * plain.user_vectors(chosen.raw))
    np.testing.assert_array_equal(
        warm.scores(chosen.raw), plain.hierarchy(2 * plain.user_vectors(chosen.raw))
    )


def test_hierarchical_learns_from_the_paths_of_its_labels(catalogue):
    features, raw, label = catalogue
    model = YouTubeRetrieval(features, hidden_units=(16,), output="hierarchical", seed=1)
    model.compile(tf.keras.optimizers.legacy.SGD(0.5))
    batch = ({"history": raw["history"][:10]}, label[:10])
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch, training=True)
    gradient = tape.gradient(loss, model.hierarchy.nodes)
    assert isinstance(gradient, tf.IndexedSlices)
    moved = np.any(tf.convert_to_tensor(gradient) != 0, axis=1).sum()
    assert 10 < moved <= 10 * model.hierarchy.depth < 199
    model.compile(tf.keras.optimizers.Adam(0.05))
    history = model.fit(raw, label, batch_size=50, epochs=15, verbose=0).history["loss"]
    assert history[-1] < 0.3 * history[0]
    # Weights that training made are saved, without a prediction before.
    assert np.mean(model.scores(raw).numpy().argmax(axis=1) == (np.arange(200) + 1) % 200) > 0.5


def test_hierarchical_in_half_precision(chosen, reference):
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = hierarchical(chosen)
        scores = model.scores(chosen.raw).numpy()
        loss = model.compute_loss((chosen.raw, chosen.label), training=True)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert scores.dtype == np.float32 and loss.dtype == tf.float32
    assert {v.dtype for v in model.trainable_variables} == {tf.float32}
    expected = reference.forward(model, chosen.numpy())
    np.testing.assert_allclose(scores, expected, atol=0.03 * np.abs(expected).max())


def test_hierarchical_answers_are_the_most_probable_items(chosen, reference):
    model = hierarchical(chosen)
    request = {key: tf.constant(chosen.raw[key]) for key in model.raw_query if key != "example_age"}
    bags = {"exclude": tf.constant([["v0", "v3"]] * 60), "allow": tf.fill([60, 1], "")}
    found = served(model, k=3).answer(**request, **bags)
    expected = reference.forward(model, chosen.numpy({**chosen.raw, "example_age": np.zeros(60)}))
    tokens = np.array(chosen.features.vocabularies["video"].tokens)
    expected[:, np.isin(tokens, ["v0", "v3"])] = -np.inf
    best = np.argsort(-expected, axis=1)[:, :3]
    np.testing.assert_array_equal(found["ids"].numpy().astype(str), tokens[best])
    expected = np.take_along_axis(expected, best, axis=1)
    np.testing.assert_allclose(found["scores"], expected, rtol=1e-5, atol=1e-5)


def test_hierarchical_needs_two_items():
    query = (EmbeddingColumn(BagColumn(VocabularyColumn("history", space="video"))),)
    spec = FeatureSpec(query, (VocabularyColumn("video_id", space="video"),))
    features = Features.fit(spec, {"video_id": ["a"]})
    with pytest.raises(ValueError, match="needs two items or more. Received: 1"):
        YouTubeRetrieval(features, output="hierarchical")


@pytest.mark.parametrize(
    "arguments, received",
    [({"tied": True}, "tied=True, negatives=None"), ({"negatives": "mixed"}, "negatives='mixed'")],
)
def test_what_a_hierarchical_output_has_not(chosen, arguments, received):
    message = f'are for the output "softmax". Received: .*{received}, output=.hierarchical'
    with pytest.raises(ValueError, match=message):
        YouTubeRetrieval(chosen.features, output="hierarchical", **arguments)


# Temperature and seed.


def test_temperature_divides_the_scores(chosen):
    warm, plain = (
        YouTubeRetrieval(chosen.features, hidden_units=(8, 4), temperature=t, seed=1)
        for t in (0.5, 1.0)
    )
    np.testing.assert_array_equal(warm.scores(chosen.raw), 2 * plain.scores(chosen.raw))


def test_seed_gives_the_same_model_again(chosen):
    one, same, other = (
        YouTubeRetrieval(
            chosen.features, hidden_units=(8, 4), negatives="mixed", dropout=0.2, seed=s
        )
        for s in (1, 1, 2)
    )
    assert np.any(one.scores(chosen.raw) != other.scores(chosen.raw))
    losses = []
    for model in (one, same):
        tf.random.set_seed(0)
        model.compile(tf.keras.optimizers.SGD(0.5))
        losses.append(model.fit(chosen.raw, chosen.label, shuffle=False, verbose=0).history["loss"])
    assert losses[0] == losses[1]
    np.testing.assert_array_equal(one.scores(chosen.raw), same.scores(chosen.raw))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"negatives": "nearby"}, r"must be one of \['in-batch', .* Received: 'nearby'"),
        ({"negatives": {"number": 3}}, r"one of these as its `kind`.* Received: {'number': 3}"),
        ({"temperature": 0.0}, r"`temperature` must be positive. Received: 0.0"),
        ({"temperature": -1.0}, r"`temperature` must be positive. Received: -1.0"),
        ({"hidden_units": (8, 0)}, r"`hidden_units` must be positive integers. Received: "),
        ({"hidden_units": (), "embedding_dim": 0}, r"must be positive integers. Received: "),
        ({"output": "tree"}, r"`output` must be one of .*'hierarchical'\]. Received: 'tree'"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: 1.0"),
    ],
)
def test_bad_arguments(chosen, arguments, message):
    with pytest.raises(ValueError, match=message):
        YouTubeRetrieval(chosen.features, **arguments)


def test_an_item_column_is_needed():
    spec = FeatureSpec((NumericColumn("age"),), (NumericColumn("length"),))
    features = Features.fit(spec, {"age": [1.0], "length": [1.0]})
    with pytest.raises(ValueError, match="must have a VocabularyColumn of item ids. Received: "):
        YouTubeRetrieval(features)
