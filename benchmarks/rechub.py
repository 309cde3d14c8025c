"""torch-rechub's rankers of clicks, as the benchmarks that run beside them make them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.models.ranking import DCN, AutoInt, DCNv2, DeepFM, FiBiNet, WideDeep

BATCH_SIZE, DIM = 2048, 16
MLP = {"dims": [400, 400, 400], "dropout": 0.0, "activation": "relu"}


def columns_of(arrays: Mapping[str, np.ndarray], part: str) -> dict[str, np.ndarray]:
    """The arrays whose keys begin with a part, by what follows it."""
    begin = f"{part}/"
    return {key.removeprefix(begin): ids for key, ids in arrays.items() if key.startswith(begin)}


def model(name: str, ids: Mapping[str, np.ndarray], sizes: Mapping[str, np.ndarray]) -> Any:
    """Makes a model for columns of ids; those of bags are averaged.

    Args:
        name: Name of our model, or `"AutoInt+"`.
        ids: Ids by column, [examples] or [examples, longest].
        sizes: Number of ids by column.
    """
    features = [
        SparseFeature(column, int(sizes[column]) + 1, DIM)
        if own.ndim == 1
        else SequenceFeature(column, int(sizes[column]) + 1, DIM, "mean", padding_idx=0)
        for column, own in ids.items()
    ]
    makers = {
        "WideDeep": lambda: WideDeep(features, features, MLP),
        "DeepFM": lambda: DeepFM(features, features, MLP),
        "DCN": lambda: DCN(features, 3, MLP),
        "DCNV2": lambda: DCNv2(features, 3, MLP, "stacked", use_low_rank_mixture=False),
        "AutoInt": lambda: AutoInt(features, None),
        "AutoInt+": lambda: AutoInt(features, None, mlp_params=MLP),
        "FiBiNET": lambda: FiBiNet(features, MLP),
    }
    return makers[name]()
