"""What an export serves: true to the model, and loadable with TensorFlow alone."""

import json

import numpy as np
import pytest

# isort: split
import tensorflow as tf

from tfrec_zoo.features import MISSING, raw_signature, request_arrays
from tfrec_zoo.serving import ScannIndex, export, load, served
from tfrec_zoo.serving.export import ServedRetrieval


def tensors(request_features, request):
    specs = raw_signature(request_features)
    arrays = request_arrays(request_features, request)
    return {key: tf.constant(array, specs[key].dtype) for key, array in arrays.items()}


REQUESTS = {
    "history": [["v5", "v17", "v3"], [], ["v1"] * 80, ["?", ""]],
    "history_age": [[300.0, 20.0, 10.0], [], [5.0] * 80, []],
    "exclude": [[], ["v2", "v9"], [], []],
    "search_tokens": [["gambit"], [], [], ["blitz gambit"]],
    "recent_impressions": [["v7", "v7"], [], ["v8"], []],
    "country": ["IN", "", "BR", None],
    "device": ["desktop", None, "", "tv"],
    "age": [39.0, float("nan"), None, 12.0],
    "time": [100_000, -1, None, 400_000],
}


def test_example_age_is_no_input(world):
    for directory in (world.directory,):
        served_model = load(directory)
        for function in served_model.signatures.values():
            assert "example_age" not in function.structured_input_signature[1]
    assert "example_age" not in served(world.sources["network"]).request
    assert "example_age" in world.sources["network"].features.spec.raw_query


# Signatures.


def example(request, row):
    """A serialized tf.Example of one row, what is missing left out."""
    features = tf.train.Features()
    for key, values in request.items():
        value = values[row]
        value = value if isinstance(value, list) else [] if value is None else [value]
        if not value:
            continue
        if isinstance(value[0], str):
            features.feature[key].bytes_list.value.extend(v.encode() for v in value)
        elif isinstance(value[0], int):
            features.feature[key].int64_list.value.extend(value)
        else:
            features.feature[key].float_list.value.extend(value)
    return tf.train.Example(features=features).SerializeToString()


def test_examples(world):
    loaded = world.served
    serialized = [example(REQUESTS, row) for row in range(4)]
    assert len(set(map(len, serialized))) == 4
    found = loaded.signatures["examples"](examples=tf.constant(serialized))
    expected = loaded(REQUESTS)
    ids = np.vectorize(bytes.decode)(found["ids"].numpy())
    assert ids.tolist() == expected["ids"].tolist()
    np.testing.assert_allclose(found["scores"].numpy(), expected["scores"], rtol=1e-5)
    # Nothing at all is a request too.
    found = loaded.signatures["examples"](examples=tf.constant([b""]))
    expected = loaded({"history": [[]]})
    assert [i.decode() for i in found["ids"].numpy()[0]] == expected["ids"][0].tolist()
    with pytest.raises(tf.errors.InvalidArgumentError, match="country.*at most one value"):
        loaded.signatures["examples"](
            examples=tf.constant([example({"country": [["IN", "BR"]]}, 0)])
        )


@pytest.fixture(scope="module")
def ranking(world, tmp_path_factory):
    return load(export(world.ranking, tmp_path_factory.mktemp("ranking") / "model"))


