"""logit = w · ReLU(W₂ ReLU(W₁ [q; c] + b₁) + b₂) + b."""

import numpy as np

from tfrec_zoo.models import YouTubeRanking

PAPER_DEFAULTS = {
    "hidden_units": (1024, 512, 256),  # table 1, the best
    "weighted": True,  # §4.2
}
VARIANTS = {
    "no layer": {"hidden_units": ()},
    "one layer": {"hidden_units": (8,)},
    "three layers": {"hidden_units": (16, 8, 4)},
}


def build(features):
    return YouTubeRanking(features, hidden_units=(8, 4), seed=1)


# q is 17 wide; c is video 4 + channel 2 + length 3 + count 3 + age 3 = 15.
# Embeddings 12·4 + 3·3 + 4·2 = 65 (the video's table is the history's); tower
# (17 + 15 + 1)·8 + (8 + 1)·4 = 300; logit 4 + 1 = 5.
num_parameters = 65 + 300 + 5


def forward(model, raw):
    x = np.concatenate([raw.query(model.tables), raw.candidate(model.tables)], axis=1)
    kernel = np.concatenate([model.first.query_kernel, model.first.candidate_kernel])
    h = np.maximum(x @ kernel + model.first.bias.numpy(), 0)
    for layer in model.tower.layers:
        h = np.maximum(h @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    return (h @ model.logit.kernel.numpy() + model.logit.bias.numpy())[:, 0]


def losses(logits, data):
    """Positives weigh their watch time, negatives one: −T log σ(logit), −log(1 − σ(logit))."""
    p = 1 / (1 + np.exp(-logits))
    return np.where(data.label > 0, -data.label * np.log(p), -np.log(1 - p))
