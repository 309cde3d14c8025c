"""Click-prediction rankers: training, scoring and latency, side by side and beside torch-rechub.

    python benchmarks/click_throughput.py --data-dir DIR --peer-python ENVIRONMENT/bin/python \
        --output runs/click-throughput.json
    python benchmarks/click_throughput.py --data-dir DIR --profile DeepFM

All registered rankers of features, on MovieLens-1M with ids, as wide as `WIDTHS` says (else by
their defaults), with Adam and batches of 2,048. torch-rechub, in an environment of its own, has the
same data, as ids, widths, optimizer and batches: once as one uses it, with its `DataGenerator` and
`CTRTrainer`, and once with its trainer on ready-made batches, so that its models' share is known.
What differs: its MLPs have batch normalisation, its linear parts weigh embeddings where ours have
a weight per id, and its FiBiNet, which takes no bags, gets the first genre.

Training is an epoch of `fit`, its shuffling and start included; scoring is of batches that are
encoded and in memory; a request is one user and 500 candidates, for ours raw, as clients send them,
for torch-rechub already ids. The first round isn't counted; ratios are medians of the rounds'.

`--profile` shows, instead, where the time of a model's training step goes.
"""

import argparse
import contextlib
import dataclasses
import functools
import inspect
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from click_examples import ids_of, prefixed, sizes_of
from side_by_side import (
    Peer,
    Turn,
    about,
    milliseconds,
    peer_with,
    rates,
    ratios,
    report,
    say,
    timed,
)

from tfrec_zoo import registry
from tfrec_zoo.data import Examples, movielens
from tfrec_zoo.features import Encoded, Features, Preprocessor
from tfrec_zoo.models import RankingModel
from tfrec_zoo.tasks import Clicks
from tfrec_zoo.training.training import STEPS_PER_EXECUTION

WIDTHS = {
    "embedding_dim": 16,
    "hidden_units": (400, 400, 400),
    "dropout": 0.0,
    "num_cross_layers": 3,
    "attention_dim": 16,
    "cin_units": (100, 100, 100),
}
BATCH_SIZE = 2048
SCORED = 20  # Batches.
CANDIDATES = 500
CALLS, BLOCKS = 200, 4
OURS = "ours, fused_adam"
#: Those of torch-rechub.
PEERS = ("WideDeep", "DeepFM", "DCN", "DCNV2", "AutoInt", "AutoInt+", "FiBiNET")


