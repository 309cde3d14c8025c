"""u = ReLU(W₂ ReLU(W₁ x + b₁) + b₂), score(i) = v_i · u."""

import numpy as np

from tfrec_zoo.models import YouTubeRetrieval

PAPER_DEFAULTS = {
    "hidden_units": (1024, 512, 256),  # §3.4, depth 3
    "embedding_dim": 256,  # §3.4, depth 0
}


def build(features):
    return YouTubeRetrieval(features, hidden_units=(8, 4), seed=1)


# x is history 4 + last 4 + country 3 + age 3 + example age 1 + device 2 = 17 wide.
# Embeddings 12·4 + 3·3 = 57; tower (17 + 1)·8 + (8 + 1)·4 = 180; item vectors 12·4 = 48.
num_parameters = 57 + 180 + 48


def forward(model, raw):
    h = raw.query(model.tables)
    for layer in model.tower.layers:
        h = np.maximum(h @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    return h @ model.output_table.table.numpy().T
