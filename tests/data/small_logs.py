"""Frames of which small logs are made."""

from typing import Any

import pandas as pd


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


def watches(**columns: Any) -> pd.DataFrame:
    default = {"user_id": ["b", "a", "a"], "item_id": ["x", "y", "x"], "time": [1.0, 3.0, 2.0]}
    return pd.DataFrame({**default, **columns})
