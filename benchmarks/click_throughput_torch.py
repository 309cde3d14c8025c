"""The torch-rechub side of `click_throughput.py`, in an environment of its own.

    python click_throughput_torch.py ARRAYS.npz

It waits, and answers each line `{"do": .., "model": ..}` on stdin with a line. "train" trains an
epoch, "score" scores batches, "answer" times requests, "count" counts parameters.
"""

import argparse
import functools
import os
from importlib import metadata
from typing import Any

import numpy as np
import torch
from rechub import BATCH_SIZE, columns_of, model
from side_by_side import answer, milliseconds, timed
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

SCORED = 20  # Batches.

Arrays = dict[str, np.ndarray]


class Contender:
    """A model, its trainer, and the data in the shapes that are asked for."""

    def __init__(self, name: str, arrays: Arrays) -> None:
        if name == "FiBiNET":
            # It counts sparse features only.
            arrays = {k: v[:, 0] if v.ndim == 2 else v for k, v in arrays.items()}
        x = columns_of(arrays, "ids")
        self.model = model(name, x, columns_of(arrays, "size"))
        self.trainer = CTRTrainer(self.model, optimizer_params={"lr": 0.001})
        label = arrays["label"]
        loaders = DataGenerator(x, label).generate_dataloader(
            x_val=x, y_val=label, x_test=x, y_test=label, batch_size=BATCH_SIZE, num_workers=0
        )
        self.loader = loaders[0]
        parts = {column: torch.from_numpy(ids).split(BATCH_SIZE) for column, ids in x.items()}
        self.batches = [
            ({column: split[i] for column, split in parts.items()}, y)
            for i, y in enumerate(torch.from_numpy(label).split(BATCH_SIZE))
        ]
        self.scored = [x for x, y in self.batches if len(y) == BATCH_SIZE][:SCORED]
        self.request = {c: torch.from_numpy(arrays[f"request/{c}"]) for c in x}

    def do(self, do: str, ready: bool, calls: int = 0) -> dict[str, Any]:
        """What a request asks for."""
        if do == "train":
            batches = self.batches if ready else self.loader
            return timed(lambda: self.trainer.train_one_epoch(batches))
        if do == "count":
            return {"parameters": sum(weight.numel() for weight in self.model.parameters())}
        self.model.eval()
        with torch.no_grad():
            if do == "score":
                return timed(self._score)
            assert do == "answer"
            return {"ms": milliseconds(lambda: self.model(self.request).numpy(), calls)}

    def _score(self) -> None:
        for batch in self.scored:
            self.model(batch).numpy()


def main() -> None:
    """Answers requests until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arrays")
    arrays = dict(np.load(parser.parse_args().arrays))
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    # Each way of feeding a model has a model of its own.
    contender = functools.cache(lambda name, ready: Contender(name, arrays))

    def handle(model: str, ready: bool = False, **request: Any) -> dict[str, Any]:
        return contender(model, ready).do(ready=ready, **request)

    found = {name: metadata.version(name) for name in ("torch", "torch-rechub")}
    answer(handle, **found)


if __name__ == "__main__":
    main()
