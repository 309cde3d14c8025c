"""The torch-rechub side of `click_accuracy.py`, in an environment of its own.

    python click_accuracy_torch.py ARRAYS.npz

It waits, and answers each line `{"name": .., "seed": .., "weight_decay": ..}` on stdin with a line
of what training came to.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import numpy as np
import torch
from rechub import BATCH_SIZE, columns_of, model
from side_by_side import answer
from torch_rechub.trainers import CTRTrainer

MOST_EPOCHS, PATIENCE = 30, 3


class Batches:
    """Batches of examples, for each epoch in an order of its own if they are shuffled.

    torch's `DataLoader`, which puts batches together row by row, takes longer than the models.

    Args:
        columns: Ids by column.
        label: Labels.
        is_shuffled: Whether the order is drawn.
    """

    def __init__(
        self, columns: dict[str, np.ndarray], label: np.ndarray, is_shuffled: bool
    ) -> None:
        self.ids = columns
        self.columns = {name: torch.from_numpy(ids) for name, ids in columns.items()}
        self.label = torch.from_numpy(label)
        self.is_shuffled = is_shuffled

    def __len__(self) -> int:
        return -(-len(self.label) // BATCH_SIZE)

    def __iter__(self) -> Iterator[Any]:
        number = len(self.label)
        order = torch.randperm(number) if self.is_shuffled else torch.arange(number)
        for rows in order.split(BATCH_SIZE):
            yield {name: ids[rows] for name, ids in self.columns.items()}, self.label[rows]


def trained(
    arrays: dict[str, np.ndarray], name: str, seed: int, weight_decay: float
) -> dict[str, Any]:
    """Trains a model; returns its AUC on the validation and test examples, and its epochs."""
    torch.manual_seed(seed)
    train, validation, test = (
        Batches(columns_of(arrays, part), arrays[f"label/{part}"], part == "train")
        for part in ("train", "validation", "test")
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = CTRTrainer(
            model(name, train.ids, columns_of(arrays, "size")),
            optimizer_params={"lr": 0.001, "weight_decay": weight_decay},
            n_epoch=1,
            model_path=folder,
        )
        best, weights, epochs = 0.0, None, 0
        for epoch in range(1, MOST_EPOCHS + 1):
            trainer.train_one_epoch(train)
            auc = trainer.evaluate(trainer.model, validation)
            if auc > best:
                best, epochs = float(auc), epoch
                weights = {k: v.clone() for k, v in trainer.model.state_dict().items()}
            elif epoch - epochs == PATIENCE:
                break
        trainer.model.load_state_dict(weights)
        found = float(trainer.evaluate(trainer.model, test))
    return {"validation": best, "test": found, "epochs": epochs}


def main() -> None:
    """Answers requests until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arrays")
    arrays = dict(np.load(parser.parse_args().arrays))
    torch.set_num_threads(len(os.sched_getaffinity(0)))

    def handle(**request: Any) -> dict[str, Any]:
        return trained(arrays, **request)

    answer(handle, **{name: metadata.version(name) for name in ("torch", "torch-rechub")})


if __name__ == "__main__":
    main()
