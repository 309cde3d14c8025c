"""Table: neural collaborative filtering and the baselines that it has to beat, on its own protocol.

He et al. (WWW 2017), tables 2 to 4 and figures 4 to 6: the latest item of each user among 99 that
the user has not chosen. Which epoch is reported decides much, so both rules are: the one that was
best on the validation items (each user's latest but one, in a run apart, from which only the number
of epochs is taken), and the one that was best on the test items, as the authors' code has it.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_zoo import optimizers, recipes
from tfrec_zoo.data import (
    Examples,
    Log,
    NegativeSampling,
    SampledTest,
    Split,
    interaction_examples,
    leave_last_out,
)
from tfrec_zoo.evaluation import Result, full_ranking, sample_negatives, sampled_ranking
from tfrec_zoo.models import (
    EASE,
    GMF,
    NCFMLP,
    ItemKNN,
    MatrixFactorization,
    NeuMF,
    Popularity,
    RecommenderModel,
)
from tfrec_zoo.training import STEPS_PER_EXECUTION, Training, cosine, fit

logger = logging.getLogger(__name__)

HIT_RATE = "sampled_hit_rate_at_10"
#: Epochs without a better hit rate after which training ends.
PATIENCE = 3
#: Numbers of predictive factors.
FACTORS = (8, 16, 32, 64)


def sampled_test(log: Log | SampledTest) -> SampledTest:
    """A log's last item of each user, beside 99 drawn by a fixed seed; of the NCF files, theirs."""
    if isinstance(log, SampledTest):
        return log
    split = leave_last_out(log)
    test = interaction_examples(log, split.test)
    everything = interaction_examples(log, np.arange(len(log.interactions)))
    split = dataclasses.replace(split, protocol=f"{split.protocol}, 99 negatives of seed 0")
    return SampledTest(log, split, sample_negatives(test, everything))


@dataclasses.dataclass(frozen=True)
class Part:
    """What to train on, and what to rank.

    Args:
        data: What this is a part of.
        split: Of which `train` is trained on, `test` ranked.
        train: Examples to learn from.
        test: Examples to rank.
        negatives: What the items of `test` are ranked among.
        name: `"validation"` or `"test"`.
    """

    data: SampledTest
    split: Split
    train: Examples
    test: Examples
    negatives: np.ndarray
    name: str

    @property
    def log(self) -> Log:
        """All of the log."""
        return self.data.log


def test_part(data: SampledTest) -> Part:
    """All that came before the test items, and these."""
    rows = np.union1d(data.split.train, data.split.validation)
    split = dataclasses.replace(data.split, train=rows)
    train, test = (interaction_examples(data.log, r) for r in (rows, split.test))
    return Part(data, split, train, test, data.negatives, "test")


def validation_part(data: SampledTest) -> Part:
    """The validation items in place of the test items, which are not looked at."""
    split = dataclasses.replace(data.split, test=data.split.validation)
    train, test = (interaction_examples(data.log, r) for r in (split.train, split.test))
    known = interaction_examples(data.log, np.union1d(split.train, split.test))
    return Part(data, split, train, test, sample_negatives(test, known), "validation")


@dataclasses.dataclass(frozen=True)
class Row:
    """A model of the table that learns by gradient descent, and how it is trained.

    Args:
        build: Makes the model of features and a seed.
        epochs: At most.
        negatives: Per positive.
        batch_size: Pairs per step.
        learning_rate: Of the optimizer.
        optimizer: Its name.
        decay: Whether the learning rate falls to zero along a cosine.
        pretrained: Rows of GMF and MLP to start from, or None.
    """

    build: Callable[[Any, int], RecommenderModel]
    epochs: int = 20
    negatives: int = 4
    batch_size: int = 256
    learning_rate: float = 0.001
    optimizer: str = "lazy_adam"
    decay: bool = False
    pretrained: tuple["Row", "Row"] | None = None

    def __call__(self, log: Log | SampledTest, seed: int) -> Result:
        """Trains for the number of epochs that was best on validation, and on for the rest."""
        data = sampled_test(log)
        epochs = _selected(self, data).best_epoch
        run = _train(self, test_part(data), seed, epochs)
        best = run.history[run.best_epoch - 1]
        metrics = {
            **run.history[epochs - 1],
            **run.full_ranking,
            **{f"best_on_test_{name}": value for name, value in best.items()},
            "epochs": epochs,
            "best_on_test_epochs": run.best_epoch,
        }
        return self._result(data, run, metrics, data.split.protocol, seed)

    def validated(self, log: Log | SampledTest, seed: int) -> Result:
        """The best epoch on the validation items: the test items are not looked at."""
        data = sampled_test(log)
        run = _train(self, validation_part(data), seed, None)
        metrics = {**run.history[run.best_epoch - 1], "epochs": run.best_epoch}
        return self._result(data, run, metrics, f"validation items, {data.split.protocol}", seed)

    def _result(
        self, data: SampledTest, run: "_Run", metrics: dict[str, Any], protocol: str, seed: int
    ) -> Result:
        config = {k: v for k, v in vars(self).items() if k not in ("build", "pretrained")}
        config["model"] = {k: v for k, v in run.model.get_config().items() if k != "features"}
        return Result.of(
            data,
            model=type(run.model).__name__,
            metrics=metrics,
            protocol=protocol,
            seed=seed,
            config={**config, "history": run.history},
        )


