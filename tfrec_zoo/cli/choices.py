"""What may be given to `train`, as text: its help needs no TensorFlow.

A test compares the names and defaults with the dataclasses that they are about.
"""

import textwrap
from collections.abc import Mapping
from typing import Any

_ITEM_OPTIONS: dict[str, Any] = {
    "split": "auto",
    "validation_fraction": 0.1,
    "test_fraction": 0.1,
    "profile": True,
    "negatives": 4,
    "exponent": 0.0,
    "seed": 0,
    "reject": True,
}
_NEXT_WATCH_OPTIONS: dict[str, Any] = {
    **_ITEM_OPTIONS,
    "label": "future",
    "examples_per_user": None,
    "min_watch_share": 0.0,
    "bags": (1, 3, 10, 50),
    "last_watched": False,
    "example_age": True,
    "order": True,
    "moment": False,
    "half_lives": (),
}

#: What each task predicts, and the defaults of its options.
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "next-watch": ("which item of all a user takes next, from the past", _NEXT_WATCH_OPTIONS),
    "choice": (
        "which items a user takes, in no order",
        {**_ITEM_OPTIONS, "max_history": 50},
    ),
    "clicks": (
        "whether an impression is clicked, or a rating is above a threshold",
        {
            "label": None,
            "threshold": None,
            "ids": True,
            "profile": True,
            "crosses": None,
            "split": "random",
            "validation_fraction": 0.1,
            "test_fraction": 0.1,
            "negatives": 4,
            "count": None,
            "seed": 0,
            "patience": 2,
        },
    ),
    "ratings": (
        "ratings, by the root mean squared error",
        {
            "label": None,
            "split": "random",
            "validation_fraction": 0.08,
            "test_fraction": 0.2,
            "profile": True,
            "seed": 0,
        },
    ),
    "watch-time": (
        "what an impression is worth, such as the seconds watched of it",
        {
            "split": "time",
            "validation_fraction": 0.1,
            "test_fraction": 0.15,
            "test_from": None,
            "num_candidates": 100,
            "max_history": 50,
            "negatives": 4,
            "count": "clicked",
            "seed": 0,
        },
    ),
    "ncf": (
        "each user's latest item among 99 others, the protocol of He et al. (WWW 2017)",
        {
            **_NEXT_WATCH_OPTIONS,
            "best_on_test": True,
            "monitor": "sampled_hit_rate_at_10",
            "patience": 3,
        },
    ),
}

#: The options that every task has, with their defaults where the task has no other.
EVERY_TASK: dict[str, Any] = {
    "spec": None,
    "monitor": None,
    "patience": None,
    "held_out": "test",
}

_OPTIONS = {
    "best_on_test": "also report the best epoch on the test items, as the authors' code does",
    "bags": "sizes of the bags of last watches, each fed apart: bags=1,10,50",
    "count": "which impressions count towards the vocabularies of items: clicked, or all shown",
    "crosses": "combinations kept of each user category with each item category: crosses=20000",
    "example_age": "whether the age of the example is fed",
    "examples_per_user": "training examples drawn of each user; None takes all",
    "exponent": "negatives are drawn by popularity to this power",
    "half_lives": "half-lives of means of the largest bag, each fed apart: half_lives=3600,86400",
    "held_out": "test, or validation to choose by",
    "ids": "whether the ids of users and items are fed",
    "label": "clicks, ratings: the column to predict: label=rating; "
    "next-watch, ncf: future, or held-out, which leaks the future",
    "last_watched": "whether the last watch is fed apart",
    "max_history": "size of the bag of history",
    "min_watch_share": "predict only what was watched at least this far",
    "moment": "whether it is fed how long ago the last watch was, and how many came before",
    "monitor": "metric by which the best epoch is told",
    "negatives": "negatives drawn, or impressions sampled, per interaction",
    "num_candidates": "items that each source nominates, of models given from Python",
    "order": "whether the order of the history and the latest search are fed",
    "patience": "epochs without a better monitor after which training ends",
    "profile": "whether the columns of users and items are fed besides ids",
    "reject": "whether negatives that the user chose are drawn again",
    "seed": "seed of random splits and of sampling (--seed is that of training)",
    "spec": "JSON file of the features, as FeatureSpec.to_json() writes it: spec=FILE.json",
    "split": "how events are split; see below",
    "test_fraction": "share to test on, where the split is by share",
    "test_from": "time from which on to test, instead of a share",
    "threshold": "labels above it are positives, labels equal to it are dropped: threshold=3",
    "validation_fraction": "share to validate on, where the split is by share",
}