def test_ranking(world, ranking):
    """`serving_default` scores rows as the model does; `rank`, lists of candidates per query."""
    rng = np.random.default_rng(0)
    batch, candidates = 3, 7
    query = {
        "history": [["v5", "v17", "v3"], [], ["v1", "?"]],
        "history_age": [[300.0, 20.0, 10.0], [], [5.0]],
        "history_channel": [["c0", "c1", "c1"], [], ["c2", ""]],
        "history_topic": [["cooking", "", "music"], [], ["cooking", "cooking"]],
        "recent_impressions": [["v7", "v7"], [], ["v8"]],
        "last_watched": ["v3", "", "?"],
        "device": ["desktop", "", "tv"],
        "age": [39.0, float("nan"), 12.0],
    }
    table = world.log.items.sample(batch * candidates, random_state=1)
    lists = {
        "video_id": table["video_id"].to_numpy(),
        "channel": table["channel"].to_numpy(),
        "topic": table["topic"].to_numpy(),
        "length": table["length"].to_numpy(np.float64),
        "item_age": rng.uniform(-1e5, 1e6, batch * candidates),
        **{
            f"candidate_{kind}_{name}": rng.normal(size=batch * candidates)
            for kind in ("score", "reciprocal_rank")
            for name in ("network", "popular")
        },
        "candidate_sources": rng.choice(np.array(["network", "popular", ""], object), (21, 2)),
    }
    rows = {key: [v for v in values for _ in range(candidates)] for key, values in query.items()}
    rows |= {key: values.tolist() for key, values in lists.items()}
    by_row = ranking(rows)["predictions"]

    model = world.ranking
    raw = tensors(model.features.spec.raw, rows)
    np.testing.assert_allclose(by_row, model.predictions(model(raw)).numpy(), rtol=1e-5)
    assert len(set(np.round(by_row, 5))) > 15

    shaped = {
        key: tf.constant(v.reshape(batch, candidates, *v.shape[1:])) for key, v in lists.items()
    }
    query_features = {k: f for k, f in ranking.request.items() if k not in lists}
    ranked = ranking.signatures["rank"](**tensors(query_features, query), **shaped)["predictions"]
    assert ranked.shape == (batch, candidates)
    np.testing.assert_allclose(ranked.numpy().ravel(), by_row, rtol=1e-5)

    found = ranking.signatures["examples"](
        examples=tf.constant([example(rows, row) for row in range(21)])
    )
    np.testing.assert_allclose(found["predictions"].numpy(), by_row, rtol=1e-5)


@pytest.fixture(scope="module")
def retrieval(world, tmp_path_factory):
    return load(export(world.sources["network"], tmp_path_factory.mktemp("r") / "model", k=7))


RETRIEVAL_REQUEST = {
    "history": [["v5", "v17", "v3"], [], ["v1"] * 80],
    "history_channel": [["c0", "c1", ""], [], ["c2"] * 80],
    "last_watched": ["v3", "", "v1"],
    "search_tokens": [["gambit"], [], []],
    "country": ["IN", "", "BR"],
    "age": [39.0, None, 70.0],
}


def test_query_and_retrieval(world, retrieval):
    model = world.sources["network"]
    query = retrieval(RETRIEVAL_REQUEST, "query")["query"]
    raw = {k: f for k, f in model.features.spec.raw_query.items() if k != "example_age"}
    expected = model({**tensors(raw, RETRIEVAL_REQUEST), "example_age": tf.zeros(3)}).numpy()
    np.testing.assert_allclose(query, expected, rtol=1e-5, atol=1e-6)

    exclude = [[], world.items[:3], world.items[5:]]
    found = retrieval({**RETRIEVAL_REQUEST, "exclude": exclude})
    scores = expected @ model.candidates().numpy().T
    for row in range(3):
        best = [world.items[i] for i in np.argsort(-scores[row], kind="stable")]
        best = [item for item in best if item not in exclude[row]][:7]
        filled = [*best, *[""] * (7 - len(best))]
        assert found["ids"][row].tolist() == filled
    np.testing.assert_allclose(found["scores"][0], np.sort(scores[0])[::-1][:7], rtol=1e-4)
    assert np.isneginf(found["scores"][2][5:]).all()


@pytest.mark.parametrize("short", ["history", "exclude", "time", "country"])
def test_inputs_of_other_rows_are_refused(world, retrieval, short):
    for asked in (load(world.directory), retrieval):
        features = {**asked.request, "exclude": asked.request["exclude"]}
        if short not in features:
            continue
        raw = tensors(features, {key: REQUESTS.get(key, [None] * 4) for key in features})
        answer = asked.signatures["serving_default"]
        assert answer(**raw)["ids"].shape[0] == 4
        raw[short] = raw[short][:1]
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"a row for each .* {short}"):
            answer(**raw)


@pytest.mark.parametrize("odd", ["history", "exclude", "time", "country"])
@pytest.mark.parametrize("axes", [1, -1])
def test_inputs_of_other_ranks_are_refused(world, retrieval, odd, axes):
    """What is excluded in bags of bags would else be recommended."""
    for asked in (load(world.directory), retrieval):
        features = {**asked.request, "exclude": asked.request["exclude"]}
        if odd not in features:
            continue
        raw = tensors(features, {key: REQUESTS.get(key, [None] * 4) for key in features})
        raw[odd] = raw[odd][..., None] if axes == 1 else raw[odd][..., 0]
        with pytest.raises(tf.errors.InvalidArgumentError, match="is not compatible with expected"):
            asked.signatures["serving_default"](**raw)