@dataclasses.dataclass
class _Run:
    """What a training left: a model with its weights after `kept` epochs, and its metrics."""

    model: RecommenderModel
    history: list[dict[str, float]]
    full_ranking: dict[str, float]

    @property
    def best_epoch(self) -> int:
        """The epoch of the highest hit rate, from 1; the first of equals."""
        return 1 + int(np.argmax([metrics[HIT_RATE] for metrics in self.history]))


class _Keep(tf.keras.callbacks.Callback):
    """Ranks after each epoch, and keeps the weights of one: a given one, or the best.

    Training ends when the hit rate has not risen for `patience` epochs (and the given one is over).
    """

    def __init__(self, part: Part, epoch: int | None, patience: int) -> None:
        super().__init__()
        self.part, self.epoch, self.patience = part, epoch, patience
        self.history: list[dict[str, float]] = []
        self.full_ranking: dict[str, float] = {}
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        metrics = sampled_ranking(self.model, self.part.test, self.part.negatives)
        self.history.append(metrics)
        named = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        logger.info("epoch %d, loss %.4f: %s", epoch + 1, (logs or {}).get("loss", np.nan), named)
        rates = [metrics[HIT_RATE] for metrics in self.history]
        best = int(np.argmax(rates))
        if epoch + 1 == self.epoch or (self.epoch is None and best == epoch):
            self.weights = self.model.get_weights()
            if self.epoch is not None:
                self.full_ranking = full_ranking(self.model, self.part.test, ks=(10,))
        if epoch - best >= self.patience and epoch + 1 >= (self.epoch or 0):
            self.model.stop_training = True


_runs: dict[tuple[Any, ...], _Run] = {}


def _selected(row: Row, data: SampledTest) -> _Run:
    """The run on the validation items, of seed 0."""
    return _train(row, validation_part(data), 0, None)


def _train(row: Row, part: Part, seed: int, epoch: int | None) -> _Run:
    """Trains one model of a row; what was trained once in this process isn't again."""
    key = (row, part.data.checksum, part.name, seed)
    if key in _runs:
        return _runs[key]
    tf.keras.utils.set_random_seed(seed)
    if row.pretrained is None:
        model = row.build(part.train.fit_features(recipes.id_spec(part.log)), seed)
    else:
        gmf, mlp = (
            _train(
                one, part, seed, None if epoch is None else _selected(one, part.data).best_epoch
            ).model
            for one in row.pretrained
        )
        assert isinstance(gmf, GMF) and isinstance(mlp, NCFMLP)
        model = NeuMF.from_pretrained(gmf, mlp)
    dataset = part.train.dataset(
        row.batch_size,
        model.preprocessor,
        shuffle=True,
        seed=seed,
        negatives=NegativeSampling(row.negatives),
    )
    learning_rate: Any = row.learning_rate
    if row.decay:
        learning_rate = cosine(row.learning_rate, row.epochs * len(dataset))
    optimizer = optimizers.make(row.optimizer, learning_rate=learning_rate)
    model.compile(optimizer, steps_per_execution=STEPS_PER_EXECUTION)
    keep = _Keep(part, epoch, row.epochs if row.decay else PATIENCE)
    model.fit(dataset, epochs=row.epochs, verbose=0, callbacks=[keep])
    model.set_weights(keep.weights)
    _runs[key] = _Run(model, keep.history, keep.full_ranking)
    return _runs[key]


def popularity(log: Log | SampledTest, seed: int) -> Result:
    """The most chosen items."""
    part = test_part(sampled_test(log))
    task = recipes.retrieval_task(part.log, part.split, max_history=1)
    model = _fitted(part, task, 1, Popularity)
    return _baseline_result(part, task, model, seed)


def item_to_item(
    make: Callable[[Any, Any], RecommenderModel], choices: tuple[Any, ...]
) -> Callable[[Log | SampledTest, int], Result]:
    """A model of whole histories, with the best on validation of a few choices."""

    def fitted(part: Part, choice: Any) -> tuple[recipes.Task, RecommenderModel]:
        task = recipes.basket_task(part.log, part.split)
        longest = recipes.longest_history(part.log)
        return task, _fitted(part, task, longest, lambda features: make(features, choice))

    def run(log: Log | SampledTest, seed: int) -> Result:
        data = sampled_test(log)
        part = validation_part(data)
        rates = []
        for choice in choices:
            task, model = fitted(part, choice)
            rates.append(_sampled(part, task, model)[HIT_RATE])
            logger.info("%s: %.4f on validation", choice, rates[-1])
        part = test_part(data)
        task, model = fitted(part, choices[int(np.argmax(rates))])
        return _baseline_result(part, task, model, seed)

    return run


