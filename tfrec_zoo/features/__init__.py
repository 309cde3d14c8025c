"""Features: the declaration of what a raw request contains, and its conversion to tensors."""

from tfrec_zoo.features.columns import (
    BagColumn,
    BucketizedColumn,
    CategoricalColumn,
    Column,
    CrossedColumn,
    DenseColumn,
    EmbeddingColumn,
    HashedColumn,
    IndicatorColumn,
    InteractionColumn,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.features.dense import DenseFeatures
from tfrec_zoo.features.embedding import EmbeddingTable, make_embedding_tables, seed_after, seeded
from tfrec_zoo.features.features import Features, default_dimension
from tfrec_zoo.features.preprocessing import (
    Encoded,
    Preprocessor,
    is_encoded,
    parse_examples,
    raw_signature,
)
from tfrec_zoo.features.quantile import QuantileNormalization
from tfrec_zoo.features.quantile_sketch import QuantileSketch
from tfrec_zoo.features.request import MISSING, raw_array, request_arrays
from tfrec_zoo.features.spec import FeatureSpec, RawFeature
from tfrec_zoo.features.vocabulary import Vocabulary, VocabularyCounter

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
    "IndicatorColumn",
    "InteractionColumn",
    "NumericColumn",
    "Preprocessor",
    "QuantileNormalization",
    "QuantileSketch",
    "RawFeature",
    "Vocabulary",
    "VocabularyColumn",
    "VocabularyCounter",
    "default_dimension",
    "is_encoded",
    "make_embedding_tables",
    "parse_examples",
    "raw_array",
    "raw_signature",
    "request_arrays",
    "seed_after",
    "seeded",
]
