"""Presets: the rows of every table, as data; what the tables show is what a user can train."""

from tfrec_zoo.presets.clicks import WIDE_DEEP, WITH_IDS, WITHOUT_IDS
from tfrec_zoo.presets.ncf import ABLATIONS, NCF
from tfrec_zoo.presets.next_watch import BY_TIME, IN_FILE_ORDER, NEXT_WATCH
from tfrec_zoo.presets.preset import Preset
from tfrec_zoo.presets.pretrained import PRETRAINED
from tfrec_zoo.presets.ratings import RATINGS
from tfrec_zoo.presets.watch_time import KUAIRAND, WATCH_TIME

__all__ = ["PRESETS", "Preset", "get", "of_table"]

#: Presets by name.
PRESETS: dict[str, Preset] = {
    preset.name: preset
    for table in (
        NEXT_WATCH,
        IN_FILE_ORDER,
        BY_TIME,
        NCF,
        ABLATIONS,
        WITH_IDS,
        WITHOUT_IDS,
        WIDE_DEEP,
        RATINGS,
        WATCH_TIME,
        KUAIRAND,
        PRETRAINED,
    )
    for preset in table
}


def get(name: str) -> Preset:
    """Returns the preset of a name.

    Raises:
        KeyError: If there is none; names the ones like it.
    """
    if name not in PRESETS:
        table = name.partition("/")[0]
        near = [known for known in PRESETS if known.startswith(f"{table}/")]
        raise KeyError(
            f"There is no preset of that name; see: tfrec-zoo list --presets. "
            f"{'Its table has ' + str(near) + '. ' if near else ''}Received: {name!r}"
        )
    return PRESETS[name]


def of_table(table: str) -> list[Preset]:
    """The presets of a table, in order.

    Raises:
        KeyError: If there is no such table; names those there are.
    """
    found = [preset for preset in PRESETS.values() if preset.table == table]
    if not found:
        tables = list(dict.fromkeys(preset.table for preset in PRESETS.values()))
        raise KeyError(f"There is no table of that name, only {tables}. Received: {table!r}")
    return found
