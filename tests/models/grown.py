"""Features whose vocabularies have grown, and have the ids they had at other places."""

import numpy as np

from tfrec_zoo.features import Features, IndicatorColumn, Vocabulary, places


def grown_features(features: Features) -> Features:
    """Every vocabulary backwards, with a new id in the middle; those of indicators as they were."""
    held = {c.categorical.space for c in features.spec.dense if isinstance(c, IndicatorColumn)}
    crosses = {cross.space for cross in features.spec.crosses}
    vocabularies = {}
    for space, vocabulary in features.vocabularies.items():
        tokens = list(vocabulary.tokens)
        if space not in held | crosses:
            new = "grown" if vocabulary.dtype == "string" else 10**6
            middle = len(tokens) // 2
            tokens = [*tokens[middle:][::-1], new, *tokens[:middle][::-1]]
        vocabularies[space] = Vocabulary(tuple(tokens), vocabulary.dtype)
    for cross in features.spec.crosses:
        vocabularies[cross.space] = _cross(features, vocabularies, cross)
    space = features.spec.item.space if features.items else None
    order = [
        dict(zip(features.vocabularies[space].tokens, range(10**6), strict=False)).get(token)
        for token in vocabularies[space].tokens
    ] if space else []  # fmt: skip
    items = {}
    for key, values in features.items.items():
        missing = {"O": "", "i": -1, "f": np.nan}[values.dtype.kind]
        items[key] = np.array([missing if i is None else values[i] for i in order], values.dtype)
    return Features(features.spec, vocabularies, features.statistics, type(features.items)(items))


def _cross(features, vocabularies, cross):
    """The keys of the same combinations: mixed-radix numbers of the parts' ids less one, plus 1."""
    old, new = (
        [one[getattr(part, "values", part).space].tokens for part in cross.columns]
        for one in (features.vocabularies, vocabularies)
    )
    keys = []
    for key in features.vocabularies[cross.space].tokens:
        rest, digits = key - 1, []
        for tokens in reversed(old):
            rest, digit = divmod(rest, len(tokens))
            digits.insert(0, digit)
        moved = 0
        for before, after, digit in zip(old, new, digits, strict=True):
            moved = moved * len(after) + after.index(before[digit])
        keys.append(moved + 1)
    return Vocabulary(tuple(keys[::-1]), "int64")


def scores_of_old_items(scores: np.ndarray, old: Features, new: Features) -> np.ndarray:
    """[rows, old items] of [rows, new items] scores."""
    return scores[:, places(old, new, old.spec.item.space)]