#: How events are split, by name.
SPLITS = {
    "auto": "last-out, or random-out of a log without times",
    "last-out": "each user's last interaction is tested on, the one before validates",
    "random-out": "a random interaction of each user",
    "time": "the last part of the log (all that watch-time has; clicks has random, too)",
    "next-day": "the last day of the log",
    "random": "a random part: leaks the future",
}

#: On which devices and machines to train, by name.
STRATEGIES: dict[str, str] = {
    "none": "in this process alone",
    "mirrored": "on all GPUs of this machine, each with a share of every batch",
    "multi-worker": "on the workers of TF_CONFIG, which all run the same command",
    "parameter-server": "tables on the ps of TF_CONFIG, steps on its workers, led by its chief",
}

#: Defaults and meanings of the fields of `Training`.
TRAINING: dict[str, tuple[Any, str]] = {
    "epochs": (None, "passes over the examples; None for the model's own number"),
    "batch_size": (1024, "examples per step, negatives counted"),
    "learning_rate": (0.002, "learning rate at its highest"),
    "optimizer": (None, "fused_adam, lazy_adam, adam, sgd, adagrad, ftrl+adagrad (WideDeep), …"),
    "wide": ({}, "arguments of the wide side's optimizer: \"wide={'learning_rate':0.05}\""),
    "decay": (True, "whether the learning rate falls to zero along a cosine"),
    "plateau": (None, "factor of the learning rate after an epoch that did not improve"),
    "warmup": (0.0, "share of the steps in which the learning rate rises from zero"),
    "clipping": (None, "largest norm of all gradients together: clipping=5"),
    "averaging": (
        None,
        "what a step leaves of the weights' moving average: averaging=0.998",
    ),
    "patience": (None, "epochs without a better validation metric after which training ends"),
    "mixed_precision": (False, "whether to compute in half precision, where the device has it"),
    "grid": ({}, "values to choose from on validation: \"grid={'l2':(0.1,1.0)}\""),
    "pretraining": (None, "fields for the models it starts from: \"pretraining={'epochs':10}\""),
    "seed": (0, "seed of the initial weights, of dropout and of shuffling"),
    "checkpoint_dir": (None, "folder for the state of training; see --resume"),
    "checkpoint_minutes": (10.0, "minutes after which the state is kept within an epoch"),
    "strategy": ("none", "on which machines to train; see --strategy"),
    "verbose": (1, "0 is silent, 1 shows progress bars, 2 a line per epoch"),
}


def train_epilog() -> str:
    """What `train --help` says of tasks, their options, splits and fields of `Training`."""
    parts = ["tasks (--task), with the defaults of their options (--task-set):"]
    for name, (words, options) in TASKS.items():
        defaults = " ".join(f"{key}={_value(value)}" for key, value in options.items())
        parts += [f"  {name:12s}{words}", _indented(defaults)]
    every = " ".join(f"{key}={_value(value)}" for key, value in EVERY_TASK.items())
    parts += [f"  {'every task':12s}has, where it does not say otherwise", _indented(every), ""]
    parts += ["options of tasks (--task-set NAME=VALUE):", *_listed(_OPTIONS), ""]
    parts += ["splits (--task-set split=NAME):", *_listed(SPLITS), ""]
    training = {f"{name}={_value(value)}": words for name, (value, words) in TRAINING.items()}
    parts += ["strategies (--strategy; see docs/scale.md):", *_listed(STRATEGIES), ""]
    parts += ["fields of Training (--training NAME=VALUE), with defaults:", *_listed(training), ""]
    parts += [
        "examples:",
        "  tfrec-zoo train YouTubeRetrieval --dataset movielens/100k --output DIR",
        "  tfrec-zoo train DeepFM --task clicks --task-set threshold=3 --dataset FOLDER "
        "--output DIR",
        "  tfrec-zoo train NeuMF --set hidden_units=64,32 --training clipping=5 --output DIR",
        "  tfrec-zoo train --preset ratings/MF --output DIR",
    ]
    return "\n".join(parts)


def _value(value: Any) -> str:
    return str(value).replace(" ", "")


def _indented(text: str) -> str:
    return _filled(text, " " * 14, 14)


def _filled(text: str, first: str, indent: int) -> str:
    return textwrap.fill(
        text, 98, initial_indent=first, subsequent_indent=" " * indent, break_on_hyphens=False
    )


def _listed(rows: Mapping[str, str]) -> list[str]:
    return [_filled(words, f"  {name:23s}", 25) for name, words in rows.items()]
