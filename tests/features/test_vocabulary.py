import collections

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.features import Repeated, Vocabulary, VocabularyCounter


def test_most_frequent_first_ties_by_value():
    # c: 3, a: 2, b: 2, d: 1
    vocabulary = Vocabulary.from_values([["d", "c", "b", "a", "c", "b", "a", "c"]])
    assert vocabulary.tokens == ("c", "a", "b", "d")
    assert len(vocabulary) == 4


def test_one_pass_over_chunks():
    # x: 1 + 2, y: 2, z: 1
    chunks = iter([["y", "x", "y"], [], [["z", "x"], ["x", ""]]])
    assert Vocabulary.from_values(chunks).tokens == ("x", "y", "z")
    assert next(chunks, None) is None


def test_chunks_make_no_difference():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 50, 2_000) // rng.integers(1, 9, 2_000)
    # Independent count: np.unique sorts by value, the stable sort keeps it among equal counts.
    distinct, counts = np.unique(values, return_counts=True)
    expected = tuple(distinct[np.argsort(-counts, kind="stable")].tolist())
    for parts in (1, 7):
        chunks = np.array_split(values, parts)
        assert Vocabulary.from_values(chunks, "int64").tokens == expected
    text = Vocabulary.from_values(np.array_split(values.astype(str), 3))
    distinct, counts = np.unique(values.astype(str), return_counts=True)
    assert text.tokens == tuple(distinct[np.argsort(-counts, kind="stable")].tolist())


@pytest.mark.parametrize(("top_n", "expected"), [(1, ("c",)), (3, ("c", "a", "b")), (9, None)])
def test_top_n(top_n, expected):
    values = ["c", "b", "a", "c", "d", "b", "a", "c"]
    vocabulary = Vocabulary.from_values([values], top_n=top_n)
    assert vocabulary.tokens == (expected or ("c", "a", "b", "d"))


def test_missing_strings_are_no_tokens():
    values = ["a", None, float("nan"), "", "a", pd.NA, np.nan, ""]
    assert Vocabulary.from_values([values]).tokens == ("a",)
    assert Vocabulary.from_values([np.array(values, object)]).tokens == ("a",)
    assert Vocabulary.from_values([pd.Series(["a", None], dtype="str")]).tokens == ("a",)
    # A column of nothing is float64 NaN in pandas.
    assert Vocabulary.from_values([pd.Series([np.nan, np.nan])]).tokens == ()


def test_missing_numbers_are_no_tokens():
    values = [7, None, -1, 0, 7.0, float("nan"), -5, 0, 7]
    # 7 three times, 0 twice; negative numbers are missing.
    assert Vocabulary.from_values([values], "int64").tokens == (7, 0)
    nullable = pd.Series([3, None, 3], dtype="Int64")
    assert Vocabulary.from_values([nullable], "int64").tokens == (3,)


def test_tokens_are_plain_python():
    vocabulary = Vocabulary.from_values([np.array([3, 3, 1], np.int32)], "int64")
    assert [type(token) for token in vocabulary.tokens] == [int, int]
    vocabulary = Vocabulary.from_values([np.array(["a", "b"])])
    assert [type(token) for token in vocabulary.tokens] == [str, str]


def test_large_numbers_are_exact():
    # Neither fits a float64.
    values = [2**53 + 1, None, 2**63 - 1]
    assert Vocabulary.from_values([values], "int64").tokens == (2**53 + 1, 2**63 - 1)


def test_bytes_are_decoded():
    assert Vocabulary.from_values([["é".encode(), "é", b"a"]]).tokens == ("é", "a")
    assert Vocabulary.from_values([np.array([b"ab", b"ab", b"c"])]).tokens == ("ab", "c")


