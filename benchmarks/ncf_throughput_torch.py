"""The PyTorch side of `ncf_throughput.py`: a hand-written loop, in an environment of its own.

    python ncf_throughput_torch.py POSITIVES.npz

It needs PyTorch and NumPy only, and waits: for each line `{"optimizer": .., "batch_size": ..}` on
stdin it trains an epoch on and answers with a line `{"seconds": .., "loss": ..}`.
"""

import argparse
import os
from typing import Any

import numpy as np
import torch
from side_by_side import answer, timed
from torch import nn

NEGATIVES = 4


class NeuMF(nn.Module):
    """NeuMF with 8 factors: GMF of 8, embeddings of 16 into a tower of 32, 16, 8."""

    def __init__(self, num_users: int, num_items: int, sparse: bool) -> None:
        super().__init__()
        self.gmf_user = nn.Embedding(num_users, 8, sparse=sparse)
        self.gmf_item = nn.Embedding(num_items, 8, sparse=sparse)
        self.mlp_user = nn.Embedding(num_users, 16, sparse=sparse)
        self.mlp_item = nn.Embedding(num_items, 16, sparse=sparse)
        layers: list[nn.Module] = []
        for before, after in ((32, 32), (32, 16), (16, 8)):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.tower = nn.Sequential(*layers)
        self.logit = nn.Linear(16, 1)
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.01)
            elif isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        """The logits of pairs."""
        gmf = self.gmf_user(user) * self.gmf_item(item)
        mlp = self.tower(torch.cat([self.mlp_user(user), self.mlp_item(item)], dim=1))
        return self.logit(torch.cat([gmf, mlp], dim=1)).squeeze(1)


class Contender:
    """A model, its optimizers, and the loop."""

    def __init__(self, positives: dict[str, np.ndarray], optimizer: str, batch_size: int) -> None:
        self.user = torch.from_numpy(positives["user"])
        self.item = torch.from_numpy(positives["item"])
        self.num_items = int(positives["num_items"])
        self.size = batch_size // (1 + NEGATIVES)
        is_sparse = optimizer == "sparse_adam"
        self.model = NeuMF(int(positives["num_users"]), self.num_items, is_sparse)
        weights = dict(self.model.named_parameters())
        if is_sparse:
            tables = [weights.pop(name) for name in list(weights) if name[3:4] == "_"]
            self.optimizers = [torch.optim.SparseAdam(tables, lr=0.001)]
        else:
            self.optimizers = []
        self.optimizers.append(torch.optim.Adam(weights.values(), lr=0.001, fused=True))
        self.loss = nn.BCEWithLogitsLoss()

    def epoch(self) -> float:
        """Trains an epoch, with fresh negatives; returns the mean of the steps' losses."""
        order = torch.randperm(len(self.user))
        users, items = self.user[order].split(self.size), self.item[order].split(self.size)
        total = torch.zeros(())
        for user, item in zip(users, items, strict=True):
            negatives = torch.randint(self.num_items, (NEGATIVES * len(user),))
            label = torch.zeros((1 + NEGATIVES) * len(user))
            label[: len(user)] = 1
            logits = self.model(user.repeat(1 + NEGATIVES), torch.cat([item, negatives]))
            loss = self.loss(logits, label)
            for optimizer in self.optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer in self.optimizers:
                optimizer.step()
            total += loss.detach()
        return total.item() / len(users)


def main() -> None:
    """Answers requests until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("positives")
    arguments = parser.parse_args()
    positives = dict(np.load(arguments.positives))
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    contenders: dict[tuple[str, int], Contender] = {}

    def epoch(optimizer: str, batch_size: int) -> dict[str, Any]:
        key = optimizer, batch_size
        if key not in contenders:
            contenders[key] = Contender(positives, *key)
        return timed(contenders[key].epoch)

    answer(epoch, torch=torch.__version__)


if __name__ == "__main__":
    main()
