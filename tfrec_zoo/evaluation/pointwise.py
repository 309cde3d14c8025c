"""Pointwise evaluation of rankers: scores of impressions against what became of them."""

import numpy as np
import tensorflow as tf

from tfrec_zoo.data.examples import Examples
from tfrec_zoo.metrics import ExactAUC, GroupAUC, WeightedPerUserLoss
from tfrec_zoo.models.ranking import RankingModel
from tfrec_zoo.models.retrieval import RetrievalModel


def predict(
    model: RankingModel | RetrievalModel, examples: Examples, batch_size: int = 4096
) -> np.ndarray:
    """The [examples] predictions: a probability, an expected watch time, a rating.

    Those of a retrieval model are its scores of the examples' items.
    """

    def predictions(features: object) -> tf.Tensor:
        if isinstance(model, RetrievalModel):
            return model.pair_scores(features)
        return model.predictions(model(features))

    dataset = examples.dataset(batch_size, model.preprocessor)
    parts = [predictions(features).numpy() for features, *_ in dataset]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def pointwise(model: RankingModel, examples: Examples, batch_size: int = 4096) -> dict[str, float]:
    """Evaluates a ranker on impressions whose label is what they were worth (0: not chosen).

    Returns:
        `auc` of chosen against not; `gauc`, the same within groups; `weighted_per_user_loss`,
        the share of mispredicted watch time within groups (Covington et al. 2016, table 1); and
        `bias`, the sum of predictions over the sum of labels, minus one. What can't be told,
        as nothing was chosen, is NaN.
    """
    return pointwise_metrics(predict(model, examples, batch_size), examples.label, examples.groups)


def pointwise_metrics(
    predictions: np.ndarray, label: np.ndarray, groups: np.ndarray | None
) -> dict[str, float]:
    """The metrics of `pointwise` for given [examples] predictions, labels and groups."""
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
