"""Pointwise evaluation of rankers: predictions for impressions against their labels."""

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.examples import Examples
from tfrec_zoo.metrics import ExactAUC, GroupAUC, WeightedPerUserLoss
from tfrec_zoo.models.ranking import RankingModel
from tfrec_zoo.models.retrieval import RetrievalModel


def predict(
    model: RankingModel | RetrievalModel, examples: Examples, batch_size: int = 4096
) -> np.ndarray:
    """Returns the predictions for examples: probabilities, expected watch times or ratings.

    The predictions of a retrieval model are its scores of the examples' items.

    Args:
        model: Trained model.
        examples: Examples to predict.
        batch_size: Number of examples per batch.

    Returns:
        The predictions, [examples].
    """

    def predictions(features: object) -> tf.Tensor:
        if isinstance(model, RetrievalModel):
            return model.pair_scores(features)
        return model.predictions(model(features))

    dataset = examples.dataset(batch_size, model.preprocessor)
    parts = [predictions(features).numpy() for features, *_ in dataset]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def pointwise(model: RankingModel, examples: Examples, batch_size: int = 4096) -> dict[str, float]:
    """Evaluates a ranker on impressions whose label is their value (0: not chosen).

    Args:
        model: Trained ranking model.
        examples: Impressions, with `groups` for the metrics within groups.
        batch_size: Number of examples per batch.

    Returns:
        `auc` of chosen against other impressions; `gauc`, the same within groups;
        `weighted_per_user_loss`, the share of mispredicted watch time within groups (Covington et
        al. 2016, table 1); and `bias`, the sum of predictions over the sum of labels, minus one.
        Metrics that are undefined, because nothing was chosen, are NaN.
    """
    return pointwise_metrics(predict(model, examples, batch_size), examples.label, examples.groups)


def pointwise_metrics(
    predictions: np.ndarray, label: np.ndarray, groups: np.ndarray | None
) -> dict[str, float]:
    """Computes the metrics of `pointwise` from predictions, labels and groups, [examples] each."""
    chosen = (label > 0).astype(np.float32)
    auc = ExactAUC()
    auc.update_state(chosen, predictions)
    results = {"auc": float(auc.result())}
    if groups is not None:
        gauc, loss = GroupAUC(), WeightedPerUserLoss()
        gauc.update_state(chosen, predictions, groups=groups)
        loss.update_state(chosen, predictions, label, groups=groups)
        results["gauc"] = float(gauc.result())
        results["weighted_per_user_loss"] = float(loss.result())
    total = np.sum(label, dtype=np.float64)
    bias = np.sum(predictions, dtype=np.float64) / total - 1 if total else np.nan
    results["bias"] = float(bias)
    return results