@dataclasses.dataclass(frozen=True)
class Task:
    """What models are trained on and asked for.

    Args:
        features: Fitted on all training examples.
        examples: Some of them.
    """

    features: Features
    examples: Examples

    @functools.cached_property
    def preprocessor(self) -> Preprocessor:
        """Of the features."""
        return Preprocessor(self.features)

    def encoded(self, begin: int, end: int) -> Encoded:
        """Examples as ids."""
        rows = tf.range(begin, min(end, len(self.examples)), dtype=tf.int64)
        return self.examples.assembler(self.preprocessor)(rows)

    @functools.cached_property
    def batches(self) -> list[Encoded]:
        """Whole batches to score."""
        number = min(SCORED, len(self.examples) // BATCH_SIZE)
        return [self.encoded(i * BATCH_SIZE, (i + 1) * BATCH_SIZE) for i in range(number)]

    @functools.cached_property
    def request(self) -> dict[str, tf.Tensor]:
        """A user's raw features, [1], and those of candidates, [1, 500]."""
        spec = self.features.spec
        assert self.examples.candidates is not None
        items = self.examples.candidates.values
        query = self.examples.take(np.zeros(1, np.int64)).raw(spec.raw_query)
        candidates = {key: items[key][None, :CANDIDATES] for key in spec.raw_candidate}
        return {key: tf.constant(value) for key, value in {**query, **candidates}.items()}

    def arrays(self) -> dict[str, np.ndarray]:
        """Ids, how many there are, those of the request, and labels."""
        request = self.preprocessor(self.request)["ids"]
        arrays = {
            "label": self.examples.label,
            **prefixed("size", sizes_of(self.features)),
            **prefixed("ids", ids_of(self.features, self.examples)),
        }
        for column in self.features.spec.categorical:
            asked = request[column.name].numpy()
            rows = asked[0] if len(asked[0].shape) else np.repeat(asked, CANDIDATES)
            arrays[f"request/{column.name}"] = rows.astype(np.int64)
        return arrays


class Ours:
    """A registered model; "AutoInt+" is AutoInt with a tower."""

    def __init__(self, name: str, task: Task) -> None:
        kind = registry.get(name.removesuffix("+")).load()
        known = inspect.signature(kind).parameters
        arguments = {key: value for key, value in WIDTHS.items() if key in known}
        if name == "AutoInt":
            del arguments["hidden_units"]
        self.task = task
        self.model: RankingModel = kind(task.features, seed=0, **arguments)
        self.model.build_weights()
        self.score = tf.function(lambda x: self.model.predictions(self.model(x, training=False)))

    def trains(self, *optimizer: Any) -> Turn:
        """An epoch of `fit`."""
        self.model.compile(*optimizer, steps_per_execution=STEPS_PER_EXECUTION)
        dataset = self.task.examples.dataset(BATCH_SIZE, self.model.preprocessor, shuffle=True)
        return lambda: timed(lambda: self.model.fit(dataset, verbose=0))

    def scores(self) -> Turn:
        """The batches, one after the other."""

        def work() -> None:
            for batch in self.task.batches:
                self.score(batch).numpy()

        return lambda: timed(work)

    def answers(self, calls: int) -> list[float]:
        """Milliseconds of requests."""
        return milliseconds(lambda: self.score(self.task.request).numpy(), calls)

    @property
    def parameters(self) -> int:
        """How many the model has."""
        return sum(int(np.prod(v.shape)) for v in self.model.trainable_variables)


def lineup() -> list[str]:
    """The registered rankers of features."""
    entries = registry.MODELS.values()
    names = [entry.name for entry in entries if entry.task == "clicks"]
    if "AutoInt" in names:
        names.insert(names.index("AutoInt") + 1, "AutoInt+")
    return names


def answers_of(peer: Peer, name: str) -> Callable[[int], list[float]]:
    """Milliseconds of requests to torch-rechub's model."""
    return lambda calls: peer.ask(do="answer", model=name, calls=calls)["ms"]


def compare(names: list[str], task: Task, peer: Peer | None, rounds: int) -> dict[str, Any]:
    """Tables of all measurements of all models; ratios where there is a peer."""
    training: list[tuple[dict[str, Any], Turn]] = []
    scoring: list[tuple[dict[str, Any], Turn]] = []
    latency: list[tuple[dict[str, Any], Callable[[int], list[float]]]] = []
    for name in names:
        model = Ours(name, task)
        who = {"model": name, "contender": OURS}
        training.append((who, model.trains("fused_adam")))
        if name == "WideDeep":
            who = {"model": name, "contender": "ours, ftrl + adagrad"}
            training.append((who, Ours(name, task).trains()))
        who = {"model": name, "contender": "ours"}
        scoring.append((who, model.scores()))
        latency.append(({**who, "parameters": model.parameters}, model.answers))
        if peer is None or name not in PEERS:
            continue
        for way, ready in (("torch-rechub", False), ("torch-rechub, ready-made batches", True)):
            who = {"model": name, "contender": way}
            ask = functools.partial(peer.ask, do="train", model=name, ready=ready)
            training.append((who, ask))
        who = {"model": name, "contender": "torch-rechub"}
        scoring.append((who, functools.partial(peer.ask, do="score", model=name)))
        latency.append(({**who, **peer.ask(do="count", model=name)}, answers_of(peer, name)))
    say("Training.")
    trained = rates(training, len(task.examples), rounds)
    say("Scoring.")
    scored = rates(scoring, len(task.batches) * BATCH_SIZE, rounds)
    say("Requests.")
    times: list[list[float]] = [[] for _ in latency]
    for _ in range(BLOCKS):
        for found, (_, answer) in zip(times, latency, strict=True):
            found += answer(CALLS // BLOCKS)
    tables = {
        "Training, thousand examples per second": trained,
        "Training, ours to torch-rechub": ratios(trained, "model"),
        "Scoring, thousand examples per second": scored,
        "Scoring, ours to torch-rechub": ratios(scored, "model"),
        f"One request with {CANDIDATES} candidates": [
            {**who, "p50_ms": float(np.median(ms)), "p99_ms": float(np.percentile(ms, 99))}
            for (who, _), ms in zip(latency, times, strict=True)
        ],
    }
    return {title: rows for title, rows in tables.items() if rows}


def profile(name: str, task: Task, rounds: int) -> list[dict[str, Any]]:
    """Milliseconds per training step of `fit` and of its parts."""
    ours = Ours(name, task)
    model, fit = ours.model, ours.trains("fused_adam")
    dataset = task.examples.dataset(BATCH_SIZE, model.preprocessor, shuffle=True)
    batches = list(dataset)

    @tf.function
    def backward(batch: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = model.compute_loss(batch, training=True)
        return tape.gradient(loss, model.trainable_variables)

    def on_batches(step: Callable[[Any], Any]) -> Turn:
        def work() -> None:
            for batch in batches:
                step(batch)

        return lambda: timed(work)

    def pipeline() -> None:
        for _ in dataset:
            pass

    parts = {
        "input pipeline": lambda: timed(pipeline),
        "forward": on_batches(tf.function(lambda x: model.compute_loss(x, training=True))),
        "forward, backward": on_batches(backward),
        "forward, backward, optimizer": on_batches(tf.function(model.train_step)),
        "fit": fit,
    }
    found = rates(
        [({"contender": part}, turn) for part, turn in parts.items()], len(batches), rounds
    )
    # Thousands of steps per second are steps per millisecond.
    return [{"model": name, "part": row["contender"], "ms": 1 / row["median"]} for row in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="where tensorflow-datasets keeps its data")
    parser.add_argument("--version", default="1m", help="of MovieLens")
    parser.add_argument("--peer-python", help="python of an environment with torch-rechub")
    parser.add_argument("--examples", type=int, default=100_000, help="in an epoch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=lineup(), help="by default all")
    parser.add_argument("--profile", metavar="MODEL")
    parser.add_argument("--output", type=pathlib.Path, help="JSON file to write")
    arguments = parser.parse_args()
    found = about(
        examples=arguments.examples,
        rounds=arguments.rounds,
        widths=WIDTHS,
        batch_size=BATCH_SIZE,
    )
    clicks = Clicks(movielens(arguments.version, arguments.data_dir)).examples(RankingModel)
    train = clicks.train
    order = np.random.default_rng(0).permutation(len(train))[: arguments.examples]
    task = Task(clicks.fit_features(), train.take(order))
    if arguments.profile:
        rows = profile(arguments.profile, task, arguments.rounds)
        tables = {f"Milliseconds per step of {arguments.profile}": rows}
    else:
        with contextlib.ExitStack() as stack:
            peer = None
            if arguments.peer_python:
                script = pathlib.Path(__file__).with_name("click_throughput_torch.py")
                command = ("env", "TQDM_DISABLE=1", arguments.peer_python, script)
                peer = stack.enter_context(peer_with(task.arrays(), *command))
                found["versions"] |= peer.about
            tables = compare(arguments.models, task, peer, arguments.rounds)
    report(found, tables, 2, arguments.output)


if __name__ == "__main__":
    main()