def test_any_shape_and_bags():
    assert Vocabulary.from_values([np.array([["a", "b"], ["b", ""]])]).tokens == ("b", "a")
    bags = [["a", "b"], None, [], ["b"]]
    assert Vocabulary.from_values([bags]).tokens == ("b", "a")
    assert Vocabulary.from_values([pd.Series(bags)]).tokens == ("b", "a")
    ids = [np.array([4, 5]), np.array([5])]
    assert Vocabulary.from_values([ids], "int64").tokens == (5, 4)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["a", 1], "string"),
        ([1, 2], "string"),
        (np.array([1.5]), "string"),
        (["a", True], "string"),
        ([b"\xff"], "string"),
        (["\ud800"], "string"),
        (["12"], "int64"),
        (np.array(["12"]), "int64"),
        ([1.5], "int64"),
        (np.array([1.5, np.nan]), "int64"),
        ([float("inf")], "int64"),
        ([2**63], "int64"),
        (np.array([2**63], np.uint64), "int64"),
        ([1e300], "int64"),
        (np.array(["2020-01-01"], "datetime64[s]"), "int64"),
    ],
)
def test_wrong_types(values, dtype):
    with pytest.raises(TypeError, match="Expected (strings|whole numbers).* Received"):
        VocabularyCounter(dtype).update(values)


def test_counter_counts():
    counter = VocabularyCounter("int64")
    counter.update([1, 1, 2])
    counter.update([2, 3, 2])
    counts = {token: int(count) for token, count in counter.counts.items()}
    assert counts == {1: 2, 2: 3, 3: 1}


TOKENS = ("b", "é", " a ", "中文", "🎬", "[UNK]", "a\tb", "\u2028", "\x85", "nan", '"', "\\n", "#")


def test_save_and_load(tmp_path):
    vocabulary = Vocabulary(TOKENS)
    vocabulary.save(tmp_path / "tokens.txt")
    assert (tmp_path / "tokens.txt").read_bytes() == "".join(f"{t}\n" for t in TOKENS).encode()
    assert Vocabulary.load(tmp_path / "tokens.txt") == vocabulary


def test_save_and_load_numbers(tmp_path):
    vocabulary = Vocabulary((3, 0, 2**63 - 1), "int64")
    vocabulary.save(tmp_path / "tokens.txt")
    assert (tmp_path / "tokens.txt").read_text() == "3\n0\n9223372036854775807\n"
    again = Vocabulary.load(tmp_path / "tokens.txt", "int64")
    assert again == vocabulary
    assert again.array().dtype == np.int64
    assert again.array().tolist() == [3, 0, 2**63 - 1]


def test_save_and_load_nothing(tmp_path):
    Vocabulary(()).save(tmp_path / "tokens.txt")
    assert Vocabulary.load(tmp_path / "tokens.txt") == Vocabulary(())


def test_load_a_file_without_a_last_newline(tmp_path):
    (tmp_path / "tokens.txt").write_text("a\nb")
    assert Vocabulary.load(tmp_path / "tokens.txt").tokens == ("a", "b")


@pytest.mark.parametrize(
    ("tokens", "dtype", "received"),
    [
        (("a", "b\nc"), "string", r"'b\\nc'"),
        (("a\r",), "string", r"'a\\r'"),
        (("",), "string", "''"),
        ((1,), "string", "1"),
        (("1",), "int64", "'1'"),
        ((-1,), "int64", "-1"),
        ((2**63,), "int64", "9223372036854775808"),
        ((True,), "int64", "True"),
    ],
)
def test_invalid_tokens(tokens, dtype, received):
    with pytest.raises(ValueError, match=f"`tokens` must be .* Received: {received}$"):
        Vocabulary(tokens, dtype)


def test_newline_in_the_data():
    with pytest.raises(ValueError, match="one line"):
        Vocabulary.from_values([["a", "b\nc"]])


def test_tokens_are_distinct():
    with pytest.raises(ValueError, match="`tokens` must be distinct. Received twice: 'b'"):
        Vocabulary(("a", "b", "b"))


#: In no order of theirs; of one, two, three and four bytes each, and prefixes of one another.
WORDS = [
    "é",
    "a",
    "ab",
    "a b",
    "Z",
    "中文",
    "🎬",
    "\uffff",
    "\x00",
    "a\x00",
    "nan",
    "",
    None,
    np.nan,
]
NUMBERS = [7, 0, 2**63 - 1, 2**53 + 1, 2**53, -1, -5, None]


