"""The NCF paper's files, written by hand."""

import gzip
import pathlib
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import SampledTest, interaction_examples, read_ncf

_REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

# User 1 rates 10 and 11 in the same second, after 12; the test item of 1 is as new as they are,
# that of 2 older than what it is trained on. Users and lines are in no order.
TRAIN = "4\t10\t5\t50\n1\t10\t5\t100\n1\t11\t4\t100\n1\t12\t3\t90\n2\t13\t1\t60\n2\t10\t2\t55\n"
TEST = "2\t11\t3\t40\n1\t13\t2\t100\n4\t12\t4\t70\n"
NEGATIVE = "(2,11)\t12\t15\t12\n(1,13)\t14\t15\t13\n(4,12)\t11\t13\t14\n"
FILES = {
    "tiny.train.rating": TRAIN,
    "tiny.test.rating": TEST,
    "tiny.test.negative": NEGATIVE,
}


def write(folder: pathlib.Path, zipped: bool = False, **changes: str) -> pathlib.Path:
    """Writes the files; `changes` by the end of the name, `negative="…"`."""
    for name, text in FILES.items():
        data = changes.get(name.removeprefix("tiny.").replace(".", "_"), text).encode()
        (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(data) if zipped else data)
    return folder


@pytest.fixture(params=["plain", "gz"])
def data(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> SampledTest:
    return read_ncf(write(tmp_path, zipped=request.param == "gz"))


def test_interactions_are_sorted_ties_as_in_the_file_the_test_item_last(data: SampledTest) -> None:
    rows = data.log.interactions
    assert list(zip(rows.user_id, rows.item_id, rows.weight, strict=True)) == [
        (1, 12, 3.0), (1, 10, 5.0), (1, 11, 4.0), (1, 13, 2.0),
        (2, 10, 2.0), (2, 13, 1.0), (2, 11, 3.0),
        (4, 10, 5.0), (4, 12, 4.0),
    ]  # fmt: skip
    # The test item of user 2 is made no older than the rest.
    assert rows.time.tolist() == [90, 100, 100, 100, 55, 60, 60, 50, 70]
    assert data.log.name == "ncf/tiny"


def test_which_rows_are_for_what(data: SampledTest) -> None:
    assert data.split.test.tolist() == [3, 6, 8]
    assert data.split.validation.tolist() == [2, 5, 7]
    assert data.split.train.tolist() == [0, 1, 4]
    assert "latest item of each user" == data.split.protocol


def test_negatives_are_rows_of_the_items_in_the_order_of_the_test_rows(data: SampledTest) -> None:
    # 14 and 15 are only there as negatives.
    assert data.log.items.item_id.tolist() == [10, 11, 12, 13, 14, 15]
    assert data.negatives.tolist() == [[4, 5, 3], [2, 5, 2], [1, 3, 4]]
    tested = data.log.interactions.iloc[data.split.test]
    assert tested.user_id.tolist() == [1, 2, 4] and tested.item_id.tolist() == [13, 11, 12]


def test_they_are_the_candidates_of_the_examples(data: SampledTest) -> None:
    examples = interaction_examples(data.log, data.split.test)
    assert examples.candidates is not None
    np.testing.assert_array_equal(
        examples.candidates.values["item_id"][data.negatives],
        [[14, 15, 13], [12, 15, 12], [11, 13, 14]],
    )


def test_a_user_without_a_test_line_is_trained_on(tmp_path: pathlib.Path) -> None:
    more = TRAIN + "3\t10\t5\t1\n3\t12\t5\t2\n3\t11\t4\t3\n5\t11\t4\t3\n"
    data = read_ncf(write(tmp_path, train_rating=more))
    rows = data.log.interactions
    assert len(rows) == 13 and rows.user_id.tolist()[7:10] == [3, 3, 3]
    assert data.split.test.tolist() == [3, 6, 11]
    assert data.split.validation.tolist() == [2, 5, 9, 10, 12]
    assert data.split.train.tolist() == [0, 1, 4, 7, 8]
    assert data.negatives.tolist() == [[4, 5, 3], [2, 5, 2], [1, 3, 4]]


def test_a_name_chooses_among_several(tmp_path: pathlib.Path) -> None:
    write(tmp_path)
    for path in list(tmp_path.iterdir()):
        text = path.read_text().replace("1\t12\t3", "1\t17\t3")
        (tmp_path / path.name.replace("tiny", "other")).write_text(text)
    with pytest.raises(FileNotFoundError, match=r"one file \*\.train\.rating .*'other.*'tiny"):
        read_ncf(tmp_path)
    assert 17 not in set(read_ncf(tmp_path, "tiny").log.items.item_id)
    other = read_ncf(str(tmp_path), name="other")
    assert 17 in set(other.log.items.item_id) and other.log.name == "ncf/other"
    with pytest.raises(FileNotFoundError, match="one file third.train.rating or .*Received: "):
        read_ncf(tmp_path, "third")


@pytest.mark.parametrize("name", FILES)
def test_missing_files_are_named(tmp_path: pathlib.Path, name: str) -> None:
    (write(tmp_path) / name).unlink()
    end = name.removeprefix("tiny.")
    with pytest.raises(FileNotFoundError) as error:
        read_ncf(tmp_path)
    assert f"*.{end}.gz in {tmp_path}" in str(error.value)


def test_a_missing_folder_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_ncf(tmp_path / "nowhere")


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _cut_trailer(data: bytes) -> bytes:
    return data[:-3]


def _flip(data: bytes) -> bytes:
    return data[:12] + bytes([data[12] ^ 0xFF]) + data[13:]


def _flip_checksum(data: bytes) -> bytes:
    return data[:-8] + bytes([data[-8] ^ 0xFF]) + data[-7:]


def _not_gzip(data: bytes) -> bytes:
    return b"not " + data


@pytest.mark.parametrize("damage", [_cut, _cut_trailer, _flip, _flip_checksum, _not_gzip])
@pytest.mark.parametrize("name", FILES)
def test_damaged_gzip_files_are_named(
    tmp_path: pathlib.Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    path = write(tmp_path, zipped=True) / f"{name}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError) as error:
        read_ncf(tmp_path)
    assert f"{path} is damaged: " in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        TRAIN + "2\t10",
        TRAIN + "2\t10\t4\t",
        TRAIN + "2\t10\t4",
        TRAIN + "2\t10\t\t60\n",
        TRAIN + "2\t\t4\t60\n",
        TRAIN + "2\t10\t4\t60\t8\n",
        TRAIN + "2\tten\t4\t60\n",
        TRAIN + "2\t1.5\t4\t60\n",
        TRAIN + "2\t10\tfour\t60\n",
        TRAIN + "2\t10\t4\tlate\n",
        TRAIN + "2\t-10\t4\t60\n",
        TRAIN.replace("\t", "::"),
    ],
)
@pytest.mark.parametrize("part", ["train_rating", "test_rating"])
def test_damaged_ratings_are_named(tmp_path: pathlib.Path, part: str, text: str) -> None:
    write(tmp_path, **{part: text})
    with pytest.raises(ValueError) as error:
        read_ncf(tmp_path)
    assert f"{tmp_path / 'tiny'}.{part.replace('_', '.')} is damaged: " in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        NEGATIVE[:-4],  # the last line has one less
        NEGATIVE[:-1] + "\t12\n",
        NEGATIVE.replace("\t15", "\tx"),
        NEGATIVE.replace("\t15", "\t1.5"),
        NEGATIVE.replace(",", ";"),
        NEGATIVE.replace(",", ";", 1),
        NEGATIVE.replace(")", ",1)"),
        NEGATIVE.replace("(2,11)", ""),
        NEGATIVE.replace("\t", " "),
    ],
)
def test_damaged_negatives_are_named(tmp_path: pathlib.Path, text: str) -> None:
    write(tmp_path, test_negative=text)
    with pytest.raises(ValueError) as error:
        read_ncf(tmp_path)
    assert f"{tmp_path / 'tiny.test.negative'} is damaged: " in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"test_negative": "".join(NEGATIVE.splitlines(True)[:2])},
        {"test_negative": NEGATIVE + "(5,12)\t11\t13\t14\n"},
        {"test_negative": NEGATIVE.replace("(4,12)", "(4,11)")},
        {"test_negative": NEGATIVE.replace("(4,12)", "(3,12)")},
        {"test_negative": "".join(NEGATIVE.splitlines(True)[::-1])},
        {"test_rating": "".join(TEST.splitlines(True)[:2])},
    ],
)
def test_lines_that_do_not_belong_together_are_named(
    tmp_path: pathlib.Path, changes: dict[str, str]
) -> None:
    write(tmp_path, **changes)
    with pytest.raises(ValueError) as error:
        read_ncf(tmp_path)
    wanted = f"{tmp_path / 'tiny.test.negative'} must have a line (user,item) for each"
    assert wanted in str(error.value)


