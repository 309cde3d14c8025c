"""Folds: retrieval models like a trained one, each without some of the users."""

import numpy as np
import tensorflow as tf

from tfrec_zoo.evaluation import user_folds
from tfrec_zoo.models import RetrievalModel
from tfrec_zoo.needs import allow_idle
from tfrec_zoo.tasks import Task
from tfrec_zoo.training import Training, fit


def train_folds(
    retrieval: RetrievalModel, task: Task, training: Training, number: int = 2
) -> tuple[RetrievalModel, ...]:
    """Trains models like a trained one for `WatchTime(fold_models={name: ...})`.

    Together they cost `number - 1` times what the model did.

    Args:
        retrieval: A trained retrieval model. Its vocabularies and quantiles are taken over, so that
            all models know the same items.
        task: The task it was trained on.
        training: How it was trained.
        number: Number of folds, and of models.

    Returns:
        The models. Model i is trained on the examples of all users but those of fold i.

    Raises:
        ValueError: If there are less than two folds, or one of them holds all users.
    """
    if number < 2:
        raise ValueError(f"`number` of folds must be at least 2. Received: {number!r}")
    arguments = {key: v for key, v in retrieval.get_config().items() if key != "features"}
    given = task.examples(type(retrieval), arguments)
    assert given.train.groups is not None
    fold = user_folds(given.train.groups, number)
    models = []
    for one in range(number):
        part = given.train.take(np.flatnonzero(fold != one))
        if not len(part):
            raise ValueError(
                "Each fold must leave users to train on. "
                f"Received: all {len(given.train)} examples in one of {number} folds"
            )
        tf.keras.utils.set_random_seed(training.seed)
        with allow_idle():
            model = type(retrieval)(retrieval.features, **arguments)
        fit(model, part, training, given.negatives)
        models.append(model)
    return tuple(models)
