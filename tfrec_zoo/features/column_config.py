"""Columns as JSON-serializable dicts, and back."""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

from tfrec_zoo.features.dense_columns import Column, InteractionColumn

_COLUMNS: dict[str, type] = {cls.__name__: cls for cls in get_args(Column)}


def column_to_config(column: Any) -> dict[str, Any]:
    """Returns a JSON-serializable dict from which `column_from_config` makes an equal column."""
    config: dict[str, Any] = {"column": type(column).__name__}
    for field in dataclasses.fields(column):
        value = getattr(column, field.name)
        if field.metadata.get("left_out") and value == field.default:
            continue
        if dataclasses.is_dataclass(value):
            value = column_to_config(value)
        elif isinstance(value, tuple):
            value = [column_to_config(v) if dataclasses.is_dataclass(v) else v for v in value]
        config[field.name] = value
    return config


def column_from_config(config: Mapping[str, Any]) -> Any:
    """Makes the column that `column_to_config` describes.

    Raises:
        ValueError: If the kind of column or one of its arguments is unknown.
    """
    kind = config.get("column")
    if kind not in _COLUMNS:
        raise ValueError(f"`column` must be one of {sorted(_COLUMNS)}. Received: {kind!r}")
    cls = _COLUMNS[str(kind)]

    def value_of(value: Any) -> Any:
        if isinstance(value, Mapping):
            return column_from_config(value)
        if isinstance(value, list | tuple):
            return tuple(value_of(v) for v in value)
        return value

    arguments = {name: value_of(value) for name, value in config.items() if name != "column"}
    unknown = sorted(set(arguments) - {field.name for field in dataclasses.fields(cls)})
    if unknown:
        raise ValueError(f"{kind} has no such arguments. Received: {unknown!r}")
    if cls is InteractionColumn:
        # A config that doesn't say is one of plain ranks, whatever the default.
        arguments.setdefault("mass", False)
    return cls(**arguments)