def naive(values, top_n=None):
    """Most frequent first, ties in the order of Python."""
    counts = collections.Counter(
        value
        for value in values
        if value == value and value not in (None, "") and value not in NUMBERS[5:]
    )
    return tuple(sorted(counts, key=lambda value: (-counts[value], value))[:top_n])


def in_forms(values, dtype):
    """The same values as a list, arrays, pandas columns, bags and repeated rows."""
    yield values
    yield np.array(values, object)
    yield np.array([*values, None, None], object)[: len(values) // 2 * 2].reshape(-1, 2)
    yield pd.Series(values, dtype=object)
    yield pd.Series(values, dtype="str" if dtype == "string" else "Int64")
    yield pd.Series(values, dtype=object).astype("category")
    yield [values[:3], None, [], tuple(values[3:9]), np.array(values[9:], object)]
    distinct, times = [], collections.Counter(map(repr, values))
    for value in values:
        if repr(value) not in map(repr, distinct):
            distinct.append(value)
    yield Repeated(np.array(distinct, object), np.array([times[repr(v)] for v in distinct]))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dtype", ["string", "int64"])
def test_as_counted_one_by_one(seed, dtype):
    rng = np.random.default_rng(seed)
    pool = WORDS if dtype == "string" else NUMBERS
    size = 2 * int(rng.integers(5, 40))
    values = [pool[i] for i in (len(pool) * rng.random(size) ** 2).astype(int)]
    top_n = None if seed % 2 else int(rng.integers(1, 5))
    for given in in_forms(values, dtype):
        assert Vocabulary.from_values([given], dtype, top_n).tokens == naive(values, top_n)
    # Chunks of different forms.
    chunks = list(in_forms(values, dtype))
    assert Vocabulary.from_values(chunks, dtype, top_n).tokens == naive(values, top_n)


def test_text_that_short_offsets_do_not_reach(monkeypatch):
    monkeypatch.setattr("tfrec_zoo.features.vocabulary._REACH", 0)
    values = ["b", None, "a", "b", "", "é", "a", "b"]
    chunks = [pd.Series(values, dtype="str"), Repeated(np.array(["a", "c"]), np.array([2, 0]))]
    assert Vocabulary.from_values(chunks).tokens == ("a", "b", "é")
    assert Vocabulary.from_values([[None], []]).tokens == ()


def test_ties_are_sorted_as_python_sorts():
    # By code point, which UTF-16 would not do, nor a locale.
    tokens = ["\U00010000", "\uffff", "é", "z", "Z", "a\x00", "a", "aa"]
    expected = ("Z", "a", "a\x00", "aa", "z", "é", "\uffff", "\U00010000")
    assert Vocabulary.from_values([tokens]).tokens == expected


def test_rows_that_repeat_count_as_often():
    # Bags of two: a 3 + 1, b 3, c 1; d is in no row that counts.
    rows = Repeated(np.array([["a", "b"], ["c", "a"], ["d", "d"]], object), np.array([3, 1, 0]))
    counter = VocabularyCounter()
    counter.update(rows)
    assert counter.counts.to_dict() == {"a": 4, "b": 3, "c": 1}
    numbers = Repeated(np.array([5, 6, 7]), np.array([1, 0, 2]))
    assert Vocabulary.from_values([numbers, [5, 5]], "int64").tokens == (5, 7)


def test_counts_can_be_asked_in_between():
    counter = VocabularyCounter()
    assert counter.counts.empty
    for number in range(1, 30):
        counter.update([f"v{i}" for i in range(number)])
        assert counter.counts["v0"] == number and len(counter.counts) == number
    assert counter.counts.to_dict() == {f"v{i}": 29 - i for i in range(29)}


def test_counts_of_ones_own():
    counts = pd.Series({"b": 2.0, "": 9.0, "a": 2.0, "c": 2.5})
    assert Vocabulary.from_counts(counts).tokens == ("c", "a", "b")
    assert Vocabulary.from_counts(counts.iloc[:0]).tokens == ()
    assert Vocabulary.from_counts(pd.Series({3: 1, -1: 5, 2: 1}), "int64").tokens == (2, 3)
