"""Pointwise evaluation of rankers: predictions for impressions against their labels."""

import logging

import numpy as np

from tfrec_zoo.data.examples import Examples
from tfrec_zoo.evaluation.checks import require_examples
from tfrec_zoo.metrics import ExactAUC, GroupAUC, WeightedPerUserLoss, xauc
from tfrec_zoo.models.base import RecommenderModel

logger = logging.getLogger(__name__)


def predict(model: RecommenderModel, examples: Examples, batch_size: int = 4096) -> np.ndarray:
    """The [examples] predictions: a probability, an expected watch time, a rating, a score."""
    dataset = examples.dataset(batch_size, model.preprocessor)
    parts = [model.pair_predictions(features).numpy() for features, *_ in dataset]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def predict_recorded(
    model: RecommenderModel, examples: Examples, served: np.ndarray, batch_size: int = 4096
) -> np.ndarray:
    """The [examples] predictions for what was recorded, such as the positions that were shown.

    Args:
        model: The model.
        examples: Examples, perhaps as they are served.
        served: Their `predict`ions, which these are where requests say all that was recorded.
        batch_size: Number of examples that are scored at a time.
    """
    recorded = examples.as_recorded()
    return served if recorded is examples else predict(model, recorded, batch_size)


def pointwise(
    model: RecommenderModel, examples: Examples, batch_size: int = 4096
) -> dict[str, float]:
    """Evaluates a ranker on impressions whose label is what they were worth (0: not chosen).

    Returns:
        `auc` of chosen against other impressions; `gauc`, the same within groups;
        `weighted_per_user_loss`, the share of mispredicted watch time within groups (Covington et
        al. 2016, table 1); and `bias`, the sum of predictions over the sum of labels, minus one,
        with the positions that were recorded, if there are any.
        Metrics that are undefined, because nothing was chosen or everything, are NaN, and a
        warning says why.

    Raises:
        ValueError: If there are no examples.
    """
    require_examples(examples)
    served = predict(model, examples, batch_size)
    recorded = predict_recorded(model, examples, served, batch_size)
    return pointwise_metrics(served, examples.label, examples.groups, recorded)


def pointwise_metrics(
    predictions: np.ndarray,
    label: np.ndarray,
    groups: np.ndarray | None,
    recorded: np.ndarray | None = None,
) -> dict[str, float]:
    """Computes the metrics of `pointwise` from predictions, labels and groups, [examples] each.

    Args:
        predictions: Predictions, by which examples are ordered.
        label: What the examples were worth.
        groups: Group of each example, or None.
        recorded: Predictions whose level is compared with that of the labels; by default the same.
    """
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
    level = predictions if recorded is None else recorded
    bias = np.sum(level, dtype=np.float64) / total - 1 if total else np.nan
    results["bias"] = float(bias)
    undefined = [name for name, value in results.items() if np.isnan(value)]
    if undefined:
        logger.warning("Undefined, and so NaN: %s. %s", ", ".join(undefined), _why(chosen))
    return results


def watch_time_metrics(
    predictions: np.ndarray, label: np.ndarray, recorded: np.ndarray | None = None
) -> dict[str, float]:
    """Computes how far predicted watch times are from true ones, and how often they are in order.

    Args:
        predictions: Predictions, [examples], by which examples are ordered.
        label: What the examples were worth, [examples]: 0 where nothing was chosen.
        recorded: Predictions whose level is compared with that of the labels; by default the same.

    Returns:
        `mae`, the mean absolute error in the unit of the labels; and `xauc`, the share of pairs of
        examples, worth different amounts, that are predicted in the right order, where a tie is
        half right (Zhan et al., KDD 2022). It is NaN if all are worth the same.
    """
    level = predictions if recorded is None else recorded
    errors = np.abs(np.asarray(level, np.float64) - label)
    return {"mae": float(errors.mean()), "xauc": xauc(label, predictions)}


def _why(chosen: np.ndarray) -> str:
    """Why metrics of chosen against other impressions are undefined."""
    number, size = int(chosen.sum()), len(chosen)
    if 0 < number < size:
        return "No group holds both chosen and other impressions"
    return f"There must be both chosen and other impressions. Received: {number} chosen of {size}"
