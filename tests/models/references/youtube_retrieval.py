"""u = ReLU(W₂ ReLU(W₁ x + b₁) + b₂), score(i) = v_i · u; or the log of a product of sigmoids."""

import numpy as np

from tfrec_zoo.models import YouTubeRetrieval

PAPER_DEFAULTS = {
    "hidden_units": (1024, 512, 256),  # §3.4, depth 3
    "embedding_dim": 256,  # §3.4, depth 0
}

VARIANTS = {"hierarchical": {"output": "hierarchical"}}


def build(features):
    return YouTubeRetrieval(features, hidden_units=(8, 4), seed=1)


# x is history 4 + last 4 + country 3 + age 3 + example age 1 + device 2 = 17 wide.
# Embeddings 12·4 + 3·3 = 57; tower (17 + 1)·8 + (8 + 1)·4 = 180; item vectors 12·4 = 48.
num_parameters = 57 + 180 + 48


def forward(model, raw):
    h = raw.query(model.tables)
    for layer in model.tower.layers:
        h = np.maximum(h @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    if model.hierarchy is not None:
        return log_probabilities(model.hierarchy, h)
    return h @ model.output_table.table.numpy().T


#: The paths to twelve items, 0 for left. Huffman's algorithm makes of 1, 1/2, 1/3 … 1/12:
#: 1/12 + 1/11 = .174, 1/10 + 1/9 = .211, 1/8 + 1/7 = .268, 1/6 + .174 = .341, 1/5 + .211 = .411,
#: 1/4 + .268 = .518, 1/3 + .341 = .674, .411 + 1/2 = .911, .518 + .674 = 1.192, .911 + 1 = 1.911,
#: 1.192 + 1.911. So one item is at depth 2, three are at 3, four at 4 and four at 5; the leaves of
#: a level come after its inner nodes.
CODES = (
    *("11", "011", "100", "101", "0010", "0011", "0100", "0101"),
    *("00000", "00001", "00010", "00011"),
)


def log_probabilities(hierarchy, u):
    """Σ log σ(± (u · v + b)) over the inner nodes on each path, which are numbered by level."""
    inner = sorted({c[:i] for c in CODES for i in range(len(c))}, key=lambda c: (len(c), c))
    x = u @ hierarchy.nodes.numpy().T + hierarchy.bias.numpy()
    left = dict(zip(inner, (1 / (1 + np.exp(-x))).T, strict=True))
    steps = [
        [left[c[:i]] if bit == "0" else 1 - left[c[:i]] for i, bit in enumerate(c)] for c in CODES
    ]
    return np.stack([np.sum(np.log(p), axis=0) for p in steps], axis=1)
