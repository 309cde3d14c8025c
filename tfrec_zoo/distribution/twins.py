"""Twins: copies of a model whose variables are where a strategy puts them."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from tfrec_zoo import optimizers
from tfrec_zoo.models import RecommenderModel
from tfrec_zoo.models.inputs import sharing_preprocessor
from tfrec_zoo.needs import allow_idle

#: A variable, and the variables that its rows are spread over, in their order.
_Pair = tuple[tf.Variable, list[tf.Variable]]


class Twin:
    """A copy of a model under a strategy, with what carries weights from one to the other.

    The model itself stays an ordinary one: whoever measures, keeps or exports it needs to know
    nothing of strategies. Parameter servers hold large tables of the twin in parts.

    Args:
        model: A compiled model with all its weights.
        strategy: The strategy.
        compile_: Compiles the twin as the model is.

    Attributes:
        model: The copy.
    """

    def __init__(
        self,
        model: RecommenderModel,
        strategy: tf.distribute.Strategy,
        compile_: Callable[[RecommenderModel], None],
    ) -> None:
        model.build_weights()
        self._of, self._strategy = model, strategy
        of_model = _states(model)
        # The lookup tables stay those of the model: batches are encoded before they travel.
        with strategy.scope(), sharing_preprocessor(model.preprocessor):
            config = {**model.get_config(), "features": model.features}
            with allow_idle():
                self.model: RecommenderModel = type(model)(**config)
            self.model.take_adapted(model)
            self.model.build_weights()
            compile_(self.model)
            self._weights = [*_pairs(_weights(model), _weights(self.model))]
            self._state = [*_state_pairs(of_model, _states(self.model))]

    def push(self) -> None:
        """Gives the twin the model's weights, and what its optimizers remember."""
        self.push_weights()
        self._push(self._state)

    def push_weights(self) -> None:
        """Gives the twin the model's weights and learning rate."""
        self._push(self._weights)
        rate = self._of.optimizer.learning_rate
        if not isinstance(rate, tf.keras.optimizers.schedules.LearningRateSchedule):
            value = tf.keras.backend.get_value(rate)
            with self._strategy.scope():
                tf.keras.backend.set_value(self.model.optimizer.learning_rate, value)

    def pull_state(self) -> None:
        """Gives the model's optimizers what the twin's remember."""
        self._pull(self._state)

    def pull_weights(self) -> None:
        """Gives the model the twin's weights."""
        self._pull(self._weights)

    def push_loss(self) -> None:
        """Gives the twin the mean loss of the epoch so far; its other metrics begin anew."""
        with self._strategy.scope():
            self.model.reset_metrics()
        self._push([*_pairs(self._of.loss_tracker.variables, self.model.loss_tracker.variables)])

    def results(self) -> dict[str, float]:
        """What the twin has seen since its metrics were reset: the mean loss, and what else."""
        with self._strategy.scope():
            return {name: float(value) for name, value in self.model.step_results().items()}

    def _push(self, pairs: Sequence[_Pair]) -> None:
        with self._strategy.scope():
            for whole, parts in pairs:
                for part, begin, end in _places(parts):
                    part.assign(whole[begin:end] if parts[1:] else tf.convert_to_tensor(whole))

    def _pull(self, pairs: Sequence[_Pair]) -> None:
        with self._strategy.scope():
            for whole, parts in pairs:
                for part, begin, end in _places(parts):
                    value = tf.convert_to_tensor(part)
                    if parts[1:]:
                        whole[begin:end].assign(value)
                    else:
                        whole.assign(value)


def _weights(model: RecommenderModel) -> list[tf.Variable]:
    """All that training changes besides what optimizers remember, each once."""
    found = [*model.learned, *model.training_state]
    # A table that is spread over parameter servers is its parts.
    found = [part for variable in found for part in getattr(variable, "variables", [variable])]
    return list({id(variable): variable for variable in found}.values())


@dataclasses.dataclass
class _State:
    """What an optimizer remembers: the variables it moves, its slots of each, and its steps."""

    moved: list[tf.Variable]
    slots: list[list[tf.Variable]]
    iterations: tf.Variable


def _states(model: RecommenderModel) -> list[_State]:
    """What each of a model's optimizers remembers, made if it is not there yet."""
    parts = optimizers.parts_of(model.optimizer, model.trainable_variables)
    found = [_State(moved, optimizers.slots(p, moved), p.iterations) for p, moved in parts]
    return [*found, _State([], [], model.optimizer.iterations)]


def _state_pairs(states: Sequence[_State], of_twin: Sequence[_State]) -> Iterator[_Pair]:
    """What the optimizers of both remember."""
    for own, other in zip(states, of_twin, strict=True):
        spread = {id(v): slots for v, slots in zip(other.moved, other.slots, strict=True)}
        for slots, (_, parts) in zip(own.slots, _pairs(own.moved, other.moved), strict=True):
            for i, slot in enumerate(slots):
                yield slot, [spread[id(variable)][i] for variable in parts]
        yield own.iterations, [other.iterations]


def _pairs(whole: Sequence[Any], parts: Sequence[Any]) -> Iterator[_Pair]:
    """Variables, each with those that follow each other in `parts` until they have its rows."""
    rest = iter(parts)
    for variable in whole:
        own = [next(rest)]
        while variable.shape.rank and sum(part.shape[0] for part in own) < variable.shape[0]:
            own.append(next(rest))
        yield variable, own
    left = [variable.name for variable in rest]
    if left:
        raise ValueError(f"A twin has other variables than its model. Received: {left}")


def _places(parts: Sequence[tf.Variable]) -> Iterator[tuple[tf.Variable, int, int]]:
    """The parts of a variable, each with its first row, and the row after its last."""
    end = 0
    for part in parts:
        begin, end = end, end + (part.shape[0] if part.shape.rank else 1)
        yield part, begin, end
