"""KuaiRand's files, drawn by hand."""

import pathlib

import pandas as pd
import pytest

from tfrec_zoo.cli.datasets import load_dataset
from tfrec_zoo.data.kuairand import is_kuairand, read_kuairand

SHOWN = """user_id,video_id,date,hourmin,time_ms,is_click,play_time_ms,tab
1,7,20220425,0,1000000000000,1,2500,1
1,8,20220425,0,1000000001000,0,900,1
1,8,20220425,0,1000000001000,0,900,1
2,7,20220426,10,1000000002000,1,0,0
"""
USERS = """user_id,user_active_degree,follow_user_num_range,fans_user_num_range,friend_user_num_range,register_days_range
1,full_active,500+,0,0,730+
2,middle_active,0,0,0,8-14
3,middle_active,0,0,0,8-14
"""  # noqa: E501
VIDEOS = """video_id,author_id,upload_dt,upload_type,video_duration,tag
7,70,2022-04-10,LongImport,60000,39
8,80,1970-01-02,,1500,
9,90,2022-04-10,Kmovie,1000,2
"""


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "log_standard_4_22_to_5_08_pure.csv").write_text(SHOWN)
    (tmp_path / "user_features_pure.csv").write_text(USERS)
    (tmp_path / "video_features_basic_pure.csv").write_text(VIDEOS)
    return tmp_path


def test_seconds_are_of_clicks_and_pages_of_users_and_days(folder: pathlib.Path) -> None:
    log = read_kuairand(folder)
    assert log.name == "kuairand-pure"
    shown = log.impressions
    assert shown is not None
    assert shown.values.tolist() == [
        [1, 7, 1e9, 1, 2.5, "1/20220425", "1"],
        [1, 8, 1e9 + 1, 0, 0.0, "1/20220425", "1"],
        [2, 7, 1e9 + 2, 1, 0.0, "2/20220426", "0"],
    ]
    # A click that nothing came of is no watch.
    assert log.interactions.values.tolist() == [[1, 7, 1e9, 2.5]]
    assert log.users.user_id.tolist() == [1, 2]
    assert log.items.set_index("video_id").loc[8].to_dict() == {
        "author": "80", "tag": "", "upload_type": "", "length": 1.5, "upload_time": 86400.0,
    }  # fmt: skip


def test_the_command_line_knows_its_folder_and_parquet(folder: pathlib.Path) -> None:
    first = load_dataset(str(folder))
    assert is_kuairand(folder) and first.name == "kuairand-pure"
    csv = folder / "log_standard_4_22_to_5_08_pure.csv"
    pd.read_csv(csv).to_parquet(folder / "all.parquet")
    csv.unlink()
    assert load_dataset(str(folder)).checksum == first.checksum


def test_files_and_columns_that_are_missing_are_named(folder: pathlib.Path) -> None:
    (folder / "user_features_pure.csv").write_text("user_id\n1\n")
    with pytest.raises(ValueError, match=r"user_features_pure.csv must have .* Missing: \['user_a"):
        read_kuairand(folder)
    (folder / "user_features_pure.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"Expected one file user_features_\*"):
        read_kuairand(folder)
    with pytest.raises(ValueError, match="Columns and files are given"):
        load_dataset(str(folder), None, {"user": "user_id"})
