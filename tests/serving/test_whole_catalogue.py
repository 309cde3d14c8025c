"""A ranking model exported with its whole catalogue recommends as it scores, item by item."""

import json
import pathlib
from typing import Any

import numpy as np
import pytest
from funnel_by_hand import raw_tensors

from tfrec_zoo.data import impression_examples
from tfrec_zoo.data.derived import first_position
from tfrec_zoo.features import EmbeddingColumn, Features, FeatureSpec, VocabularyColumn
from tfrec_zoo.models import GMF, DeepFM, YouTubeRanking
from tfrec_zoo.serving import export, load, serve, whole_catalogue
from tfrec_zoo.tasks.specs import id_spec, impression_spec

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

REQUEST = {
    "history": [["v5", "v17", "v3"], [], ["v1", "?", ""], ["v9"] * 60],
    "history_age": [[300.0, 20.0, 10.0], [], [5.0], [1e4] * 60],
    "recent_impressions": [["v7", "v7"], [], ["v8"], []],
    "country": ["IN", "", "BR", "XX"],
    "device": ["desktop", "", "tv", ""],
    "gender": ["f", "m", "", ""],
    "logged_in": [1.0, 0.0, None, 1.0],
    "search_tokens": [["gambit"], [], ["blitz gambit", "?"], []],
    "age": [39.0, None, 12.0, 80.0],
    "time": [200_000, None, 5, -1],
}


def _draw(model: Any) -> Any:
    model.build_weights()
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) / 3)
    return model


@pytest.fixture(scope="module")
def ranking(world: Any) -> Any:
    """It reads all that follows from a request, and knows but 55 of the 60 items."""
    shown = impression_examples(world.log)
    spec = impression_spec(world.log, 7, embedding_dim=4)
    items = world.sources["network"].features.vocabularies["video_id"]
    known = {"video_id": type(items)(items.tokens[:55], items.dtype)}
    return _draw(YouTubeRanking(shown.fit_features(spec, known), hidden_units=(8,), seed=1))


@pytest.fixture(scope="module")
def whole(world: Any, ranking: Any) -> Any:
    """Four requests have blocks of nine items: six of them, and one of a single item."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whole_catalogue, "_AT_ONCE", 37)
        return serve(ranking, world.log, whole_catalogue=True, k=70, filters=["channel"])


def by_hand(world: Any, ranking: Any, row: int) -> tuple[list[str], np.ndarray]:
    """The known items and their predictions, from the log's frames, one impression each."""
    request = {key: values[row] for key, values in REQUEST.items()}
    table = world.log.items.set_index("video_id")
    history = [video for video in request["history"] if video]
    user = {**request, "last_watched": history[-1] if history else ""}
    for key in ("age", "logged_in"):
        user[key] = float("nan") if user[key] is None else user[key]
    now = user.pop("time")
    for column in ("channel", "topic", "series"):
        user[f"history_{column}"] = [
            table.loc[v, column] if v in world.items[:55] else "" for v in request["history"]
        ]
    if now is None or now < 0:
        now = int(world.log.interactions["time"].max())
    rows = [
        {
            **user,
            **table.loc[video].to_dict(),
            "video_id": video,
            "item_age": now - table.loc[video, "upload_time"],
            "position": first_position(world.log),
        }
        for video in world.items[:55]
    ]
    return world.items[:55], ranking.predictions(ranking(raw_tensors(ranking, rows))).numpy()


def test_the_best_of_all_items(world: Any, ranking: Any, whole: Any) -> None:
    frame = whole.recommend(REQUEST, 10, include_history=True)
    for row in range(4):
        items, scores = by_hand(world, ranking, row)
        best = np.argsort(-scores, kind="stable")[:10]
        found = frame[frame["row"] == row]
        assert found["id"].tolist() == [items[at] for at in best]
        np.testing.assert_allclose(found["score"], scores[best], rtol=1e-5)
    assert frame["title"].str.len().all()


def test_what_is_left_out_allowed_and_filtered(world: Any, ranking: Any, whole: Any) -> None:
    channel = world.log.items.set_index("video_id")["channel"]
    wanted = channel[world.items[3]]
    exclude = [world.items[:2], [], ["?"], world.items[10:20]]
    allow = [[], world.items[20:30], ["no such item"], world.items[5:58]]
    asked = {**REQUEST, "exclude": exclude, "allow": allow}
    for filters in ({}, {"filter_channel": [[wanted], [], [wanted], [wanted]]}):
        frame = whole.recommend({**asked, **filters})
        for row in range(4):
            items, scores = by_hand(world, ranking, row)
            out = {*exclude[row], *REQUEST["history"][row]}
            kept = [
                at
                for at in np.argsort(-scores, kind="stable")
                if items[at] not in out
                and (not allow[row] or items[at] in allow[row])
                and (not filters or row == 1 or channel[items[at]] == wanted)
            ]
            found = frame[frame["row"] == row]
            assert found["id"].tolist() == [items[at] for at in kept]
            np.testing.assert_allclose(found["score"], scores[kept], rtol=1e-5)
        assert len(frame[frame["row"] == 2]) == 0 < len(frame[frame["row"] == 3])


