"""Odd and malformed requests: an answer that is right, or an error that is clear."""

import collections

import numpy as np
import pytest

import tfrec_zoo  # noqa: F401 (before TensorFlow)

# isort: split
import tensorflow as tf

from tfrec_zoo.features import raw_signature

CLEAR = (KeyError, TypeError, ValueError, tf.errors.InvalidArgumentError)
STRINGS = ["", "v1", "v5", "no such", "\x00", "é", "🦊" * 30, "x" * 100_000, "v1\n", " v1", "NaN"]
NUMBERS = [0.0, -1.0, 39.5, float("nan"), float("inf"), -float("inf"), 3e38, -3e38, 1e-45]
WHOLE = [0, 1, -1, -(2**63), 2**63 - 1, 10**9, 300_000]
#: What no feature takes, wherever it stands.
NONSENSE = [[[["v1"]]], {"v1": 2}, {"v1"}, object(), 1j, "v\ud800", b"\xff\xfe", [[b"\xc3"]], 2**80]
#: What some features take: None, numbers for strings and the other way round, bytes, booleans ...
ODD = [
    None,
    float("nan"),
    5,
    2.5,
    "5",
    b"v1",
    True,
    np.int32(7),
    np.float64(2),
    np.nan,
    "",
    10**400,
]


def pick(rng, values):
    return values[int(rng.integers(len(values)))]


def bag_of(rng, values, items):
    """A bag: a few values, mostly items, or now and then very many."""
    kind = rng.integers(8)
    if kind == 0:
        return []
    if kind == 1:
        return [pick(rng, items)]
    if kind == 2 and rng.integers(4) == 0:
        return rng.choice(np.array(items, object), 10_000).tolist()
    pool = [*items, *values] if isinstance(items[0], type(values[0])) else values
    return [pick(rng, pool) for _ in range(int(rng.integers(1, 40)))]


def valid_request(rng, features, items, rows):
    """Features of the right types, with every value that is allowed and strange."""
    values = {"string": STRINGS, "int64": WHOLE, "float64": NUMBERS}
    request = {}
    for key, feature in features.items():
        if rng.integers(4) == 0:
            continue
        own = values[feature.dtype]
        if key == "exclude" and rng.integers(6) == 0:
            request[key] = [list(items) for _ in range(rows)]
        elif feature.is_bag:
            # The lengths of `history_age` have nothing to do with those of the history.
            pool = NUMBERS if feature.dtype == "float64" else items
            request[key] = [bag_of(rng, own, pool) for _ in range(rows)]
        else:
            request[key] = [pick(rng, [*own, None]) for _ in range(rows)]
    return request or {"history": [[] for _ in range(rows)]}


def spoil(rng, request, rows):
    """Puts something wrong, or at least odd, into a request."""
    key = pick(rng, sorted(request))
    wrong = pick(rng, NONSENSE) if rng.integers(2) else pick(rng, ODD)
    how = rng.integers(6)
    if how == 0:
        return {**request, pick(rng, ["histroy", "", "example_age", "ids", 3, None]): [1] * rows}
    if how == 1:
        return {**request, key: wrong}  # Instead of a list of rows.
    if how == 2:
        return {**request, key: [*request[key][:-1], wrong]}  # Instead of a row.
    if how == 3:
        bag = request[key][-1]
        bag = [*bag[:20], wrong] if isinstance(bag, list) else [bag, wrong]
        return {**request, key: [*request[key][:-1], bag]}
    if how == 4:
        return {**request, key: [*request[key], *request[key][:1]]}  # Another number of rows.
    return pick(rng, [{}, None, [], "history", 5, {key: []}, {key: None}])


def check_answer(ids, scores, request, missing, known):
    """Distinct known items, best first, none of them seen or excluded; then only filler."""
    assert not np.isnan(scores).any()
    assert (scores[:, :-1] >= scores[:, 1:]).all()
    for row in range(len(ids)):
        found = [i for i in ids[row] if i != missing]
        assert list(ids[row][: len(found)]) == found
        assert len(set(found)) == len(found)
        assert set(found) <= known
        left_out = set()
        for key in ("history", "exclude"):
            bags = request.get(key) if isinstance(request, dict) else None
            left_out |= set(bags[row]) if bags is not None and bags[row] is not None else set()
        text = {v.decode(errors="replace") if isinstance(v, bytes) else v for v in left_out}
        assert not text & set(found)
        # Nothing more is held back than has to be.
        assert len(found) >= min(ids.shape[1], len(known - text))
        assert (scores[row][len(found) :] == 0).all()