def _fitted(part: Part, task: recipes.Task, longest: int, make: Callable[[Any], Any]) -> Any:
    spec = recipes.retrieval_spec(part.log, bags=(longest,), profile=False)
    # The items are the same as those of the other models: all that are trained on.
    ids = recipes.id_spec(part.log)
    items = part.train.fit_features(ids).vocabularies[ids.item.space]
    model = make(task.train.fit_features(spec, {spec.item.space: items}))
    fit(model, task.train, Training(verbose=0))
    return model


def _sampled(part: Part, task: recipes.Task, model: RecommenderModel) -> dict[str, float]:
    examples = dataclasses.replace(task.test, candidates=part.test.candidates)
    return sampled_ranking(model, examples, part.negatives)


def _baseline_result(part: Part, task: recipes.Task, model: RecommenderModel, seed: int) -> Result:
    return Result.of(
        part.data,
        model=type(model).__name__,
        metrics={**_sampled(part, task, model), **full_ranking(model, task.test, ks=(10,))},
        protocol=part.data.split.protocol,
        seed=seed,
        config={k: v for k, v in model.get_config().items() if k != "features"},
    )


def tower(factors: int, layers: int = 3) -> tuple[int, ...]:
    """The paper's tower, which halves from layer to layer and ends in the predictive factors."""
    return tuple(factors * 2**i for i in reversed(range(layers)))


def gmf(factors: int, **kwargs: Any) -> Row:
    """A row of GMF."""
    return Row(lambda f, seed: GMF(f, embedding_dim=factors, seed=seed), **kwargs)


def mlp(factors: int, layers: int = 3, **kwargs: Any) -> Row:
    """A row of MLP, by its number of hidden layers."""
    units = tower(factors, layers)
    return Row(lambda f, seed: NCFMLP(f, hidden_units=units, seed=seed), **kwargs)


def neumf(factors: int, **kwargs: Any) -> Row:
    """A row of NeuMF."""
    return Row(
        lambda f, seed: NeuMF(f, embedding_dim=factors, hidden_units=tower(factors), seed=seed),
        **kwargs,
    )


def pretrained(gmf: Row, mlp: Row) -> Row:
    """A row of NeuMF that starts from trained rows, and goes on with plain SGD."""
    # The loss is the mean of a batch: a learning rate of .1 / 256 for each pair.
    return Row(gmf.build, 3, pretrained=(gmf, mlp), optimizer="sgd", learning_rate=0.1)


def _rows() -> dict[str, Callable[[Log | SampledTest, int], Result]]:
    rows: dict[str, Callable[[Log | SampledTest, int], Result]] = {
        "Popularity": popularity,
        "ItemKNN": item_to_item(
            lambda f, c: ItemKNN(f, max_neighbors=c[0], shrink=c[1]),
            tuple((k, shrink) for k in (10, 20, 50, 100) for shrink in (0.0, 20.0)),
        ),
        "EASE": item_to_item(lambda f, l2: EASE(f, l2=l2), (500.0, 1000.0, 1500.0, 2000.0)),
        # As Rendle et al. (RecSys 2020) had it, but for 256 epochs of SGD.
        "MF-192": Row(
            lambda f, seed: MatrixFactorization(
                f, embedding_dim=192, loss="logistic", batch_l2=0.0025, seed=seed
            ),
            epochs=10,
            negatives=8,
            batch_size=1024,
            learning_rate=0.003,
            decay=True,
        ),
    }
    # Wide towers are bound by arithmetic, which large batches make the most of.
    large = {"batch_size": 1024, "learning_rate": 0.003}
    for factors in FACTORS:
        kwargs: dict[str, Any] = large if factors >= 64 else {}
        one, other = gmf(factors, **kwargs), mlp(factors, epochs=12, **kwargs)
        rows[f"GMF-{factors}"] = one
        rows[f"MLP-{factors}"] = other
        rows[f"NeuMF-{factors}"] = neumf(factors, epochs=12, **kwargs)
        rows[f"NeuMF-pretrained-{factors}"] = pretrained(one, other)
        # Adam itself, as in the paper: slower than its lazy form.
        rows[f"GMF-adam-{factors}"] = gmf(factors, optimizer="fused_adam")
        rows[f"MLP-adam-{factors}"] = mlp(factors, optimizer="fused_adam")
    return rows


ROWS = _rows()

#: What the paper claims of pre-training, negatives and depth (tables 2 to 4, figure 7), and Adam in
#: three ways.
#: Lazy Adam, under which rows rest between their turns, takes a higher learning rate.
ABLATIONS: dict[str, Callable[[Log | SampledTest, int], Result]] = {
    "adam": neumf(8, optimizer="adam").validated,
    "fused-adam": neumf(8, optimizer="fused_adam").validated,
    "lazy-adam": neumf(8, learning_rate=0.003).validated,
    "GMF": gmf(8).validated,
    "MLP": mlp(8).validated,
    "NeuMF-pretrained": pretrained(gmf(8), mlp(8)).validated,
    **{f"negatives-{k}": neumf(8, negatives=k).validated for k in (1, 2, 4, 7, 10)},
    **{f"MLP-{layers}-layers": mlp(16, layers).validated for layers in range(5)},
}