def test_a_user_tested_twice_is_named(tmp_path: pathlib.Path) -> None:
    more = {"test_rating": TEST + "4\t13\t4\t71\n", "test_negative": NEGATIVE + "(4,13)\t1\t2\t3\n"}
    with pytest.raises(ValueError, match="one line of test ratings. Twice: 4 in "):
        read_ncf(write(tmp_path, **more))


def test_the_papers_movielens() -> None:
    folder = _REPOSITORY.parent / "shared" / "data" / "ncf-ml-1m"
    if not folder.exists():
        pytest.skip(f"The NCF paper's files are not in {folder}")
    data = read_ncf(folder)
    log, split = data.log, data.split
    # Table 1 of the paper: 6,040 users, 3,706 items, 1,000,209 interactions.
    assert (len(log.users), len(log.items), len(log.interactions)) == (6040, 3706, 1_000_209)
    assert log.name == "ncf/ml-1m"
    assert (len(split.test), len(split.validation)) == (6040, 6040)
    assert len(split.train) + len(split.validation) == 994_169
    assert len(np.unique(np.concatenate([split.train, split.validation, split.test]))) == 1_000_209
    assert data.negatives.shape == (6040, 99) and (data.negatives >= 0).all()
    # Its first lines: (0,25) 1064 174 …; (1,133) 1072 3154 ….
    rows = log.interactions.iloc[split.test[:2]]
    assert rows[["user_id", "item_id", "time"]].values.tolist() == [
        [0, 25, 978_824_351],
        [1, 133, 978_300_174],
    ]
    ids = log.items.item_id.to_numpy()
    assert ids[data.negatives[:2, :2]].tolist() == [[1064, 174], [1072, 3154]]
    # No negative is what its user was trained on; 156, all told, are the test item itself.
    size = len(ids)
    tested = log.interactions.iloc[split.test]
    at = pd.Index(log.items.item_id).get_indexer(tested.item_id)
    users = tested.user_id.to_numpy()
    assert (data.negatives == at[:, None]).sum() == 156
    trained = log.interactions.iloc[np.append(split.train, split.validation)]
    keys = trained.user_id * size + pd.Index(log.items.item_id).get_indexer(trained.item_id)
    assert not np.isin((users[:, None] * size + data.negatives).ravel(), keys.to_numpy()).any()
