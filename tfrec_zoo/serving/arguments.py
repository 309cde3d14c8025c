"""Arguments: the names that features have in the signatures of a SavedModel."""

import keyword
import re
from collections.abc import Iterable

#: What TensorFlow takes for the name of an input.
_LEGAL = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def argument_names(keys: Iterable[str]) -> dict[str, str]:
    """Names the arguments of a signature after the features that they hold.

    A key keeps its name if Python and TensorFlow take it: Latin letters, digits and underscores, a
    letter first, no word of the language. Any other key gets a name made from it. TensorFlow does
    not tell capitals from small letters, so two keys that differ in these alone get two names.

    Args:
        keys: Keys of the features, all different.

    Returns:
        The names by key, in the order of the keys.

    Example:

    >>> argument_names(["age", "release year", "class", "0", "Age"]).values()
    dict_values(['age', 'release_year', 'class_', 'feature_0', 'Age_2'])
    """
    keys = list(keys)
    names: dict[str, str] = {}
    taken: set[str] = set()
    # Names that are kept come first, so that no made one takes them.
    for key in sorted(keys, key=lambda key: not _is_legal(key)):
        name = key if _is_legal(key) else _made_from(key)
        unique, number = name, 2
        while unique.lower() in taken:
            unique, number = f"{name}_{number}", number + 1
        taken.add(unique.lower())
        names[key] = unique
    return {key: names[key] for key in keys}


def _is_legal(key: str) -> bool:
    return bool(_LEGAL.fullmatch(key)) and not _is_reserved(key)


def _is_reserved(name: str) -> bool:
    return keyword.iskeyword(name) or name == "self"


def _made_from(key: str) -> str:
    name = re.sub(r"[^A-Za-z0-9]+", "_", key).strip("_")
    if not _LEGAL.fullmatch(name):
        name = f"feature_{name}".rstrip("_")
    return f"{name}_" if _is_reserved(name) else name
