"""Items: the titles and features of the items that an export carries beside its model."""

import dataclasses
import pathlib
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.columns import table_columns
from tfrec_zoo.data.derived import (
    HISTORY,
    HISTORY_AGE,
    RECENT_IMPRESSIONS,
    SEARCH_TOKENS,
    TITLE,
    attribute_key,
)
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.roles import UPLOAD_TIME
from tfrec_zoo.data.times import as_seconds
from tfrec_zoo.features import MISSING, Vocabulary, raw_array, raw_vectors
from tfrec_zoo.features.more_items import stacked

#: Name of the file in an export.
FILE = "items.parquet"
_ID, _TITLE, _UPLOAD_TIME, _FEATURE = "id", "title", "upload_time", "feature "


@dataclasses.dataclass(frozen=True)
class ItemTable:
    """The items of a log, those that a model knows first.

    Args:
        catalogue: The items and their features.
        known: Number of items that the model knows, which are the first rows, in its order.
        titles: [items] what to show people, or None.
        now: The end of the log, which ages are counted to where a request has no time; or None.
    """

    catalogue: Catalogue
    known: int
    titles: np.ndarray | None = None
    now: int | None = None

    @classmethod
    def of(cls, log: Log, vocabulary: Vocabulary | None, keys: Collection[str] = ()) -> "ItemTable":
        """The items of a log.

        Args:
            log: The log.
            vocabulary: The items that the model knows; None if it doesn't tell items by their ids,
                which makes it know all.
            keys: Keys of the raw features that the model reads, to be looked up here: the items'
                columns, and the attributes of the history.
        """
        every = Catalogue.of(log)
        known = np.arange(len(every))
        if vocabulary is not None:
            known = every.find(vocabulary.array())
            known = known[known >= 0]
        order = np.append(known, np.setdiff1d(np.arange(len(every)), known))
        columns = {
            key: column[order]
            for key, column in every.columns.items()
            if key == every.key or key in keys or attribute_key(key) in keys
        }
        upload_time, now = None, None
        if every.upload_time is not None:
            upload_time = every.upload_time[order]
            if log.roles.time in log.interactions:
                now = int(log.interactions[log.roles.time].max())
        titles = None if every.titles is None else every.titles[order]
        catalogue = Catalogue(every.key, columns, upload_time, every.title)
        return cls(catalogue, len(known), titles, now)

    @classmethod
    def of_vocabulary(cls, key: str, vocabulary: Vocabulary) -> "ItemTable":
        """Items of which nothing is known but their ids.

        Args:
            key: Key of the ids.
            vocabulary: The items that the model knows.
        """
        return cls(Catalogue(key, {key: vocabulary.array()}), len(vocabulary))

    def or_none(self) -> "ItemTable | None":
        """The items, or None if there is nothing to tell of them but their ids."""
        return None if self.titles is None and len(self.catalogue.columns) == 1 else self

    def titles_of(self, ids: Any) -> np.ndarray | None:
        """[n] the titles of [n] ids, empty where there is none; None if there are no titles."""
        if self.titles is None:
            return None
        return np.append(self.titles, np.array([""], object))[self.catalogue.find(ids)]

    def frame(self) -> pd.DataFrame:
        """The items as a frame: the ids and the features by key, and the titles as `title`."""
        columns = {k: list(v) if v.ndim > 1 else v for k, v in self.catalogue.columns.items()}
        if self.titles is not None:
            columns.setdefault(TITLE, self.titles)
        return pd.DataFrame(columns)

    def with_items(self, items: pd.DataFrame) -> "ItemTable":
        """The table with more items that the model knows, after those that it knew.

        Args:
            items: The items that are new to the model, in columns called as those of `frame`, and
                `upload_time`; what is not there is missing.

        Raises:
            TypeError, ValueError: If a value is of another type than the others of its column.
        """
        catalogue, known = self.catalogue, self.known
        is_there = pd.Index(catalogue.ids[known:]).isin(items[catalogue.key])

        def put(column: np.ndarray, name: str) -> np.ndarray:
            given = items[name].to_list() if name in items else [None] * len(items)
            if column.ndim > 1 and column.dtype == np.float32:
                added, fill = raw_vectors(given, column.shape[1]), 0.0
            else:
                kind: Any = {"O": "string", "i": "int64"}.get(column.dtype.kind, "float64")
                added, fill = raw_array(given, kind, is_bag=column.ndim > 1), MISSING[kind]
            rest = column[known:][~is_there]
            return stacked(stacked(column[:known], added, fill), rest, fill)

        columns = {key: put(column, key) for key, column in catalogue.columns.items()}
        titles, upload_time = self.titles, catalogue.upload_time
        if titles is not None:
            titles = put(titles, TITLE)
        if upload_time is not None:
            if UPLOAD_TIME in items:
                items = items.assign(**{UPLOAD_TIME: as_seconds(items[UPLOAD_TIME])[0]})
            upload_time = put(upload_time, UPLOAD_TIME)
        grown = Catalogue(catalogue.key, columns, upload_time, catalogue.title)
        return ItemTable(grown, known + len(items), titles, self.now)

    def write(self, folder: pathlib.Path) -> dict[str, Any]:
        """Writes the items into the folder of an export; returns what its manifest says of them."""
        catalogue = self.catalogue
        columns: dict[str, Any] = {_ID: catalogue.ids}
        if self.titles is not None:
            columns[_TITLE] = self.titles
        if catalogue.upload_time is not None:
            columns[_UPLOAD_TIME] = catalogue.upload_time
        for key, column in catalogue.columns.items():
            if key != catalogue.key:
                columns[_FEATURE + key] = list(column) if column.ndim > 1 else column
        pd.DataFrame(columns).to_parquet(folder / FILE, index=False)
        return {"file": FILE, "key": catalogue.key, "known": self.known, "now": self.now}

    @classmethod
    def read(cls, folder: str | pathlib.Path, manifest: Mapping[str, Any]) -> "ItemTable | None":
        """Reads what `write` wrote.

        Args:
            folder: Folder of the export.
            manifest: Manifest of the export.

        Returns:
            The items, or None if the export carries none.

        Raises:
            ValueError: If the file is damaged.
        """
        said = manifest.get("items")
        if said is None:
            return None
        path = pathlib.Path(folder) / said["file"]
        try:
            frame = pd.read_parquet(path)
            own = [name for name in frame.columns if name.startswith(_FEATURE)]
            features = frame[own].rename(columns=lambda name: name.removeprefix(_FEATURE))
            ids = table_columns(frame[[_ID]])[_ID]
            titles = frame[_TITLE].to_numpy(object) if _TITLE in frame else None
            upload_time = None
            if _UPLOAD_TIME in frame:
                upload_time = frame[_UPLOAD_TIME].to_numpy(np.float64)
            columns = {said["key"]: ids, **table_columns(features)}
            return cls(
                Catalogue(said["key"], columns, upload_time), said["known"], titles, said["now"]
            )
        except (OSError, ValueError, LookupError) as error:
            raise ValueError(f"{path} is damaged: export the model again. {error}") from error


def query_features(log: Log) -> frozenset[str]:
    """Keys of what a log says of who asks, whether a model reads it or not."""
    of_events = {HISTORY, HISTORY_AGE, SEARCH_TOKENS, RECENT_IMPRESSIONS, log.roles.time}
    return frozenset(of_events | {str(column) for column in log.users.columns})
