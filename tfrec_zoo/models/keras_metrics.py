"""Keras's metrics on the models: what each of them sees, or why it is refused."""

import inspect
from typing import Any

import tensorflow as tf

#: Keras's metrics that compare the classes of one example, [batch, classes].
_OF_CLASSES = (
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "KLDivergence",
    "MeanIoU",
    "OneHotIoU",
    "OneHotMeanIoU",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
)
#: Keras's metrics of labels 0 and 1.
_OF_LABELS = (
    "AUC",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "BinaryIoU",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "Precision",
    "PrecisionAtRecall",
    "Recall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "TrueNegatives",
    "TruePositives",
)


def of_impressions(metrics: Any, has_classes: bool) -> Any:
    """Returns the metrics to compile for predictions of single impressions.

    Args:
        metrics: What `compile` takes: names, functions, classes and instances, also nested.
        has_classes: Whether labels are positive or not, and predictions probabilities; otherwise
            both are amounts, such as ratings.

    Raises:
        ValueError: If there is no such metric, or it would compare something else.
    """
    refused = _normalized("Accuracy", *_OF_CLASSES, *(() if has_classes else _OF_LABELS))
    suited = "'accuracy' (BinaryAccuracy) or AUC()" if has_classes else "'mae' or 'mse'"
    what = "a probability" if has_classes else "an amount, such as a rating"

    def checked(metric: Any) -> Any:
        metric, name = _resolved(metric)
        if name in refused or (name == "" and not has_classes):
            raise ValueError(
                f"The prediction for an impression is {what}: use a metric such as {suited}. "
                f"Received: metric {metric!r:.100}"
            )
        return metric

    return tf.nest.map_structure(checked, metrics)


def of_items(metrics: Any, num_items: int) -> Any:
    """Returns the metrics to compile for the scores of all items; a label is the class of an item.

    Args:
        metrics: What `compile` takes: names, functions, classes and instances, also nested.
        num_items: Number of items.

    Raises:
        ValueError: If there is no such metric, or it would compare something else.
    """
    (accuracy,), (top_k,) = (_normalized(f"Sparse{of}CategoricalAccuracy") for of in ("", "TopK"))

    def checked(metric: Any) -> Any:
        metric, name = _resolved(metric)
        k = metric.get_config()["k"] if name == top_k and hasattr(metric, "get_config") else 5
        if name in (None, "", accuracy) or (name == top_k and k <= num_items):
            return metric
        raise ValueError(
            f"The label is one of {num_items} items, which all have a score: use HitRate(k), "
            "MRR() or another of tfrec_zoo.metrics, 'accuracy', or SparseTopKCategoricalAccuracy(k)"
            f" with k up to {num_items}. Received: metric {metric!r:.100}"
        )

    return tf.nest.map_structure(checked, metrics)


def _resolved(metric: Any) -> tuple[Any, str | None]:
    """A metric, and the normalized name of one of Keras's; None if it isn't, "" for "accuracy"."""
    if metric is None:
        return None, None
    if isinstance(metric, str):
        if metric.lower() in ("accuracy", "acc"):
            return metric, ""  # Keras tells by the shape of the predictions which one it is.
        if metric.lower() in ("crossentropy", "ce"):
            metric = "binary_crossentropy"
        found = _by_name(metric)
        (name,) = _normalized(found.__name__)
        # Keras names the metric as it is named here, if it knows that name.
        if hasattr(tf.keras.metrics, metric):
            return metric, name
        metric = found
    if inspect.isclass(metric) and issubclass(metric, tf.keras.metrics.Metric):
        metric = metric()
    module = getattr(metric, "__module__", None) or ""
    if not module.startswith(("tf_keras.", "keras.")):
        return metric, None
    (name,) = _normalized(getattr(metric, "__name__", type(metric).__name__))
    return metric, name


def _by_name(name: str) -> Any:
    """Keras's metric of a name, however it is spelled, such as "AUC", "auc" and "mse"."""
    (wanted,) = _normalized(name)
    for known in sorted(set(dir(tf.keras.metrics)) - {"get", "serialize", "deserialize"}):
        found = getattr(tf.keras.metrics, known)
        is_metric = inspect.isfunction(found) or inspect.isclass(found)
        if is_metric and wanted in _normalized(known):
            return found
    raise ValueError(
        "`metrics` must be functions, instances or classes of metrics, or the names of Keras's, "
        f"such as 'accuracy', 'AUC' or 'mse'. Received: {name!r}"
    )


def _normalized(*names: str) -> set[str]:
    return {name.replace("_", "").lower() for name in names}
