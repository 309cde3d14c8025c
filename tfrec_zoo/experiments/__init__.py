"""The figures, tables and claims of the YouTube paper, re-run: an experiment a file.

Covington, Adams & Sargin: Deep Neural Networks for YouTube Recommendations, RecSys 2016.
"""

import importlib
from typing import Any

#: Module and class of each experiment by name, in the order of the paper.
EXPERIMENTS: dict[str, tuple[str, str]] = {
    "combiners": ("combiners", "Combiners"),
    "sampled-softmax": ("sampled_softmax", "SampledSoftmax"),
    "ann": ("ann", "NearestNeighbours"),
    "example-age": ("example_age", "ExampleAge"),
    "per-user-examples": ("per_user_examples", "PerUserExamples"),
    "withhold": ("withhold", "Withhold"),
    "label-choice": ("label_choice", "LabelChoice"),
    "features-depth": ("features_depth", "FeaturesDepth"),
    "sharing": ("sharing", "Sharing"),
    "past-interactions": ("past_interactions", "PastInteractions"),
    "nominators": ("nominators", "Nominators"),
    "churn": ("churn", "Churn"),
    "watch-time": ("watch_time", "WatchTimes"),
    "powers": ("powers", "Powers"),
    "hidden-layers": ("hidden_layers", "HiddenLayers"),
    "ab-test": ("ab_test", "AbTest"),
    "cold-start": ("cold_start", "ColdStart"),
    "embedding-map": ("embedding_map", "EmbeddingMap"),
    "dimension": ("dimension", "Dimension"),
    "negatives": ("negatives", "NegativeStrategies"),
}


def get(name: str) -> Any:
    """The class of an experiment.

    Args:
        name: The name of an experiment, such as `"combiners"`.

    Raises:
        KeyError: If there is no experiment of that name.
    """
    if name not in EXPERIMENTS:
        raise KeyError(f"The experiments are {sorted(EXPERIMENTS)}. Received: {name!r}")
    module, cls = EXPERIMENTS[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), cls)
