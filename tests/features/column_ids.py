"""A few columns, and their ids by the preprocessor: what tests of it and of crosses share."""

from tfrec_zoo.features import (
    BagColumn,
    BucketizedColumn,
    Features,
    FeatureSpec,
    HashedColumn,
    Preprocessor,
    Vocabulary,
    VocabularyColumn,
)

# isort: split
import tensorflow as tf

NAN = float("nan")

VIDEOS = Vocabulary(("a", "b", "é", "[UNK]", " c "))

NUMBERS = Vocabulary((7, 0, 2**40), "int64")

VIDEO = VocabularyColumn("video_id", space="video")

NUMBER = VocabularyColumn("number", dtype="int64")

WATCHED = BagColumn(VocabularyColumn("watched", space="video"), max_length=2)

RATED = BagColumn(VocabularyColumn("rated", dtype="int64", space="number"), max_length=3)

AGE = BucketizedColumn("age", (18.0, 30.1))


def preprocessor(*query, candidate=(), keys=()):
    """Of columns; `keys` are those of the crosses with `top_n`."""
    spec = FeatureSpec(query=query, candidate=candidate)
    known = {"video": VIDEOS, "number": NUMBERS, "os": Vocabulary(("x", "y"))}
    vocabularies = {column.space: known[column.space] for column in spec.vocabulary_columns}
    frequent = [column for column in spec.crosses if column.top_n]
    vocabularies.update((column.space, Vocabulary(tuple(keys), "int64")) for column in frequent)
    return Preprocessor(Features(spec, vocabularies, {}))


def ids(column, keys=(), **raw):
    """The ids of one column, as lists."""
    raw = {key: tf.constant(value) for key, value in raw.items()}
    encoded = preprocessor(column, keys=keys)(raw)
    assert set(encoded) == {"ids", "values"}
    parts = {part.name for part in getattr(column, "columns", ())}
    assert set(encoded["ids"]) == {column.name, *parts}
    assert encoded["values"] == {}
    assert encoded["ids"][column.name].dtype == tf.int32
    return encoded["ids"][column.name].numpy().tolist()


def farm(*values, buckets):
    """The bucket of each string by TensorFlow's own hash, from 1 up."""
    return (tf.strings.to_hash_bucket_fast(list(values), buckets) + 1).numpy().tolist()


COUNTRY, DEVICE = HashedColumn("country", 5), HashedColumn("device", 5, dtype="int64")

OS = VocabularyColumn("os")


def hashed(*keys, buckets=1000):
    """The buckets of keys, 0 for none."""
    return [key and farm(str(key), buckets=buckets)[0] for key in keys]
