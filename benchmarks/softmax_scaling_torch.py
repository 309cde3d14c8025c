"""PyTorch's side of `softmax_scaling.py`: the same network, loss and draws, as its user writes it.

Needs PyTorch and NumPy alone.
"""

import argparse
import json
from typing import Any

import numpy as np
import torch
from softmax_scaling import BATCH_SIZE, DIM, HIDDEN, NEGATIVES, batches, measured
from torch import nn


class Network(nn.Module):
    """Averaged embeddings and a tower; item vectors are the embeddings."""

    def __init__(self, items: int, is_sparse: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(items, DIM, sparse=is_sparse)
        nn.init.normal_(self.table.weight, std=0.05)
        self.tower = nn.Sequential(
            nn.Linear(DIM, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, DIM), nn.ReLU()
        )

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Returns user vectors, [batch, dim]."""
        return self.tower(self.table(history).mean(dim=1))


def sampled_loss(network: Network, history: Any, label: Any, items: int) -> torch.Tensor:
    """The sampled softmax, corrected for its log-uniform odds."""
    drawn = torch.exp(torch.rand(NEGATIVES) * np.log(items + 1)).long() - 1
    drawn = torch.clamp(drawn, max=items - 1)

    def log_expected(classes: torch.Tensor) -> torch.Tensor:
        chance = torch.log((classes + 2.0) / (classes + 1.0)) / np.log(items + 1)
        return torch.log(NEGATIVES * chance)

    u = network(history)
    own = (u * network.table(label)).sum(dim=1)
    others = u @ network.table(drawn).T - log_expected(drawn)
    others = others.masked_fill(label[:, None] == drawn, -1e30)
    logits = torch.cat([own[:, None], others], dim=1)
    return nn.functional.cross_entropy(logits, torch.zeros(BATCH_SIZE, dtype=torch.long))


def main() -> None:
    """Prints what a step takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("sampled", "full"))
    parser.add_argument("items", type=int)
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    items, is_sampled = arguments.items, arguments.kind == "sampled"
    torch.manual_seed(0)
    network = Network(items, is_sampled)
    dense = list(network.tower.parameters())
    if is_sampled:
        optimizers: list[Any] = [
            torch.optim.SparseAdam(list(network.table.parameters()), 1e-3),
            torch.optim.Adam(dense, 1e-3, fused=True),
        ]
    else:
        optimizers = [torch.optim.Adam(network.parameters(), 1e-3, fused=True)]
    histories, labels = (torch.from_numpy(array - 1) for array in batches(items))
    count = 0

    def step() -> float:
        nonlocal count
        history, label = histories[count % len(histories)], labels[count % len(labels)]
        count += 1
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        if is_sampled:
            loss = sampled_loss(network, history, label, items)
        else:
            loss = nn.functional.cross_entropy(network(history) @ network.table.weight.T, label)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return loss.item()

    print(json.dumps(measured(step, arguments.steps)))


if __name__ == "__main__":
    main()
