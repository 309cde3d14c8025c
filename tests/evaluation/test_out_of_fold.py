"""Out of fold: no model scores what it was trained on."""

import numpy as np

import tfrec_zoo
from tfrec_zoo.data import Log
from tfrec_zoo.evaluation import by_fold, user_folds
from tfrec_zoo.folds import train_folds
from tfrec_zoo.tasks import NextWatch
from tfrec_zoo.training import Training

import pytest  # isort: skip


def test_folds_are_even_and_the_same_however_users_are_asked_for() -> None:
    users = np.arange(3000)
    folds = user_folds(users, 3)
    assert (np.abs(np.bincount(folds, minlength=3) - 1000) < 120).all()
    some = np.array([2999, 5, 5, 0])
    assert user_folds(some, 3).tolist() == folds[some].tolist()


def test_each_is_evaluated_by_the_model_of_its_fold() -> None:
    users = np.array([4, 1, 4, 3, 0, 2])
    folds = user_folds(users, 2)
    assert set(folds.tolist()) == {0, 1}

    def evaluated(model: object, part: np.ndarray) -> np.ndarray:
        return np.stack([part, np.full(len(part), model == "second")], axis=1)

    found = by_fold(["first", "second"], evaluated, users)  # type: ignore[list-item, arg-type]
    assert found.tolist() == [[i, fold] for i, fold in enumerate(folds)]


def test_a_model_is_trained_without_the_users_of_its_fold(small_log: Log) -> None:
    task = NextWatch(small_log)
    training = Training(verbose=0)
    model = tfrec_zoo.train("Popularity", task, training).model
    models = train_folds(model, task, training, 2)
    rows, events = task.rows.train, small_log.interactions
    users = small_log.users["user_id"].tolist()
    folds = user_folds(np.array([users.index(user) for user in events["user_id"].iloc[rows]]), 2)
    for fold, other in enumerate(models):
        assert other.features is model.features
        counts = events["item_id"].iloc[rows[folds != fold]].value_counts()
        tokens = model.features.vocabularies["item_id"].tokens
        assert other.counts.numpy().tolist() == [counts.get(token, 0) for token in tokens]


def test_one_fold_is_none(small_log: Log) -> None:
    task = NextWatch(small_log)
    model = tfrec_zoo.train("Popularity", task, Training(verbose=0)).model
    with pytest.raises(ValueError, match="must be at least 2. Received: 1"):
        train_folds(model, task, Training(verbose=0), 1)
