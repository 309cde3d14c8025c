"""Serving in memory: what an export would answer, before there is one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.log import Log
from tfrec_zoo.features import raw_signature, request_arrays
from tfrec_zoo.models.ranking import RankingModel
from tfrec_zoo.serving.export import served
from tfrec_zoo.serving.load import Served
from tfrec_zoo.serving.weights import serving_inputs


def serve(model: Any, **kwargs: Any) -> Served:
    """Serves a model from memory as `load` serves its export.

    Args:
        model: A trained model, or a funnel.
        **kwargs: `k` and `index`, for retrieval models.
    """
    module = served(model, **kwargs)
    answering = Served(module.signatures(), module.request, {"model": type(model).__name__})
    answering.module = module
    return answering


def rank_catalogue(
    model: RankingModel, answering: Served, log: Log, request: Mapping[str, Any], k: int
) -> pd.DataFrame:
    """Scores every item that a ranking model knows, for each row of a request.

    Args:
        model: The model.
        answering: The same model, served.
        log: Whose `items` give the candidates' features.
        request: Raw query features by key, one value (or bag) per row, and perhaps `exclude`, bags
            of items that must not be recommended.
        k: Number of items per row.

    Returns:
        A frame with the columns `row`, `rank`, `id` and `score`, the model's prediction.

    Raises:
        ValueError: If the model needs candidate features that are no columns of `log.items`.
    """
    spec = model.features.spec
    catalogue = Catalogue.of(log).of_vocabulary(model.features.vocabularies[spec.item.space])
    tokens, columns = catalogue.ids, catalogue.columns
    candidate, query = (serving_inputs(raw) for raw in (spec.raw_candidate, spec.raw_query))
    unknown = sorted(set(candidate) - set(columns) - set(query))
    if unknown:
        raise ValueError(
            "Candidate features must be columns of `items` for the whole catalogue to be ranked; "
            f"use a funnel, or score candidates. Received others: {unknown}"
        )
    if k < 1:
        raise ValueError(f"`k` must be positive. Received: {k!r}")
    exclude = request.get("exclude")
    arrays = request_arrays(query, {key: v for key, v in request.items() if key != "exclude"})
    rows = len(next(iter(arrays.values())))
    items = request_arrays(candidate, {key: columns[key] for key in candidate})
    lists = {key: np.broadcast_to(v, (rows, *v.shape)) for key, v in items.items()}
    types = raw_signature({**query, **candidate})
    answer = answering.signatures["rank"](
        **{key: tf.constant(v, types[key].dtype) for key, v in {**arrays, **lists}.items()}
    )
    scores = answer["predictions"].numpy()
    if exclude is not None:
        for row, bag in enumerate(exclude):
            scores[row, np.isin(tokens, list(bag))] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    at, column = np.nonzero(best > -np.inf)
    return pd.DataFrame(
        {
            "row": at,
            "rank": column + 1,
            "id": tokens[order[at, column]],
            "score": best[at, column],
        }
    )
