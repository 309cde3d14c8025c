"""Distributed training: the loop of `fit` under a strategy of `tf.distribute`."""

import collections
import contextlib
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo.distribution.strategies import agreed, name_of, sizes
from tfrec_zoo.distribution.twins import Twin
from tfrec_zoo.models import RecommenderModel

logger = logging.getLogger(__name__)

#: Batches that a parameter-server training keeps on their way, for each worker.
_ON_THEIR_WAY = 4
#: What TensorFlow raises when another machine is gone.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.FailedPreconditionError,
    tf.errors.DeadlineExceededError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
)


class DistributedFit:
    """Fits a model by a twin of it under a strategy.

    The twin takes the steps. The model gets its weights after each epoch, is validated, and is what
    callbacks see, as if it were trained alone; weights that they change go back to the twin.
    A callback that looks at weights between the steps has a method `follow(twin, strategy)`, by
    which it is given what takes them, as `MineNegatives` and `AverageWeights` have.

    Args:
        model: A compiled model.
        strategy: The strategy.
        compile_: Compiles the twin as the model is.
        steps_per_execution: Number of steps between two looks at callbacks.
    """

    def __init__(
        self,
        model: RecommenderModel,
        strategy: tf.distribute.Strategy,
        compile_: Callable[[RecommenderModel], None],
        steps_per_execution: int,
    ) -> None:
        self._model, self._strategy = model, strategy
        self._at_once = steps_per_execution
        self._twin = Twin(model, strategy, compile_)
        self._steps: _InSync | _Coordinated | None = None

    def pull(self, weights: bool = True) -> None:
        """Gives the model what the twin's optimizers remember.

        Args:
            weights: Whether also the weights, and the mean loss of the epoch so far.
        """
        if weights and self._steps is not None:
            self._steps.wait()
            variables = self._model.loss_tracker.variables
            for variable, value in zip(variables, self._steps.loss, strict=True):
                variable.assign(value)
            self._twin.pull_weights()
        self._twin.pull_state()

    def push(self) -> None:
        """Gives the twin all that the model has."""
        self._twin.push()

    def require_same(self, training: str, position: int) -> None:
        """Checks that all workers take part in the same training, from the same step on.

        Args:
            training: The hexadecimal name of the training of this worker.
            position: Number of steps that were taken before.

        Raises:
            ValueError: If the chief's is another.
        """
        own = {"training": float(int(training[:12], 16)), "position": float(position)}
        if agreed(self._strategy, own) != own:
            raise ValueError(
                "All workers must run the same command on the same data, and go on from the same "
                "state: with `checkpoint_dir` or --resume, from a folder that they share. "
                f"Received: the training {training} after {position} steps, another on the chief"
            )

    def fit(
        self,
        dataset: tf.data.Dataset,
        validation: tf.data.Dataset | None,
        steps: int,
        epochs: int,
        position: int,
        callbacks: Sequence[tf.keras.callbacks.Callback],
        verbose: int,
    ) -> Any:
        """Trains; returns Keras's history.

        Args:
            dataset: The batches of all epochs, from `position` on.
            validation: Batches to validate on after each epoch.
            steps: Number of steps of an epoch.
            epochs: Number of epochs.
            position: Number of steps that were taken before.
            callbacks: Keras's callbacks.
            verbose: As in `model.fit`.

        Raises:
            RuntimeError: If another machine is lost, and with it what only it had.
        """
        with _telling_of_lost_machines(self._strategy):
            model, twin = self._model, self._twin
            model.stop_training = False
            hooks = tf.keras.callbacks.CallbackList(
                list(callbacks),
                add_history=True,
                add_progbar=verbose != 0,
                model=model,
                verbose=verbose,
                epochs=epochs,
                steps=steps,
            )
            for callback in callbacks:
                if hasattr(callback, "follow"):
                    callback.follow(twin.model, self._strategy)
            twin.push()
            hooks.on_train_begin()
            twin.pull_weights()  # Hard negatives were mined.
            if position < steps * epochs:
                is_coordinated = isinstance(self._strategy, tf.distribute.ParameterServerStrategy)
                kind = _Coordinated if is_coordinated else _InSync
                self._steps = kind(self._strategy, twin.model, dataset)
            for epoch in range(position // steps, epochs):
                assert self._steps is not None
                model.reset_metrics()
                hooks.on_epoch_begin(epoch)
                twin.push_weights()
                twin.push_loss()
                for step in range(max(position - epoch * steps, 0), steps, self._at_once):
                    number = min(self._at_once, steps - step)
                    hooks.on_train_batch_begin(step)
                    self._steps.take(number)
                    if step + number == steps:
                        self._steps.wait()
                        twin.pull_weights()
                    total, count = self._steps.loss
                    logs = {"loss": total / count} if count else {}
                    hooks.on_train_batch_end(step + number - 1, logs)
                logs = twin.results()
                if validation is not None:
                    found = model.evaluate(validation, verbose=0, return_dict=True)
                    logs.update({f"val_{name}": float(value) for name, value in found.items()})
                logs = agreed(self._strategy, logs)
                hooks.on_epoch_end(epoch, logs)
                stop = agreed(self._strategy, {"stop": float(model.stop_training)})["stop"]
                model.stop_training = bool(stop)
                if model.stop_training or epoch + 1 == epochs:
                    break
            if self._steps is not None:
                # The weights may be those of an epoch that was better.
                twin.pull_state()
            hooks.on_train_end()
            return model.history


@contextlib.contextmanager
def _telling_of_lost_machines(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Says what to do where another machine is gone, instead of what its connection said."""
    try:
        yield
    except _LOST as error:
        raise RuntimeError(
            f"A machine of the strategy {name_of(strategy)!r} was lost: start all of "
            "them again, with --resume (or the same `checkpoint_dir`) to go on from the last "
            f"state that was kept. Received: {type(error).__name__}: {error.message:.300}"
        ) from error


class _InSync:
    """Steps that all replicas take together, each on its share of a batch."""

    def __init__(
        self, strategy: tf.distribute.Strategy, model: Any, dataset: tf.data.Dataset
    ) -> None:
        options = tf.data.Options()
        sharding = tf.data.experimental.AutoShardPolicy.DATA
        options.experimental_distribute.auto_shard_policy = sharding
        self._strategy = strategy
        #: Sum of the losses of the epoch, and the number of examples.
        self.loss = (0.0, 0.0)

        @tf.function(reduce_retracing=True)
        def take(batches: Any) -> None:
            strategy.run(model.learn, args=(next(batches),))

        @tf.function
        def loss() -> list[tf.Tensor]:
            return [tf.identity(variable) for variable in model.loss_tracker.variables]

        self._take, self._loss = take, loss
        with strategy.scope():
            dataset = strategy.experimental_distribute_dataset(dataset.with_options(options))
            self._batches = iter(dataset)

    def take(self, number: int) -> None:
        """Takes some steps."""
        with self._strategy.scope():
            # A loop within the function would gather the rows of all batches by one key, for which
            # TensorFlow wants one shape: those of the last batch have another.
            for _ in range(number):
                self._take(self._batches)
            total, count = self._loss()
        self.loss = float(total), float(count)

    def wait(self) -> None:
        """Does nothing: every step is over when it is taken."""


class _Coordinated:
    """Steps that workers take on their own, each on the next batch, against parameter servers."""

    def __init__(
        self, strategy: tf.distribute.Strategy, model: Any, dataset: tf.data.Dataset
    ) -> None:
        self._coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
        self._limit = _ON_THEIR_WAY * sizes(strategy)["workers"]
        self._batches = iter(dataset)
        self._on_their_way: collections.deque[Any] = collections.deque()
        #: Sum of the losses of the epoch, and the number of examples.
        self.loss = (0.0, 0.0)

        def take(*batch: Any) -> list[tf.Tensor]:
            strategy.run(model.learn, args=(batch,))
            return [tf.identity(variable) for variable in model.loss_tracker.variables]

        with strategy.scope():
            function = tf.function(take, input_signature=dataset.element_spec)
            self._take = function.get_concrete_function()

    def take(self, number: int) -> None:
        """Sends some batches to whichever worker is free."""
        for batch in itertools.islice(self._batches, number):
            self._on_their_way.append(self._coordinator.schedule(self._take, args=batch))
            while len(self._on_their_way) > self._limit:
                self._arrived()

    def wait(self) -> None:
        """Waits until all steps are over."""
        while self._on_their_way:
            self._arrived()
        self._coordinator.join()

    def _arrived(self) -> None:
        total, count = self._on_their_way.popleft().fetch()
        self.loss = float(total), float(count)
