"""T = F_g⁻¹(σ(w · ReLU tower(x) + b)), loss = (σ(…) − F_g(T))²; the score is log T."""

import field_reference as fields
import numpy as np

from tfrec_zoo.models import D2Q

PAPER_DEFAULTS = {"target": "quantile"}  # The others are the baselines of the paper.
VARIANTS = {
    "seconds": {"target": "seconds"},
    "completion": {"target": "completion"},
    "no layer": {"hidden_units": ()},
    "one group": {"num_groups": 1},
}
GROUPS, POINTS = 3, 6


def build(features):
    return D2Q(features, hidden_units=(8, 4), num_groups=GROUPS, num_quantiles=POINTS, seed=1)


# Embeddings of the video 12·4, the country 3·3 and the channel 4·2 = 65; x is 32 wide (see
# youtube_ranking.py): tower 32 → 8 → 4; the logit's w and b.
num_parameters = 65 + (33 * 8 + 9 * 4) + 4 + 1


def group_of(length, lengths):
    """0 to 2 by the thirds of the known lengths that were learned from, 3 for unknown ones."""
    bounds = np.quantile(lengths[np.isfinite(lengths)], [1 / 3, 2 / 3])
    return np.where(np.isfinite(length), (length[:, None] >= bounds).sum(1), GROUPS)


def distributions(lengths, label):
    """The six watch times of each group at the quantiles 0, .2, .4 ... 1, ties at their mean."""
    points, groups = [], group_of(lengths, lengths)
    for group in range(GROUPS + 1):
        own = label[groups == group]
        values = np.unique(own)
        ranks = np.array([np.mean(np.flatnonzero(np.sort(own) == value)) for value in values])
        quantiles = (ranks - ranks[0]) / (ranks[-1] - ranks[0])
        points.append(np.interp(np.linspace(0, 1, POINTS), quantiles, values))
    return points


def learned(model, raw):
    """The group of each row, and the distributions that the model has learned."""
    length = np.asarray(raw.values["length"], np.float32)
    bounds = model.quantiles.bounds.numpy()
    groups = np.where(np.isfinite(length), (length[:, None] >= bounds).sum(1), GROUPS)
    return groups, model.quantiles.watch_times.numpy().astype(np.float64)


def forward(model, raw):
    x = np.concatenate([raw.query(model.tables), raw.candidate(model.tables)], axis=1)
    h = fields.relu_tower(model.tower, x)
    q = 1 / (1 + np.exp(-(model.bias.numpy() + fields.dot(model.logit, h))))
    groups, points = learned(model, raw)
    even = np.linspace(0, 1, POINTS)
    return np.log([np.interp(one, even, points[g]) for one, g in zip(q, groups, strict=True)])


def losses(scores, data):
    """(F_g(e^score) − F_g(T))²."""
    lengths, label = data.raw["length"].astype(np.float32), data.label
    groups, points = group_of(lengths, lengths), distributions(lengths, label)
    even = np.linspace(0, 1, POINTS)
    predicted, true = (
        np.array([np.interp(t, points[g], even) for t, g in zip(times, groups, strict=True)])
        for times in (np.exp(scores), label)
    )
    return (predicted - true) ** 2
