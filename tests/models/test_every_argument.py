"""What the arguments of every registered model mean: defaults, seeds, dropout and penalties."""

import inspect
import itertools
import re

import numpy as np
import pytest
from every_model import EACH
from field_reference import rows

from tfrec_zoo.features import BagColumn, DenseFeatures, EmbeddingColumn, EmbeddingTable
from tfrec_zoo.layers import UserItemEmbeddings

PENALTY = 0.5


def skip_without(case, argument):
    if not case.takes(argument):
        pytest.skip(f"has no argument `{argument}`")


@EACH
def test_defaults_are_the_papers(case):
    parameters = inspect.signature(case.entry.load()).parameters
    expected = case.reference.PAPER_DEFAULTS
    assert {key: parameters[key].default for key in expected} == expected


# Seeds.


@EACH
def test_a_seed_gives_the_same_weights_again(trainable):
    skip_without(trainable, "seed")
    drawn = 0
    for variant in trainable.variants:
        models = (trainable.at_start(variant), *(trainable.start(variant, s) for s in (1, 2)))
        one, same, other = (model.trainable_variables for model in models)
        for first, again, another in zip(one, same, other, strict=True):
            np.testing.assert_array_equal(first, again, f"{variant} {first.name}")
            if np.ptp(first) > 0:  # It is drawn, not a constant.
                drawn += 1
                assert not np.any(first.numpy() == another.numpy()), (variant, first.name)
    if not drawn:
        pytest.skip("draws nothing")


@EACH
def test_no_two_weights_start_alike(trainable):
    """Nor as the beginning of another, or as a multiple: each is drawn by a seed of its own."""
    skip_without(trainable, "seed")
    for variant in trainable.variants:
        variables = trainable.at_start(variant).trainable_variables
        starts = {v.name: v.numpy().ravel() for v in variables if np.ptp(v) > 0}
        for (name, one), (other, two) in itertools.combinations(starts.items(), 2):
            size = min(len(one), len(two))
            if size >= 8:
                correlation = np.corrcoef(one[:size], two[:size])[0, 1]
                assert abs(correlation) < 0.9999, (variant, name, other)


# Dropout.


@EACH
@pytest.mark.parametrize("hidden_units", [(8,), (8, 4)], ids=["one layer", "two layers"])
def test_dropout_is_for_training(trainable, hidden_units):
    skip_without(trainable, "dropout")
    raw = trainable.data.raw
    layers = {"hidden_units": hidden_units} if trainable.takes("hidden_units") else {}
    plain, thinned = (trainable.randomised(**layers, dropout=dropout) for dropout in (0.0, 0.5))
    expected = plain(raw).numpy()
    for found in (plain(raw, training=True), thinned(raw), thinned(raw, training=False)):
        np.testing.assert_array_equal(found, expected)
    changed = thinned(raw, training=True).numpy() != expected  # [rows] or [rows, dim]
    assert np.mean(changed.reshape(len(changed), -1).any(axis=1)) > 0.5


# Normalization.


@EACH
@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_normalization_is_of_the_batch_in_training_alone(trainable, normalization):
    skip_without(trainable, "normalization")
    model = trainable.randomised(hidden_units=(8, 4), normalization=normalization)
    assert len(model.weights) > len(trainable.randomised(hidden_units=(8, 4)).weights)
    raw = trainable.data.raw
    first = {key: value[:3] for key, value in raw.items()}
    np.testing.assert_allclose(model(first), model(raw)[:3], rtol=1e-4, atol=1e-5)
    in_training = model(raw, training=True).numpy()[:3]
    depends = not np.allclose(model(first, training=True), in_training, atol=1e-4)
    assert depends == (normalization == "batch")
    assert type(model).from_config(model.get_config()).normalization == normalization


# Penalties.


def unpenalised(case, model):
    """The identities of the weights that `l2` spares by design, though they are no biases."""
    spared = getattr(case.reference, "unpenalised", lambda model: [])
    return {id(variable) for variable in spared(model)}


def is_bias(variable):
    """Whether it is added and not multiplied, by its name."""
    name = variable.name.rpartition("/")[2].partition(":")[0]
    return re.fullmatch(r"b|bias(_\d+)?", name) is not None


@EACH
def test_l2_is_on_every_table_and_kernel_once(trainable):
    skip_without(trainable, "l2")
    for variant, arguments in trainable.variants.items():
        assert trainable.of_variant(variant).losses == [], variant
        model = trainable.randomised(**arguments, l2=PENALTY)
        spared = unpenalised(trainable, model)
        weights = [v for v in model.trainable_variables if not is_bias(v) and id(v) not in spared]
        expected = PENALTY * sum(np.sum(weight.numpy() ** 2) for weight in weights)
        hint = f"{variant}: weights that `l2` spares by design are `unpenalised` of the reference"
        np.testing.assert_allclose(sum(model.losses), expected, rtol=1e-5, err_msg=hint)


