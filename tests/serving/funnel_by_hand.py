"""The path of a funnel walked in plain Python, one candidate at a time."""

import numpy as np

from tfrec_zoo.features import raw_signature, request_arrays

import tensorflow as tf  # isort: skip (after tfrec_zoo, which chooses Keras 2)

NAN = float("nan")


def ask(world, **request):
    """One request to the funnel: what it returns for its only row."""
    features = dict(world.funnel.request)
    if "nominate" in request:
        features |= world.funnel.nominations
    arrays = request_arrays(features, {key: [v] for key, v in request.items()})
    specs = raw_signature(features)
    answer = world.funnel.serve(**{k: tf.constant(v, specs[k].dtype) for k, v in arrays.items()})
    ids = [i.decode() if isinstance(i, bytes) else i for i in answer["ids"][0].numpy().tolist()]
    return ids, answer["scores"][0].numpy()


def raw_tensors(model, rows):
    """Rows of raw features (dictionaries) as a batch for a model; keys left out are missing."""
    raw = {k: f for k, f in model.features.spec.raw.items() if k in rows[0]}
    arrays = request_arrays(raw, {key: [row[key] for row in rows] for key in raw})
    specs = raw_signature(raw)
    return {key: tf.constant(array, specs[key].dtype) for key, array in arrays.items()}


def by_hand(world, **request):
    """What the funnel should return, from the models' raw paths and the log's frames."""
    log, items = world.log, world.items
    table = log.items.set_index(log.roles.item)
    missing = "" if isinstance(items[0], str) else -1
    history = [v for v in request.get("history", []) if v != missing]
    known = [v for v in history if v in items]
    apart = ("exclude", "nominate", "time")
    user = {key: value for key, value in request.items() if key not in apart}
    user["history"] = request.get("history", [])
    user["last_watched"] = history[-1] if history else missing
    user["example_age"] = 0.0
    if "channel" in table:
        for column in ("channel", "topic"):
            user[f"history_{column}"] = [
                table.loc[v, column] if v in items else "" for v in user["history"]
            ]
        user.setdefault("search_tokens", [])
        user.setdefault("country", "")
        user.setdefault("device", "")
        user.setdefault("age", NAN)
        user.setdefault("history_age", [])
        user.setdefault("recent_impressions", [])
        now = request.get("time", -1)
        if now < 0:
            now = int(log.interactions["time"].max())

    # Candidates: the best of each source that are not seen or excluded, and what is given.
    taken = {*known, *request.get("exclude", [])}
    nominated, scores_of = {}, {}
    for name, model in world.sources.items():
        query = model(raw_tensors(model, [user])).numpy()[0]
        candidates = model.candidates()  # Without any, the query is the scores.
        scores = query if candidates is None else candidates.numpy() @ query
        # Of equal ones, those come first that come first in the model's own order.
        own = model.features.vocabularies[model.item_column.space].tokens
        order = [row for row in np.argsort(-scores, kind="stable") if own[row] not in taken]
        # Scores are shares, on a logarithmic scale, of what the source would nominate.
        best = scores[order[:100]].astype(np.float64)
        scores -= np.log(np.sum(np.exp(best))) if order else np.nan
        scores_of[name] = dict(zip(own, scores, strict=True))
        nominated[name] = [own[row] for row in order[: world.funnel.num_candidates]]
    given = request.get("nominate", [])
    nominated["request"] = [v if v in items and v not in taken else None for v in given]
    candidates = list(dict.fromkeys(v for bag in nominated.values() for v in bag if v is not None))
    if not candidates:
        return [], np.empty(0)

    # Impressions, each with the whole request.
    impressions = []
    for item in candidates:
        row = {**user, **table.loc[item].to_dict(), log.roles.item: item}
        row["candidate_sources"] = [name for name, bag in nominated.items() if item in bag]
        for name, scores in scores_of.items():
            row[f"candidate_score_{name}"] = scores[item]
        for name, bag in nominated.items():
            rank = 1 + bag.index(item) if item in bag else np.inf
            row[f"candidate_reciprocal_rank_{name}"] = 1 / rank
        if "upload_time" in table:
            row["item_age"] = now - table.loc[item, "upload_time"]
        impressions.append(row)
    ranker = world.ranking
    predictions = ranker.predictions(ranker(raw_tensors(ranker, impressions))).numpy()
    best = np.argsort(-predictions, kind="stable")[: world.funnel.k]
    return [candidates[at] for at in best], predictions[best]


def check(world, **request):
    ids, scores = ask(world, **request)
    expected_ids, expected_scores = by_hand(world, **request)
    missing = "" if isinstance(world.items[0], str) else -1
    n = len(expected_ids)
    np.testing.assert_allclose(scores[:n], expected_scores, rtol=1e-5, atol=1e-5)
    assert ids[:n] == expected_ids
    assert ids[n:] == [missing] * (world.funnel.k - n)
    assert scores[n:].tolist() == [0.0] * (world.funnel.k - n)
    return ids, scores


def random_request(world, rng):
    items = world.items
    length = int(rng.integers(0, 20))
    pool = np.array([*items, "unknown", ""], object)
    return {
        "history": rng.choice(pool, length).tolist(),
        "history_age": rng.uniform(0, 1e6, length).tolist(),
        "recent_impressions": rng.choice(pool, int(rng.integers(0, 9))).tolist(),
        "exclude": rng.choice(pool, int(rng.integers(0, 30))).tolist(),
        "nominate": rng.choice(pool, int(rng.integers(0, 6))).tolist(),
        "search_tokens": rng.choice(["blitz gambit", "gambit", "?"], 2).tolist(),
        "country": str(rng.choice(["IN", "BR", "", "XX"])),
        "device": str(rng.choice(["desktop", "", "fridge"])),
        "age": float(rng.choice([20.0, 71.5, NAN])),
        "time": int(rng.integers(-2, 500_000)),
    }
