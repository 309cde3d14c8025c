"""logit = w · x + w_c · CIN(v) + w_h · ReLU tower([v_1; …; v_m]) + b, product by product."""

import field_reference as fields
import numpy as np

from tfrec_zoo.models import xDeepFM

SPEC, losses = fields.SPEC, fields.losses

# Its penalty of 0.0001 (§4.1.4) is no default.
PAPER_DEFAULTS = {
    "cin_units": (200, 200, 200),  # §4.1.4, on Criteo
    "cin_activation": "linear",  # §4.4, the best
    "split_half": False,  # equation 8: every map is pooled
    "embedding_dim": 10,  # §4.1.4
    "hidden_units": (400, 400),  # §4.1.4, on Criteo
    "dropout": 0.0,  # §4.1.4: none
}
VARIANTS = {
    "one layer": {"cin_units": (4,)},
    "relu": {"cin_activation": "relu"},
    "split": {"split_half": True},
    "split, relu": {"split_half": True, "cin_activation": "relu"},
    "no network": {"hidden_units": ()},
}


def build(features):
    return xDeepFM(
        features,
        cin_units=(4, 2, 3),
        embedding_dim=fields.DIM,
        hidden_units=(5, 4),
        dropout=0.0,
        seed=1,
    )


# Vectors, weights and the bias; maps of 8 · 8, 8 · 4 and 8 · 2 products, all of them in a logit;
# 8 fields of 3 into 5 units, 5 into 4, and 4 into the logit.
num_parameters = 33 * 3 + 57 + 1 + (64 * 4 + 32 * 2 + 16 * 3) + 9 + (24 * 5 + 5) + (5 * 4 + 4) + 4


def cin(kernels, v, activation=lambda maps: maps, split_half=False):
    """[rows, maps] the sums of all feature maps; v are the fields' [rows, dim] vectors."""
    previous, sums = v, []
    for k, kernel in enumerate(kernels):
        maps = []
        for h in range(kernel.shape[1]):
            total = 0
            for j, field in enumerate(v):
                for i, before in enumerate(previous):
                    total = total + kernel[j * len(previous) + i, h] * before * field
            maps.append(activation(total))
        previous = maps
        if split_half and k < len(kernels) - 1:
            previous, maps = maps[: len(maps) // 2], maps[len(maps) // 2 :]
        sums += [one.sum(1) for one in maps]
    return np.stack(sums, axis=1)


def forward(model, raw, **arguments):
    v = fields.vectors(model, raw)
    crossed = cin([kernel.numpy() for kernel in model.cin.kernels], v, **arguments)
    logit = model.bias.numpy() + fields.linear(model, raw) + fields.dot(model.cin_logit, crossed)
    if not model.hidden_units:
        return logit
    deep = fields.relu_tower(model.tower, np.concatenate(v, axis=1))
    return logit + fields.dot(model.deep_logit, deep)
