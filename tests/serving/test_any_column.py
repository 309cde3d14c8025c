"""Features of any name, in every signature and in a process with TensorFlow alone."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tfrec_zoo  # noqa: F401 (before TensorFlow)

# isort: split
import tensorflow as tf

from tfrec_zoo.data import Log
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import FactorizationMachine, Popularity, YouTubeRetrieval
from tfrec_zoo.serving import Funnel, Served, export, load
from tfrec_zoo.serving.arguments import argument_names

USER = ["class", "Age", "age", "home town", "größe", "0"]
ITEM = ["release year", "Unnamed: 0", "_lang"]


def test_names_are_kept_where_they_can_be() -> None:
    kept = ["history", "release_year", "x1", "Age"]
    assert argument_names(kept) == {key: key for key in kept}
    found = argument_names([*USER, *ITEM, "年", "!", "release_year", "self", "a b", "a-b"])
    assert found == {
        "class": "class_",
        "Age": "Age",
        "age": "age_2",  # TensorFlow takes them for one.
        "home town": "home_town",
        "größe": "gr_e",
        "0": "feature_0",
        "release year": "release_year_2",
        "Unnamed: 0": "Unnamed_0",
        "_lang": "lang",
        "年": "feature",
        "!": "feature_2",
        "release_year": "release_year",
        "self": "self_",
        "a b": "a_b",
        "a-b": "a_b_2",
    }


def _log() -> Log:
    rng = np.random.default_rng(0)
    n = 60
    events = pd.DataFrame(
        {
            "user id": [f"u{i % 10}" for i in range(n)],
            "item-id": [f"i{i}" for i in rng.integers(0, 12, n)],
            "time": np.arange(n),
        }
    )
    users = pd.DataFrame({"user id": [f"u{i}" for i in range(10)]})
    for number, name in enumerate(USER):
        users[name] = [f"{name}{(i + number) % 3}" for i in range(10)]
    items = pd.DataFrame({"item-id": [f"i{i}" for i in range(12)]})
    for number, name in enumerate(ITEM):
        items[name] = (np.arange(12.0) + number) % 5
    items["title"] = [f"Item {i}" for i in range(12)]
    from tfrec_zoo.data import Roles

    return Log("odd", events, users, items, roles=Roles(user="user id", item="item-id"))


@pytest.fixture(scope="module")
def models() -> tuple[Log, Any, Any, Any]:
    log = _log()
    item = {"space": "item-id"}
    history = EmbeddingColumn(BagColumn(VocabularyColumn("history", **item)), 4)
    user = tuple(EmbeddingColumn(VocabularyColumn(name), 4) for name in USER)
    data = {
        "item-id": [f"i{i}" for i in range(12)],
        **{name: log.users[name].to_numpy() for name in USER},
        **{name: log.items[name].to_numpy() for name in ITEM},
    }
    of_items = FeatureSpec((history, *user), (VocabularyColumn("item-id", **item),))
    retrieval = YouTubeRetrieval(Features.fit(of_items, data), hidden_units=(4,), tied=True, seed=1)
    own = tuple(NumericColumn(name) for name in ITEM)
    candidate = (EmbeddingColumn(VocabularyColumn("item-id", **item), 4), *own)
    ranking = FactorizationMachine(
        Features.fit(FeatureSpec((history, *user), candidate), data), embedding_dim=4, seed=1
    )
    popular = Popularity(Features.fit(of_items, data))
    for model in (retrieval, ranking, popular):
        model.compile()
    return log, retrieval, ranking, popular


@pytest.fixture(scope="module")
def folders(models: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    log, retrieval, ranking, popular = models
    folder = tmp_path_factory.mktemp("odd")
    funnel = Funnel({"network": retrieval, "popular": popular}, ranking, log, 8, k=5)
    made = {"retrieval": retrieval, "ranking": ranking, "popular": popular, "funnel": funnel}
    return {name: export(model, folder / name, log=log) for name, model in made.items()}


@pytest.fixture(scope="module")
def exported(folders: dict[str, pathlib.Path]) -> dict[str, Served]:
    return {name: load(folder) for name, folder in folders.items()}


REQUEST = {"history": [["i1", "i2"], []], "class": ["class0", "class1"], "age": ["age2", None]}


def test_requests_have_the_keys_as_they_are(models: Any, exported: dict[str, Served]) -> None:
    _, retrieval, ranking, _ = models
    every = {name: ["", ""] for name in USER} | REQUEST
    arrays = {k: tf.constant(v) for k, v in every.items() if k not in ("history", "age")}
    arrays |= {"history": tf.constant([["i1", "i2"], ["", ""]]), "age": tf.constant(["age2", ""])}
    scores = retrieval.scores(arrays).numpy()
    tokens = np.array(retrieval.features.vocabularies["item-id"].tokens)
    found = exported["retrieval"].recommend(REQUEST, include_history=True)
    assert found.query("row == 0")["id"].tolist() == tokens[np.argsort(-scores[0])].tolist()
    titles = [f"Item {item[1:]}" for item in found["id"]]
    assert found["title"].tolist() == titles
    rows = {"item-id": tf.constant(["i4", "i4"])}
    rows |= {name: tf.constant([float((4 + n) % 5)] * 2) for n, name in enumerate(ITEM)}
    expected = ranking.predictions(ranking({**arrays, **rows})).numpy()
    np.testing.assert_allclose(
        exported["ranking"].score(REQUEST, [["i4"], ["i4"]])[:, 0], expected, rtol=1e-5
    )
    assert len(exported["funnel"].recommend(REQUEST)) == 10


def test_the_manifest_maps_keys_to_arguments(exported: dict[str, Served]) -> None:
    for served in exported.values():
        entries = served.manifest["request"]
        arguments = {entry["key"]: entry["argument"] for entry in entries}
        assert set(arguments.values()) == set(served.inputs("serving_default"))
        assert len({name.lower() for name in arguments.values()}) == len(arguments)
    arguments = exported["funnel"].names
    assert (arguments["class"], arguments["home town"]) == ("class_", "home_town")


def test_only_what_a_model_reads_is_asked_for(exported: dict[str, Served]) -> None:
    popular = exported["popular"]
    assert set(popular.inputs("serving_default")) == {"exclude"}
    assert set(popular.inputs("allow")) == {"exclude", "allow"}
    # All else that the log says of who asks has no effect, but that of the history.
    found = popular.recommend(REQUEST, k=12)
    assert not {"i1", "i2"} & set(found.query("row == 0")["id"])
    assert len(found) == 10 + 12
    assert popular.recommend({"age": ["age1", "age2"]}, k=1)["row"].tolist() == [0, 1]
    with pytest.raises(KeyError, match=r"Unknown features: .*Received: \['histroy'\]"):
        popular.recommend({**REQUEST, "histroy": [[], []]})
    with pytest.raises(ValueError, match="the same number of rows, 2. Received: 0="):
        popular.recommend({**REQUEST, "0": ["one row"]})
    # The funnel reads what its ranking or its network reads.
    asked = {*USER, "history", "exclude"}
    assert set(exported["funnel"].request) == asked


_ALONE = """
import json, sys
import tensorflow as tf

