"""Resume: a training that was ended from outside goes on where it was, to the bit."""

import contextlib
import hashlib
import json
import logging
import pathlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfrec_zoo import optimizers
from tfrec_zoo.artifacts import atomic_folder, read_manifest, write_manifest
from tfrec_zoo.models import RecommenderModel

logger = logging.getLogger(__name__)

#: Where commands keep the state of trainings, in their output.
UNFINISHED = ".unfinished"
_PROGRESS, _WEIGHTS, _ARRAYS = "progress.json", "weights", "arrays.npz"
#: What Keras's callbacks know of the epochs so far; others name it in an attribute `remembered`.
_OF_KERAS: dict[type, tuple[str, ...]] = {
    tf.keras.callbacks.EarlyStopping: (
        *("wait", "stopped_epoch", "best", "best_epoch", "best_weights"),
    ),
    tf.keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
}


class Live(Protocol):
    """What takes the steps of a training in place of the model that callbacks see."""

    def pull(self, weights: bool) -> None:
        """Gives the model what the optimizers remember, and if asked for the weights."""

    def push(self) -> None:
        """Takes over all that the model has."""


class Resume(tf.keras.callbacks.Callback):
    """Keeps the state of a training in a folder, and goes on from what the folder holds.

    The state is written after every epoch, and every so many minutes within one: the weights, what
    the optimizers remember, the position in the examples, and what callbacks know of the epochs so
    far. Each state is written whole before the one before it is removed.

    Args:
        folder: Folder of this training alone.
        steps: Number of steps of an epoch.
        callbacks: The other callbacks; this one comes after them.
        minutes: Minutes after which the state is written within an epoch.
        live: The twin of the model that takes the steps, if there is one.
        writes: Whether the state is written; workers besides the chief only read it.

    Attributes:
        position: Number of steps that were taken before.
        is_finished: Whether the training was over, its epochs done or stopped early.
        history: What was reported after each epoch, those before the interruption included.

    Raises:
        ValueError: If what the folder holds is damaged.
    """

    # The loss is asked for after epochs alone.
    _supports_tf_logs = True

    def __init__(
        self,
        folder: pathlib.Path,
        steps: int,
        callbacks: Sequence[tf.keras.callbacks.Callback] = (),
        minutes: float = 10.0,
        live: Live | None = None,
        writes: bool = True,
    ) -> None:
        super().__init__()
        self._folder, self._steps, self._minutes = folder, steps, minutes
        self._live, self._writes = live, writes
        self._callbacks = list(callbacks)
        self._epoch, self._next = 0, np.inf
        states = _states(folder)
        self._state = states[-1] if states else None
        self._progress: dict[str, Any] = {}
        if self._state is not None:
            try:
                read_manifest(self._state, verify=True)
                self._progress = json.loads((self._state / _PROGRESS).read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise ValueError(
                    f"The state of training in {self._state} is damaged: remove the folder. "
                    f"Received: {error}"
                ) from error
        self.position: int = self._progress.get("position", 0)
        self.is_finished: bool = self._progress.get("is_finished", False)
        self.history: list[dict[str, float]] = list(self._progress.get("history", []))

    def maybe_load_initial_counters_from_ckpt(
        self, steps_per_epoch: int, initial_epoch: int, mode: Any = None
    ) -> tuple[int, int]:
        """Tells `fit` in which epoch to begin, and at which step of it.

        `fit` asks the state that Keras's BackupAndRestore gives a model by this name.
        """
        return initial_epoch, max(self.position - initial_epoch * steps_per_epoch, 0)

    def on_train_begin(self, logs: Any = None) -> None:
        """Puts everything back where it was."""
        self.model._training_state = self
        if self._state is None:
            return
        checkpoint = tf.train.Checkpoint(variables=_variables(self.model))
        checkpoint.read(str(self._state / _WEIGHTS)).assert_consumed()
        rate = self._progress["learning_rate"]
        if rate is not None:
            tf.keras.backend.set_value(self.model.optimizer.learning_rate, rate)
        with np.load(self._state / _ARRAYS) as arrays:
            for name, callback in _named(self._callbacks).items():
                for attribute, value in self._progress["callbacks"].get(name, {}).items():
                    if isinstance(value, dict):
                        value = [arrays[key] for key in value["arrays"]]
                    setattr(callback, attribute, value)
        if self._live is not None:
            self._live.push()
        self._put_loss_back()
        if not self.is_finished:
            epoch, step = divmod(self.position, self._steps)
            if epoch < self.params["epochs"]:
                logger.info("training goes on in epoch %d, after %d steps of it", epoch + 1, step)
            else:
                logger.info("training had taken all of its steps, and ends")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Counts the minutes from here, and the loss from where it was."""
        self._epoch, self._next = epoch, time.monotonic() + 60 * self._minutes
        is_cut = epoch == self.position // self._steps and self.position % self._steps
        if is_cut:
            self._put_loss_back()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Writes the state if it is time."""
        if time.monotonic() >= self._next and batch + 1 < self._steps:
            self._write(self._epoch * self._steps + batch + 1)
            self._next = time.monotonic() + 60 * self._minutes

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Writes the state."""
        self.history.append({name: float(value) for name, value in (logs or {}).items()})
        self.is_finished = self.model.stop_training
        self._write((epoch + 1) * self._steps)

    def on_train_end(self, logs: Any = None) -> None:
        """Writes the weights that training ended with."""
        self.model._training_state = None
        self.is_finished = True
        self._write(len(self.history) * self._steps, "end")

    def _put_loss_back(self) -> None:
        """Gives the mean loss of the epoch, which is among a model's weights, what it was of."""
        for variable, value in zip(_of_loss(self.model), self._progress["loss"], strict=True):
            variable.assign(value)

    def _write(self, position: int, kind: str = "at") -> None:
        target = self._folder / f"{kind}-{position:012d}"
        if target.is_dir() or not self._writes:
            return
        if self._live is not None and kind == "at":
            # After an epoch, callbacks may have given the model other weights.
            self._live.pull(weights=position % self._steps != 0)
        rate = self.model.optimizer.learning_rate
        is_schedule = isinstance(rate, tf.keras.optimizers.schedules.LearningRateSchedule)
        arrays: dict[str, Any] = {}
        callbacks: dict[str, dict[str, Any]] = {}
        for name, callback in _named(self._callbacks).items():
            known = {key: getattr(callback, key, None) for key in _remembered(callback)}
            for key, value in known.items():
                if isinstance(value, list) and any(isinstance(v, np.ndarray) for v in value):
                    keys = [f"{name}.{key}.{i}" for i in range(len(value))]
                    arrays.update(zip(keys, value, strict=True))
                    known[key] = {"arrays": keys}
            callbacks[name] = known
        progress = {
            "position": position,
            "is_finished": self.is_finished,
            "learning_rate": None if is_schedule else tf.keras.backend.get_value(rate),
            "loss": [variable.numpy() for variable in _of_loss(self.model)],
            "history": self.history,
            "callbacks": callbacks,
        }
        with atomic_folder(target) as folder:
            tf.train.Checkpoint(variables=_variables(self.model)).write(str(folder / _WEIGHTS))
            np.savez(folder / _ARRAYS, **arrays)
            text = json.dumps(progress, default=lambda number: number.item())
            (folder / _PROGRESS).write_text(text, encoding="utf-8")
            write_manifest(folder, {"position": position})
        for older in _states(self._folder)[:-1]:
            shutil.rmtree(older, ignore_errors=True)


def _states(folder: pathlib.Path) -> list[pathlib.Path]:
    """The states of a folder, in the order of training."""

    digits = "[0-9]" * 12

    def order(path: pathlib.Path) -> tuple[str, bool]:
        kind, _, position = path.name.partition("-")
        return position, kind == "end"

    return sorted((*folder.glob(f"at-{digits}"), *folder.glob(f"end-{digits}")), key=order)


def _named(callbacks: Sequence[Any]) -> dict[str, Any]:
    """Callbacks by their type, and their number among those of it."""
    types = [type(callback).__name__ for callback in callbacks]
    return {f"{name}-{types[:i].count(name)}": callbacks[i] for i, name in enumerate(types)}


def _remembered(callback: tf.keras.callbacks.Callback) -> tuple[str, ...]:
    own = tuple(getattr(callback, "remembered", ()))
    return own + tuple(
        name for kind, names in _OF_KERAS.items() if isinstance(callback, kind) for name in names
    )


def _of_loss(model: RecommenderModel) -> list[tf.Variable]:
    """What the mean loss of an epoch is computed from."""
    return list(model.loss_tracker.variables)


def _variables(model: RecommenderModel) -> list[tf.Variable]:
    """All that a training changes: weights, counts, and what the optimizers remember."""
    found = [*model.learned, *model.training_state]
    for part, moved in optimizers.parts_of(model.optimizer, model.trainable_variables):
        found += [slot for own in optimizers.slots(part, moved) for slot in own]
        found.append(part.iterations)
    found.append(model.optimizer.iterations)
    return list({id(variable): variable for variable in found}.values())


@contextlib.contextmanager
def unfinished(
    output: str | pathlib.Path, resume: bool, name: str = "", is_own: bool = True
) -> Iterator[str]:
    """Yields a folder for the state of trainings, which is gone once all went well.

    Args:
        output: Folder that the results go to; the state is in `.unfinished` there.
        resume: Whether trainings go on from a state that is there; otherwise it is removed.
        name: What the trainings are for, where there are several in one output.
        is_own: Whether the folder belongs to this process. Another worker of the same training
            goes on from what is there, and otherwise has a temporary one.
    """
    folder = pathlib.Path(output) / UNFINISHED / name
    if not is_own:
        with tempfile.TemporaryDirectory() as temporary:
            yield str(folder) if resume else temporary
        return
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        yield str(folder)
    except FloatingPointError:
        # What diverged would diverge again.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    if name:
        with contextlib.suppress(OSError):  # Others' may be there.
            folder.parent.rmdir()


def key_of(**what: Any) -> str:
    """A name for a folder, of whatever tells a training from others; JSON-able."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
