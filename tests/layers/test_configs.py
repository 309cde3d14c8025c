"""Every layer comes again from its configuration, or says in a sentence why it can't."""

import inspect
import json

import numpy as np
import pytest

from tfrec_zoo import features as feature_layers
from tfrec_zoo import layers
from tfrec_zoo.features import (
    DenseFeatures,
    EmbeddingColumn,
    EmbeddingTable,
    Features,
    FeatureSpec,
    LogNormalization,
    MinMaxNormalization,
    NumericColumn,
    Preprocessor,
    QuantileNormalization,
    VocabularyColumn,
    ZScoreNormalization,
    make_embedding_tables,
)
from tfrec_zoo.layers import (
    BilinearInteraction,
    CausalAttention,
    CompressedInteraction,
    Dropout,
    FieldEmbeddings,
    HierarchicalSoftmax,
    InteractingAttention,
    InteractionTower,
    LinearFeatures,
    Logit,
    MatrixCross,
    MixtureCross,
    ResidualUnit,
    SqueezeExcitation,
    StackedFeatures,
    Tower,
    TransductionUnit,
    TransformerBlock,
    TwoSidedDense,
    UnitNormalization,
    UserItemEmbeddings,
    VectorCross,
    WatchTimeQuantiles,
)

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

RNG = np.random.default_rng(0)
X = RNG.normal(size=[6, 4]).astype(np.float32)
FIELDS = RNG.normal(size=[6, 3, 4]).astype(np.float32)
PAIR = (X, RNG.normal(size=[6, 4]).astype(np.float32))

RAW = {
    "user": np.array(["u", "v"]),
    "item": np.array(["a", "b"]),
    "age": np.array([1.0, 2.0], np.float32),
}
USER, ITEM, AGE = VocabularyColumn("user"), VocabularyColumn("item"), NumericColumn("age")
IDS = Features.fit(FeatureSpec((USER,), (ITEM,)), RAW)
WIDE = Features.fit(FeatureSpec((EmbeddingColumn(USER), AGE), (ITEM,)), RAW)
ROWS = Preprocessor(WIDE)({key: tf.constant(value) for key, value in RAW.items()})
REGULARIZED = {"l2": 0.25, "seed": 4}

#: Arguments, all of them and none as by default, and an input.
CASES = {
    BilinearInteraction: ({"kind": "each", **REGULARIZED}, FIELDS),
    CausalAttention: ({"num_heads": 2, "dropout": 0.5, "time_bias": True, "seed": 4}, FIELDS),
    CompressedInteraction: (
        {"layer_sizes": (6, 3), "activation": "relu", "split_half": True, **REGULARIZED},
        FIELDS,
    ),
    Dropout: ({"rate": 0.5, "seed": 4}, X),
    HierarchicalSoftmax: ({"leaves": (0, 1, 1, 2), "dimension": 4, "l2": 0.25}, X),
    InteractingAttention: (
        {"head_dim": 3, "num_heads": 4, "residual": False, **REGULARIZED},
        FIELDS,
    ),
    InteractionTower: (
        {
            "features": IDS,
            "hidden_units": (5, 3),
            "embedding_dim": 2,
            "activation": "tanh",
            "dropout": 0.5,
            "batch_l2": 0.125,
            **REGULARIZED,
        },
        ROWS,
    ),
    LinearFeatures: (
        {"features": WIDE, "columns": WIDE.spec.columns, "l2": 0.25, "batch_l2": 0.125},
        ROWS,
    ),
    Logit: (REGULARIZED, X),
    Preprocessor: ({"features": WIDE}, {key: tf.constant(value) for key, value in RAW.items()}),
    MatrixCross: ({"projection_dim": 2, **REGULARIZED}, PAIR),
    MixtureCross: (
        {"projection_dim": 2, "num_experts": 3, "activation": "relu", **REGULARIZED},
        PAIR,
    ),
    ResidualUnit: ({"units": 5, **REGULARIZED}, X),
    SqueezeExcitation: ({"reduction_ratio": 1, **REGULARIZED}, FIELDS),
    Tower: (
        {
            "hidden_units": (5, 3),
            "activation": "tanh",
            "dropout": 0.5,
            "drop_output": False,
            "output_activation": "linear",
            "normalization": "layer",
            **REGULARIZED,
        },
        X,
    ),
    TransductionUnit: (
        {"max_length": 8, "num_heads": 2, "dropout": 0.5, "time_bias": True, "seed": 4},
        FIELDS,
    ),
    TransformerBlock: ({"num_heads": 2, "dropout": 0.5, "time_bias": True, "seed": 4}, FIELDS),
    TwoSidedDense: ({"units": 5, "activation": "tanh", **REGULARIZED}, PAIR),
    UserItemEmbeddings: (
        {"features": IDS, "dimension": 3, "stddev": 0.5, "batch_l2": 0.125, **REGULARIZED},
        ROWS,
    ),
    UnitNormalization: ({"kind": "batch"}, X),
    VectorCross: (REGULARIZED, PAIR),
    WatchTimeQuantiles: ({"num_groups": 3, "num_quantiles": 5}, (np.abs(X) / 4, X)),
}
SHARED = (DenseFeatures, FieldEmbeddings, StackedFeatures)
# Their own tests have more to say.
ELSEWHERE = (
    *(EmbeddingTable, QuantileNormalization, MinMaxNormalization, ZScoreNormalization),
    LogNormalization,
)


def found(layer, inputs):
    return [output.numpy() for output in tf.nest.flatten(layer(inputs))]


def test_no_layer_is_left_out():
    exported = [*vars(layers).values(), *vars(feature_layers).values()]
    every = {c for c in exported if inspect.isclass(c) and issubclass(c, tf.keras.layers.Layer)}
    known = {*CASES, *SHARED, *ELSEWHERE}
    assert sorted(c.__name__ for c in every - known) == []  # To be added to CASES.
    assert known <= every


@pytest.mark.parametrize("cls", CASES)
def test_comes_again_from_its_configuration(cls):
    arguments, inputs = CASES[cls]
    parameters = inspect.signature(cls).parameters
    assert {*arguments, "kwargs"} == set(parameters)
    layer = cls(**arguments, name="first")
    config = json.loads(json.dumps(layer.get_config()))
    for key, value in arguments.items():
        assert value != parameters[key].default, key
        if key == "features":
            assert Features.from_config(config[key]) == value
        elif key != "columns":
            assert config[key] == json.loads(json.dumps(value)), key
    again = cls.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    assert again.name == "first"
    if cls is LinearFeatures:
        assert again.columns == WIDE.spec.columns
    expected = found(layer, inputs)
    for one, other in zip(found(again, inputs), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (len(layer.losses) > 0) == ("l2" in arguments)
    np.testing.assert_array_equal(again.losses, layer.losses)
    if not layer.trainable_weights:
        return
    for weight in layer.trainable_weights:
        weight.assign(weight + 0.5)
    again.set_weights(layer.get_weights())
    for one, other, before in zip(
        found(again, inputs), found(layer, inputs), expected, strict=True
    ):
        np.testing.assert_array_equal(one, other)
        assert np.any(one != before)


@pytest.mark.parametrize("cls", SHARED)
def test_layers_on_tables_of_others_have_no_configuration(cls):
    tables = make_embedding_tables(WIDE, dimension=2)
    dimension = {"dimension": 2} if cls is FieldEmbeddings else {}
    layer = cls(WIDE, WIDE.spec.columns, tables, **dimension)
    message = f"^{cls.__name__} can't be made from a configuration, because the embedding tables"
    with pytest.raises(NotImplementedError, match=message):
        layer.get_config()