def example(features):
    example = tf.train.Example()
    for key, value in features.items():
        kind = example.features.feature[key]
        if isinstance(value[0], str):
            kind.bytes_list.value.extend(v.encode() for v in value)
        else:
            kind.float_list.value.extend(value)
    return example.SerializeToString()

for line in sys.stdin:
    folder, name, arguments, examples = json.loads(line)
    serve = tf.saved_model.load(folder).signatures[name]
    if examples:
        (argument,) = serve.structured_input_signature[1]
        answer = serve(**{argument: tf.constant([example(e) for e in examples])})
    else:
        answer = serve(**{key: tf.constant(value) for key, value in arguments.items()})
    print(json.dumps({k: [[v.decode() if isinstance(v, bytes) else v for v in row]
                          if isinstance(row, list) else row for row in value.numpy().tolist()]
                      for k, value in answer.items()}), flush=True)
"""


def test_with_tensorflow_alone(
    exported: dict[str, Served], folders: dict[str, pathlib.Path], run_python: Callable[..., Any]
) -> None:
    rows = [
        {"history": ["i1", "i2"], "class": ["class0"], "age": ["age2"]},
        {"class": ["class1"], "home town": ["home town1"], "allow": ["i3", "i4"]},
    ]
    impression = {"class": ["class0"], "item-id": ["i4"], "release year": [4.0], "_lang": [1.0]}
    asked = [
        # What TensorFlow Serving makes of {"instances": [{"history": […]}, …]}.
        ("retrieval", "from_history", {"history": [["i1", "i2"], ["i3", ""]]}, None),
        # And of {"examples": [{"history": […], "class": …}, …]}.
        ("retrieval", "classify", None, rows),
        ("retrieval", "examples", None, rows),
        ("ranking", "regress", None, [impression]),
    ]
    lines = [json.dumps([str(folders[model]), *rest]) for model, *rest in asked]
    run = run_python(_ALONE, input="\n".join(lines))
    assert run.returncode == 0, run.stderr[-2000:]
    one, classes, same, numbers = (json.loads(line) for line in run.stdout.splitlines())

    served = exported["retrieval"]
    frame = served.recommend({"history": [["i1", "i2"], ["i3"]]})
    for row in (0, 1):
        expected = frame[frame["row"] == row]
        assert [i for i in one["ids"][row] if i] == expected["id"].tolist()
        np.testing.assert_allclose(one["scores"][row][: len(expected)], expected["score"], 1e-5)
    frame = served.recommend(
        {"history": [["i1", "i2"], []], "class": ["class0", "class1"], "age": ["age2", None],
         "home town": [None, "home town1"], "allow": [[], ["i3", "i4"]]},
        include_history=True,
    )  # fmt: skip
    for row in (0, 1):
        expected = frame.loc[frame["row"] == row, "id"].tolist()
        assert [i for i in classes["classes"][row] if i] == expected
    assert same == {"ids": classes["classes"], "scores": classes["scores"]}
    given = {key: value[:1] for key, value in impression.items()}
    np.testing.assert_allclose(
        numbers["outputs"], exported["ranking"](given)["predictions"], rtol=1e-5
    )


def test_names_of_bags_are_not_for_features() -> None:
    spec = FeatureSpec((EmbeddingColumn(VocabularyColumn("allow"), 2),), (VocabularyColumn("id"),))
    model = YouTubeRetrieval(Features.fit(spec, {"allow": ["x"], "id": ["a", "b"]}))
    with pytest.raises(ValueError, match=r"call the model's features otherwise.*\['allow'\]"):
        export(model, "nowhere")
