"""The figures, tables and claims of the YouTube paper, re-run: an experiment a file.

Covington, Adams & Sargin: Deep Neural Networks for YouTube Recommendations, RecSys 2016.
"""

import importlib
from typing import Any

#: Module and class of each experiment by name, in the order of the paper.
EXPERIMENTS: dict[str, tuple[str, str]] = {
    "example-age": ("example_age", "ExampleAge"),
    "label-choice": ("label_choice", "LabelChoice"),
    "withhold": ("withhold", "Withhold"),
    "per-user-examples": ("per_user_examples", "PerUserExamples"),
    "combiners": ("combiners", "Combiners"),
    "ann": ("ann", "NearestNeighbours"),
    "sharing": ("sharing", "Sharing"),
    "past-interactions": ("past_interactions", "PastInteractions"),
    "nominators": ("nominators", "Nominators"),
    "churn": ("churn", "Churn"),
    "watch-time": ("watch_time", "WatchTimes"),
    "powers": ("powers", "Powers"),
    "hidden-layers": ("hidden_layers", "HiddenLayers"),
    "ab-test": ("ab_test", "AbTest"),
    "cold-start": ("cold_start", "ColdStart"),
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