def test_it_is_what_the_client_makes_of_the_signature_rank(
    world: Any, ranking: Any, whole: Any
) -> None:
    """The other way to rank everything: from outside, by an export that has no lists."""
    plain = serve(ranking, world.log)
    follows = {"last_watched", "history_channel", "history_topic"}
    assert follows <= set(plain.request)
    assert not follows & set(whole.request)
    expected, found = (asks.recommend(REQUEST, 20) for asks in (plain, whole))
    assert found["id"].tolist() == expected["id"].tolist()
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-5)


PROGRAM = """
import json, sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
answer = model.signatures["from_history"](history=tf.constant([["v5", "v17", ""], ["", "", ""]]))
print(json.dumps([[item.decode() for item in row] for row in answer["ids"].numpy()]))
"""


def test_the_export_needs_tensorflow_alone(
    world: Any, ranking: Any, whole: Any, tmp_path: pathlib.Path, run_python: Any
) -> None:
    folder = export(ranking, tmp_path / "model", log=world.log, whole_catalogue=True, k=6)
    served = load(folder)
    assert set(served.signatures) == {
        *("serving_default", "allow", "examples", "classify", "from_history")
    }
    assert served.manifest["num_items"] == 55 and served.longest == 6
    asked = run_python(PROGRAM, folder)
    assert asked.returncode == 0, asked.stderr
    frame = served.recommend({"history": [["v5", "v17"], []]})
    lists = [frame["id"][frame["row"] == row].tolist() for row in (0, 1)]
    assert json.loads(asked.stdout) == lists
    # In one block it is the same as in many.
    found, expected = (asks.recommend(REQUEST, 6) for asks in (served, whole))
    assert found["id"].tolist() == expected["id"].tolist()
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-5)
    with pytest.raises(TypeError, match="restrict them by `allow`"):
        served.recommend({"history": [[]]}, candidates=[["v1"]])
    with pytest.raises(TypeError, match="this export recommends"):
        served.score({"history": [[]]})


def test_ids_alone(integer_world: Any, tmp_path: pathlib.Path) -> None:
    """A model of ids needs no log, and is asked by the user's."""
    log = integer_world.log
    data = {key: log.interactions[key].to_numpy() for key in ("user_id", "item_id")}
    model = _draw(GMF(Features.fit(id_spec(log), data), embedding_dim=3))
    served = load(export(model, tmp_path / "model", whole_catalogue=True, k=4))
    assert set(served.request) == {"user_id", "exclude"}
    users = [3, 7, 11]
    tokens = np.array(model.features.vocabularies["item_id"].tokens)
    found = served.recommend({"user_id": users, "history": [[], [1000, 2000], []]})
    for row, user in enumerate(users):
        raw = {"user_id": np.full(len(tokens), user), "item_id": tokens}
        scores = model.pair_predictions(raw).numpy()
        best = tokens[np.argsort(-scores, kind="stable")].tolist()
        best = [item for item in best if row != 1 or item not in (1000, 2000)]
        assert found["id"][found["row"] == row].tolist() == best[:4]


def test_what_can_not_be_ranked_whole(world: Any, ranking: Any) -> None:
    with pytest.raises(ValueError, match="give the `log` that has them. Received: no log"):
        serve(ranking, whole_catalogue=True)
    with pytest.raises(ValueError, match=r"columns of `log.items`.*candidate_sources"):
        serve(world.ranking, world.log, whole_catalogue=True)
    for k in (0, -3):
        with pytest.raises(ValueError, match="`k` must be positive"):
            serve(ranking, world.log, whole_catalogue=True, k=k)
    with pytest.raises(TypeError, match=r"need no index. Received: YouTubeRanking, \['index'\]"):
        serve(ranking, world.log, whole_catalogue=True, index="exact")
    with pytest.raises(TypeError, match="Received: YouTubeRetrieval"):
        serve(world.sources["network"], world.log, whole_catalogue=True)


def test_a_catalogue_that_is_large_is_warned_of(
    world: Any, ranking: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(whole_catalogue, "_MANY", 54)
    with caplog.at_level("WARNING"):
        serve(ranking, world.log, whole_catalogue=True)
    assert "scores 55 items: above 54 or so a funnel is faster" in caplog.text


def test_a_model_that_asks_nothing_of_anyone(world: Any, tmp_path: pathlib.Path) -> None:
    """Without features of the query the list is the same for all."""
    spec = FeatureSpec((), (EmbeddingColumn(VocabularyColumn("channel"), 3),))
    shown = impression_examples(world.log)
    model = _draw(DeepFM(shown.fit_features(spec), embedding_dim=3, hidden_units=(4,)))
    asks = load(export(model, tmp_path / "model", log=world.log, whole_catalogue=True, k=3))
    assert set(asks.request) <= {"exclude", "time"}
    table = world.log.items
    scores = model.predictions(model({"channel": tf.constant(table["channel"].tolist())})).numpy()
    best = table["video_id"].to_numpy()[np.argsort(-scores, kind="stable")[:3]]
    found = asks.recommend({"exclude": [[], [best[0]]]})
    # It tells items by their channels, and knows them all.
    assert found["id"][:3].tolist() == best.tolist()
    assert best[0] not in found["id"][3:].tolist()
