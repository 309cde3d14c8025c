"""Table: which history to feed when predicting the next watch, against the whole catalogue."""

import dataclasses
from collections.abc import Callable
from typing import Any

from tfrec_zoo import recipes
from tfrec_zoo.data import Log
from tfrec_zoo.evaluation import Result
from tfrec_zoo.models import Popularity, YouTubeRetrieval
from tfrec_zoo.training import Training, fit

#: Found on the validation part (each user's last watch but one) of MovieLens-1M.
HIDDEN_UNITS = (512, 128)
DROPOUT = 0.1


def popularity(log: Log, seed: int) -> Result:
    """The most watched items of all time."""
    task = recipes.retrieval_task(log)
    features = task.train.fit_features(recipes.retrieval_spec(log, profile=False))
    model = Popularity(features)
    fit(model, task.train, Training(seed=seed, verbose=2))
    return Result.of(
        log,
        model="Popularity",
        metrics=recipes.evaluate(model, task),
        protocol=task.protocol,
        seed=seed,
    )


def youtube(
    bags: tuple[int, ...], last_watched: bool = False, epochs: int = 5
) -> Callable[[Log, int], Result]:
    """YouTubeRetrieval on the history alone: bags of it, and perhaps the last watch apart."""

    def run(log: Log, seed: int) -> Result:
        task = recipes.retrieval_task(log, max_history=max(bags))
        spec = recipes.retrieval_spec(
            log,
            bags=bags,
            last_watched=last_watched,
            profile=False,
            embedding_dim=HIDDEN_UNITS[-1],
        )
        training = Training(epochs=epochs, seed=seed, verbose=2)
        arguments: dict[str, Any] = {
            "hidden_units": HIDDEN_UNITS,
            "dropout": DROPOUT,
            "tied": True,
            "seed": seed,
        }
        model = YouTubeRetrieval(task.train.fit_features(spec), **arguments)
        fit(model, task.train, training)
        return Result.of(
            log,
            model="YouTubeRetrieval",
            metrics=recipes.evaluate(model, task),
            protocol=task.protocol,
            seed=seed,
            config={
                "bags": bags,
                "last_watched": last_watched,
                **arguments,
                **dataclasses.asdict(training),
            },
        )

    return run


ROWS: dict[str, Callable[[Log, int], Result]] = {
    "popularity": popularity,
    "bag-50": youtube((50,), epochs=4),
    "bag-3": youtube((3,), epochs=3),
    "bag-10-and-last": youtube((10,), last_watched=True),
    "bags-1-3-10-50": youtube((1, 3, 10, 50)),
}
