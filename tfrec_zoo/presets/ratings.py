"""Predicting ratings, by the root mean squared error on a fixed fifth of them."""

from tfrec_zoo.presets.preset import Preset
from tfrec_zoo.training import Training

#: With each number of epochs the learning rate falls to zero.
_TRAINING = Training(
    batch_size=256, learning_rate=0.005, optimizer="lazy_adam", grid={"epochs": (10, 15, 20)}
)
_DATASET = "movielens/100k"

RATINGS = (
    Preset("ratings/damped-means", "damped-means", "ratings", dataset=_DATASET),
    Preset(
        "ratings/MF",
        "MatrixFactorization",
        "ratings",
        arguments={"embedding_dim": 64, "batch_l2": 0.06, "stddev": 0.05},
        training=_TRAINING,
        dataset=_DATASET,
        published={"rmse": 0.934},
        source="SVD, five folds",
    ),
    Preset(
        "ratings/FM",
        "FactorizationMachine",
        "ratings",
        arguments={"embedding_dim": 32},
        training=_TRAINING,
        dataset=_DATASET,
        published={"rmse": 0.9326},
        source="DCN of the TFRS tutorial, another fifth",
    ),
)
