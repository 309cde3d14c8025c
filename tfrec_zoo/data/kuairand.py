"""KuaiRand: short videos that were shown by an app, with what was clicked and for how long.

Gao et al., "KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed Videos",
CIKM 2022; CC BY-SA 4.0, https://kuairand.com.
"""

import pathlib

import pandas as pd

from tfrec_zoo.data.log import Log
from tfrec_zoo.data.roles import Roles

_SHOWN = ["user_id", "video_id", "date", "time_ms", "is_click", "play_time_ms", "tab"]
_USERS = [
    "user_active_degree",
    "follow_user_num_range",
    "fans_user_num_range",
    "friend_user_num_range",
    "register_days_range",
]
_VIDEOS = ["author_id", "tag", "upload_type", "video_duration", "upload_dt"]


def is_kuairand(directory: str | pathlib.Path) -> bool:
    """Whether a folder holds files of KuaiRand."""
    return any(pathlib.Path(directory).glob("video_features_basic_*.csv*"))


def read_kuairand(directory: str | pathlib.Path) -> Log:
    """Reads the files of KuaiRand-Pure, or of another of its sizes, as a log with impressions.

    An impression is worth the seconds that were played of it if it was clicked. A page is what a
    user was shown on a day. Repeated rows of impressions are dropped.

    Args:
        directory: Folder of `log_standard_*.csv`, or of Parquet files with the same columns, and of
            `user_features_*.csv` and `video_features_basic_*.csv`, compressed or not.

    Raises:
        FileNotFoundError: If one of them is missing.
        ValueError: If one lacks a column.
    """
    folder = pathlib.Path(directory)
    [videos_file], [users_file] = (
        _find(folder, f"{name}_*.csv*") for name in ("video_features_basic", "user_features")
    )
    files = sorted(folder.glob("*.parquet")) or _find(folder, "log_standard_*.csv*", many=True)
    shown = pd.concat([_read(file, _SHOWN) for file in files], ignore_index=True)
    shown = shown.drop_duplicates(["user_id", "video_id", "time_ms"])
    clicked = shown["is_click"].astype(int)
    impressions = pd.DataFrame(
        {
            "user_id": shown["user_id"],
            "video_id": shown["video_id"],
            "time": shown["time_ms"] / 1000.0,
            "clicked": clicked,
            "seconds": shown["play_time_ms"].astype(float) / 1000.0 * clicked,
            "page_id": shown["user_id"].astype(str) + "/" + shown["date"].astype(str),
            "tab": shown["tab"].astype(str),
        }
    )
    users = _read(users_file, ["user_id", *_USERS])
    videos = _read(videos_file, ["video_id", *_VIDEOS])
    upload = pd.to_datetime(videos["upload_dt"]) - pd.Timestamp(0)
    items = pd.DataFrame(
        {
            "video_id": videos["video_id"],
            "author": videos["author_id"].astype(str),
            "tag": videos["tag"].fillna("").astype(str),
            "upload_type": videos["upload_type"].fillna(""),
            "length": videos["video_duration"].astype(float) / 1000.0,
            "upload_time": upload.dt.total_seconds(),
        }
    )
    watched = impressions[impressions["seconds"] > 0]
    size = videos_file.name.split(".")[0].rpartition("_")[2]
    return Log(
        name=f"kuairand-{size}",
        interactions=watched[["user_id", "video_id", "time", "seconds"]],
        users=users[users["user_id"].isin(impressions["user_id"])],
        items=items[items["video_id"].isin(impressions["video_id"])],
        impressions=impressions,
        roles=Roles(item="video_id", weight="seconds"),
    )


def _find(folder: pathlib.Path, pattern: str, many: bool = False) -> list[pathlib.Path]:
    found = sorted(folder.glob(pattern))
    if not found or len(found) > 1 and not many:
        expected = "files" if many else "one file"
        raise FileNotFoundError(
            f"Expected {expected} {pattern} in {folder}. Received: {[p.name for p in found]}"
        )
    return found


def _read(path: pathlib.Path, columns: list[str]) -> pd.DataFrame:
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ValueError(f"{path} must have the columns {columns}. Missing: {missing}")
    return frame[columns]