def lookups(model):
    """The tables that a model looks up, each with the column whose ids it takes."""
    for layer in model.submodules:
        if isinstance(layer, DenseFeatures):
            for column in layer.columns:
                if isinstance(column, EmbeddingColumn):
                    yield layer.tables[column.table], column.categorical
        elif isinstance(layer, UserItemEmbeddings):
            yield from zip((layer.user, layer.item), layer.columns, strict=True)


@EACH
def test_batch_l2_is_on_the_rows_that_a_batch_looks_up(trainable):
    skip_without(trainable, "batch_l2")
    model = trainable.randomised(batch_l2=PENALTY)
    request = trainable.data.raw
    if trainable.entry.family == "retrieval":  # Pairs look items up, too.
        request = {**request, model.item_column.key: trainable.data.label}
        if hasattr(trainable.reference, "look_up"):
            trainable.reference.look_up(model, request, trainable.data.label)
        else:
            model.pair_scores(request)
    else:
        model(request)
    raw, spared = trainable.data.numpy(request), unpenalised(trainable, model)
    expected, penalised = 0.0, set()
    for table, column in lookups(model):
        if id(table.table) in spared:
            continue
        penalised.add(id(table.table))
        read = raw.bag if isinstance(column, BagColumn) else raw.ids
        ids = read(column.key, column.space)
        # A bag counts all its rows, unknown ids are the zero vector.
        expected += PENALTY * np.sum(rows(table)[ids] ** 2) / len(ids)
    tables = {id(t.table) for t in model.submodules if isinstance(t, EmbeddingTable)}
    assert penalised == tables - spared
    assert expected > 0
    np.testing.assert_allclose(sum(model.losses), expected, rtol=1e-5)


# Values that no model takes.

WRONG = {
    "hidden_units": [64, (0,), (8, -1), (8, 2.5), "64,32", (8, True)],
    "embedding_dim": [0, -1, 2.5, "8", True],
    "dropout": [1.0, 1.5, -0.1, np.nan, "0.5"],
    "l2": [-0.1, np.nan, np.inf, "0.1", True],
    "batch_l2": [-0.1, np.nan, np.inf, "0.1"],
    "bias_l2": [-0.1, np.nan, np.inf, "0.1"],
    "temperature": [0.0, -1.0, np.nan, np.inf],
    "activation": ["relu6x", 3],
    "embedding_initializer": ["normall", 3],
    "seed": [-1, 1.5, "lucky", 2**32],
    "negatives": ["none", 3],
    "margin": [0.0, np.nan],
    "unobserved_weight": [0.0, -1.0, np.nan, "0.1"],
    "l2_exponent": [-1.0, np.nan],
    "max_neighbors": [0, 2.5],
    "neighbors_of": ["user", 3],
    "window": [-1.0, np.nan],
    "stddev": [-1.0, np.inf],
    "name": [3],
}


@EACH
def test_wrong_values_are_refused_in_one_line(case):
    cls, config = case.entry.load(), {**case._config, "features": case.data.features}
    for name, values in WRONG.items():
        if not case.takes(name):
            continue
        for value in values:
            with pytest.raises((ValueError, TypeError), match="Received: ") as error:
                cls(**{**config, name: value})
            wrong = value[-1] if isinstance(value, tuple) else value
            assert str(wrong) in str(error.value) and "\n" not in str(error.value)
            with pytest.raises(ValueError, match=f"{cls.__name__}: `{name}` must be .* Received: "):
                cls.checked_arguments({name: value})
    with pytest.raises(TypeError, match="argument 'num_towers'; there are .*'name'"):
        cls.checked_arguments({"num_towers": 3})


@EACH
def test_values_are_taken_as_the_types_that_are_declared(case):
    config = {**case._config, "features": case.data.features}
    of_numpy = {"hidden_units": [np.int64(6), 4], "l2": 1, "dropout": np.float32(0.5)}
    given = {name: value for name, value in of_numpy.items() if case.takes(name)}
    found = case.entry.load()(**{**config, **given}).get_config()
    kinds = {"hidden_units": tuple, "l2": float, "dropout": float}
    for name, value in given.items():
        assert type(found[name]) is kinds[name]
        assert found[name] == (tuple(value) if name == "hidden_units" else value)