def test_popularity_has_nothing_but_exclude_to_ask(tmp_path):
    from tfrec_zoo.features import Features, FeatureSpec, VocabularyColumn
    from tfrec_zoo.models import Popularity

    spec = FeatureSpec(candidate=(VocabularyColumn("video_id"),))
    model = Popularity(Features.fit(spec, {"video_id": ["a", "b", "b"]}))
    loaded = load(export(model, tmp_path / "model", k=2))
    named = {"serving_default", "allow", "examples", "classify", "from_history"}
    assert set(loaded.signatures) == named
    assert set(loaded.request) == {"exclude"}
    assert loaded.recommend({"exclude": [["b"], []]})["id"].tolist() == ["a", "b", "a"]


# In a process without the package.

ALONE = """
import json, sys
if "scann" in sys.argv:
    from scann import scann_ops
import tensorflow as tf
answers = []
for folder, requests in json.loads(sys.stdin.read()):
    serve = tf.saved_model.load(folder).signatures["serving_default"]
    specs = serve.structured_input_signature[1]
    for request in requests:
        found = serve(**{k: tf.constant(v, specs[k].dtype) for k, v in request.items()})
        ids = [[i.decode() if isinstance(i, bytes) else i for i in row]
               for row in found["ids"].numpy().tolist()]
        answers.append([ids, found["scores"].numpy().tolist()])
print(json.dumps(answers))
"""


def as_json(request_features, request):
    """A request as the tensors' JSON: filled up, missing values explicit."""
    arrays = request_arrays(request_features, request)
    return {key: array.tolist() for key, array in arrays.items()}


def test_alone(world, integer_world, run_python):
    one = {"history": [["v5"]], "exclude": [world.items[3:]], "age": [20.0]}
    numbers = [{"history": [[1000, 5000], [7]]}, {"history": [[]], "exclude": [[2000]]}]
    asked = [(world, [REQUESTS, one]), (integer_world, numbers)]
    raw = [
        [str(some.directory), [as_json(some.served.request, request) for request in requests]]
        for some, requests in asked
    ]
    run = run_python(ALONE, input=json.dumps(raw))
    assert run.returncode == 0, run.stderr[-2000:]
    expected = [some.served(request) for some, requests in asked for request in requests]
    for (ids, scores), answer in zip(json.loads(run.stdout), expected, strict=True):
        assert ids == answer["ids"].tolist()
        np.testing.assert_allclose(scores, answer["scores"], rtol=1e-5, atol=1e-5)
        assert MISSING["string"] not in ids[0][:2]


def test_alone_with_scann(scann_ops, tmp_path, run_python):
    from tfrec_zoo.features import (
        BagColumn,
        EmbeddingColumn,
        Features,
        FeatureSpec,
        VocabularyColumn,
    )
    from tfrec_zoo.models import YouTubeRetrieval

    item = {"space": "video_id"}
    history = BagColumn(VocabularyColumn("history", **item))
    spec = FeatureSpec((EmbeddingColumn(history, 8),), (VocabularyColumn("video_id", **item),))
    features = Features.fit(spec, {"video_id": [f"v{i}" for i in range(1200)]})
    model = YouTubeRetrieval(features, hidden_units=(8,), tied=True, seed=1)
    module = ServedRetrieval(model, k=5, index="scann")
    assert isinstance(module.index, ScannIndex)
    directory = export(module, tmp_path / "model")
    loaded = load(directory)
    assert "Scann>ScannSearchBatched" in loaded.manifest["custom_ops"]
    requests = [{"history": [["v5", "v9"], ["v7", ""]], "exclude": [["v1", "v2"], ["v7", ""]]}]
    run = run_python(ALONE, "scann", input=json.dumps([[str(directory), requests]]))
    assert run.returncode == 0, run.stderr[-2000:]
    [[ids, scores]] = json.loads(run.stdout)
    expected = loaded(requests[0])
    assert ids == expected["ids"].tolist()
    np.testing.assert_allclose(scores, expected["scores"], rtol=1e-5)
    assert "v7" not in ids[1]
    assert len(set(ids[0])) == 5
