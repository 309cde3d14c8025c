"""Scopes: names of layers and variables that TensorFlow accepts, made of names of columns."""

import re
import zlib


def scope_name(text: str) -> str:
    """Returns what can stand in the name of a layer or a variable, after its first character.

    Letters, digits, dots and underscores stay as they are. Any other character becomes an
    underscore, and a checksum tells apart names that then are alike.

    Example:

    >>> scope_name("country_X_device"), scope_name("release year")
    ('country_X_device', 'release_year_8df7b43e')
    """
    legal = re.sub(r"[^A-Za-z0-9_.]", "_", text)
    return legal if legal == text else f"{legal}_{zlib.crc32(text.encode()):08x}"