@pytest.mark.parametrize("name", ["world", "integer_world"])
def test_requests_from_python(request, name):
    world = request.getfixturevalue(name)
    served, items = world.served, world.items
    missing = "" if isinstance(items[0], str) else -1
    rng = np.random.default_rng(11)
    outcomes = collections.Counter()
    for number in range(500):
        rows = int(rng.choice([1, 1, 1, 2, 3]))
        asked = valid_request(rng, served.request, items, rows)
        spoiled = number % 2 == 1
        if spoiled:
            asked = spoil(rng, asked, rows)
        try:
            if number % 4 < 2:
                answer = served(asked)
                ids, scores = answer["ids"], answer["scores"]
                check_answer(ids, scores, asked, missing, set(items))
            else:
                frame = served.recommend(asked, k=3)
                assert not frame["score"].isna().any()
                for row, part in frame.groupby("row"):
                    check_answer(part[["id"]].to_numpy().T, part[["score"]].to_numpy().T,
                                 {k: v[row : row + 1] for k, v in asked.items()
                                  if k in ("history", "exclude")},
                                 missing, set(part["id"]))  # fmt: skip
                    assert set(part["id"]) <= set(items)
        except CLEAR as error:
            assert spoiled, (error, asked)
            assert len(str(error)) > 20
            outcomes[type(error).__name__] += 1
        else:
            outcomes["spoiled, answered" if spoiled else "answered"] += 1
    print(name, dict(outcomes))
    assert outcomes["answered"] == 250
    assert outcomes["spoiled, answered"] >= 15
    assert min(outcomes[kind] for kind in ("KeyError", "TypeError", "ValueError")) >= 15
    assert sum(outcomes.values()) == 500


RAW_STRINGS = [
    *[s.encode() for s in STRINGS], b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\x00" * 9,
]  # fmt: skip


@pytest.mark.parametrize("name", ["world", "integer_world"])
def test_tensors_to_the_raw_signature(request, name):
    """What `Served` would refuse reaches the graph here: bytes that are no text, wrong shapes."""
    world = request.getfixturevalue(name)
    served = world.served
    serve = served.signatures["serving_default"]
    is_text = isinstance(world.items[0], str)
    items = [i.encode() for i in world.items] if is_text else world.items
    values = {"string": RAW_STRINGS, "int64": WHOLE, "float64": NUMBERS}
    specs = raw_signature(served.request)
    rng = np.random.default_rng(12)
    outcomes = collections.Counter()
    for number in range(200):
        rows = int(rng.choice([0, 1, 1, 2]))
        arrays = {}
        for key, feature in served.request.items():
            pool = values[feature.dtype]
            if feature.is_bag:
                length = int(rng.choice([0, 1, 5, 60]))
                if key == "history" and rng.integers(20) == 0:
                    length = 10_000
                if feature.dtype != "float64" and isinstance(items[0], type(pool[0])):
                    pool = [*pool, *items]
                shape = (rows, length)
            else:
                shape = (rows,)
            array = np.empty(shape, object)
            array[...] = pick(rng, pool)
            flat = array.reshape(-1)
            for at in range(min(flat.size, 200)):
                flat[at] = pick(rng, pool)
            arrays[key] = array
        spoiled = number % 4 == 3
        if spoiled:
            key = pick(rng, sorted(arrays))
            how = rng.integers(4)
            if how == 0:
                arrays.pop(key)
            elif how == 1:
                arrays["more"] = np.zeros(rows, object)
            elif how == 2:
                arrays[key] = arrays[key][..., None]
            else:
                arrays[key] = np.concatenate([arrays[key], arrays[key], arrays[key][:1]])
                spoiled = len(arrays[key]) != rows
        types = {key: specs[key].dtype if key in specs else tf.int64 for key in arrays}
        tensors = {
            key: tf.constant(a.tolist() if a.size else a, types[key], a.shape)
            for key, a in arrays.items()
        }
        try:
            answer = serve(**tensors)
        except CLEAR as error:
            assert spoiled, (error, arrays)
            outcomes[type(error).__name__] += 1
            continue
        outcomes["spoiled, answered" if spoiled else "answered"] += 1
        if not spoiled:
            ids, scores = answer["ids"].numpy(), answer["scores"].numpy()
            assert ids.shape == scores.shape == (rows, world.funnel.k)
            if is_text:
                ids = np.array([[i.decode() for i in row] for row in ids], object).reshape(
                    ids.shape
                )
            check_answer(ids, scores, arrays, "" if is_text else -1, set(world.items))
    print(name, dict(outcomes))
    assert outcomes["answered"] >= 150
    assert outcomes["TypeError"] + outcomes["InvalidArgumentError"] >= 20
    # A feature of nobody's rows is never answered as if it were fine.
    assert outcomes["spoiled, answered"] <= 8
