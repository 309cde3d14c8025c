"""Features: the declaration of what a raw request contains, and its conversion to tensors."""

from tfrec_zoo.autograph import trace_as_written
from tfrec_zoo.features.columns import (
    BagColumn,
    BucketizedColumn,
    CategoricalColumn,
    CrossedColumn,
    HashedColumn,
    VocabularyColumn,
)
from tfrec_zoo.features.dense import DenseFeatures
from tfrec_zoo.features.dense_columns import (
    Column,
    DenseColumn,
    EmbeddingColumn,
    IndicatorColumn,
    InteractionColumn,
    MatchColumn,
    NumberColumn,
    NumericColumn,
    PairColumn,
    VectorColumn,
)
from tfrec_zoo.features.embedding import EmbeddingTable, make_embedding_tables, seed_after, seeded
from tfrec_zoo.features.features import Features, default_dimension
from tfrec_zoo.features.id_rows import IdRows, origins, places
from tfrec_zoo.features.logarithm import LogNormalization
from tfrec_zoo.features.min_max import MinMaxNormalization
from tfrec_zoo.features.preprocessing import (
    Encoded,
    Preprocessor,
    is_encoded,
    parse_examples,
    raw_signature,
    serving_value,
)
from tfrec_zoo.features.quantile import QuantileNormalization
from tfrec_zoo.features.quantile_sketch import QuantileSketch
from tfrec_zoo.features.request import MISSING, raw_array, raw_vectors, request_arrays
from tfrec_zoo.features.spec import FeatureSpec, RawFeature
from tfrec_zoo.features.vocabulary import Repeated, Vocabulary, VocabularyCounter
from tfrec_zoo.features.z_score import ZScoreNormalization

trace_as_written("tfrec_zoo")

__all__ = [
    "MISSING",
    "BagColumn",
    "BucketizedColumn",
    "CategoricalColumn",
    "Column",
    "CrossedColumn",
    "DenseColumn",
    "DenseFeatures",
    "EmbeddingColumn",
    "EmbeddingTable",
    "Encoded",
    "FeatureSpec",
    "Features",
    "HashedColumn",
    "IdRows",
    "IndicatorColumn",
    "InteractionColumn",
    "LogNormalization",
    "MatchColumn",
    "MinMaxNormalization",
    "NumberColumn",
    "NumericColumn",
    "PairColumn",
    "Preprocessor",
    "QuantileNormalization",
    "QuantileSketch",
    "RawFeature",
    "Repeated",
    "VectorColumn",
    "Vocabulary",
    "VocabularyColumn",
    "VocabularyCounter",
    "ZScoreNormalization",
    "default_dimension",
    "is_encoded",
    "make_embedding_tables",
    "origins",
    "parse_examples",
    "places",
    "raw_array",
    "raw_signature",
    "raw_vectors",
    "request_arrays",
    "seed_after",
    "seeded",
    "serving_value",
]
