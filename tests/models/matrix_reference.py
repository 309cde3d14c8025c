"""Scores and losses of matrix factorization in plain NumPy, and what they are tested on."""

import numpy as np

from tfrec_zoo.features import Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import MatrixFactorization

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)


SPEC = FeatureSpec((VocabularyColumn("user"),), (VocabularyColumn("item"),))

USERS, ITEMS = 8, 6

LOSSES = ("softmax", "logistic", "squared", "bpr", "warp")

PAIRWISE = ("bpr", "warp")

POINTWISE = ("logistic", "squared")


def make_features(users=USERS, items=ITEMS):
    pairs = [(f"u{i}", f"i{j}") for i in range(users) for j in range(items)]
    user, item = np.array(pairs).T
    return Features.fit(SPEC, {"user": user, "item": item})


FEATURES = make_features()

RNG = np.random.default_rng(0)

#: Pairs and lists [rows, 4]; u8 and i6 are unknown.
PAIRS = {
    "user": np.array([f"u{i}" for i in RNG.integers(0, USERS + 1, 30)]),
    "item": np.array([f"i{i}" for i in RNG.integers(0, ITEMS + 1, 30)]),
}

LISTS = {
    "user": PAIRS["user"],
    "item": np.array([f"i{i}" for i in RNG.integers(0, ITEMS + 1, 120)]).reshape(30, 4),
}

RATING = RNG.integers(1, 6, 30).astype(np.float32)

CLICKED = (RNG.random([30, 4]) < 0.4).astype(np.float32)

WEIGHT = RNG.integers(0, 4, 30).astype(np.float32)


def make(loss="softmax", **kwargs):
    """A model whose weights are all of the size of one, biases too."""
    model = MatrixFactorization(FEATURES, **{"embedding_dim": 3, "loss": loss, "seed": 1, **kwargs})
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    model.compile(tf.keras.optimizers.SGD(0.0))
    return model


def numbers(key, values):
    """The places of users or items in their table, one past its end for the unknown."""
    tokens = FEATURES.vocabularies[key].tokens
    places = {token: i for i, token in enumerate(tokens)}
    return np.vectorize(lambda value: places.get(value, len(tokens)))(values)


def weights_of(model):
    """p, q, b_u, b_i and b in float64, with zeros at the end of each for the unknown."""

    def padded(table):
        table = table.table.numpy().astype(np.float64)
        return np.concatenate([table, np.zeros_like(table[:1])])

    p, q = padded(model.embeddings.user), padded(model.embeddings.item)
    item_bias = padded(model.item_bias)[:, 0]
    if model.loss_name not in POINTWISE:
        return p, q, np.zeros(USERS + 1), item_bias, 0.0
    return p, q, padded(model.user_bias)[:, 0], item_bias, model.bias.numpy().astype(np.float64)[0]


def all_scores(model):
    """[users + 1, items + 1] p_u · q_i + b_u + b_i + b."""
    p, q, user_bias, item_bias, bias = weights_of(model)
    return p @ q.T + user_bias[:, None] + item_bias + bias


def scores_of(model, features):
    user, item = numbers("user", features["user"]), numbers("item", features["item"])
    return all_scores(model)[user if item.ndim == 1 else user[:, None], item]


def cross_entropy(logits, label):
    p = 1 / (1 + np.exp(-logits))
    return -np.log(np.where(label > 0, p, 1 - p))


def bpr(scores):
    return np.mean(np.log1p(np.exp(scores[:, 1:] - scores[:, :1])), axis=1)


def warp(scores, margin=1.0):
    losses = []
    for positive, *negatives in scores:
        hinges = [margin - positive + negative for negative in negatives]
        t = next((t for t, hinge in enumerate(hinges, start=1) if hinge > 0), None)
        rank = 0 if t is None else (ITEMS - 1) // t
        losses.append(sum(1 / r for r in range(1, rank + 1)) * (hinges[t - 1] if t else 0))
    return np.array(losses)


def pair_batch(loss):
    """Features, label, and the losses in NumPy of the scores."""
    return {
        "squared": (PAIRS, RATING, lambda s: (s - RATING) ** 2),
        "logistic": (LISTS, CLICKED, lambda s: cross_entropy(s, CLICKED)),
        "bpr": (LISTS, CLICKED, bpr),
        "warp": (LISTS, CLICKED, warp),
    }[loss]
