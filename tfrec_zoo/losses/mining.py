"""MineNegatives: mines the hard negatives of a retrieval model again every so many steps."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

logger = logging.getLogger(__name__)


class MineNegatives(tf.keras.callbacks.Callback):
    """Fills the pool of a model with `negatives="hard"` from the model as it is.

    `fit` adds one of its own where none is given. What mining costs is logged at the end.

    Args:
        every: Number of training steps after which the pool is mined again.
        seed: Seed of the pool, where the catalogue is larger than it.

    Attributes:
        seconds: Seconds spent on mining.
        times: How often the pool was mined.

    Example:

    >>> import numpy as np, tfrec_zoo as zoo
    >>> from tfrec_zoo.features import *
    >>> bag = BagColumn(VocabularyColumn("history", space="video"))
    >>> spec = FeatureSpec((EmbeddingColumn(bag),), (VocabularyColumn("video_id", space="video"),))
    >>> features = Features.fit(spec, {"video_id": ["a", "b", "c"]})
    >>> model = zoo.YouTubeRetrieval(features, hidden_units=(4,), negatives="hard")
    >>> model.compile("adam")
    >>> mine, x = zoo.MineNegatives(every=1), {"history": np.array([["a", "b"], ["b", ""]])}
    >>> _ = model.fit(x, np.array(["c", "a"]), epochs=3, callbacks=[mine], verbose=0)
    >>> mine.times
    4
    """

    remembered = ("times", "seconds", "_next")

    def __init__(self, every: int = 500, seed: int = 0) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"`every` must be positive. Received: {every!r}")
        self.every = every
        self.seed = seed
        self.seconds, self.times = 0.0, 0
        self._next = 0

    def follow(self, twin: tf.keras.Model, strategy: tf.distribute.Strategy) -> None:
        """Mines with a twin that takes the steps of the model under a strategy."""
        self.set_model(twin)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Mines before the first step.

        Raises:
            ValueError: If the model learns from other negatives.
        """
        if getattr(self.model, "hard_negatives", None) is None:
            raise ValueError(
                'MineNegatives is for retrieval models with `negatives="hard"`. '
                f"Received: {type(self.model).__name__}"
            )
        self._mine()
        self._next = self._step() + self.every

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Mines if it is time."""
        if self._step() >= self._next:
            self._mine()
            self._next = self._step() + self.every

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the cost."""
        logger.info("mined negatives %d times in %.1f s", self.times, self.seconds)

    def _step(self) -> int:
        return int(tf.convert_to_tensor(self.model.optimizer.iterations))

    def _mine(self) -> None:
        begin = time.perf_counter()
        pool, number = self.model.hard_negatives.pool, self.model.num_items
        rng = np.random.default_rng([self.seed, self.times])
        classes = np.sort(rng.permutation(number)[:pool])
        self.model.mine(tf.constant(classes, tf.int32))
        self.times += 1
        self.seconds += time.perf_counter() - begin
