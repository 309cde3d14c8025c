"""logit = w₀ + w · x: a weight per id of each column, bags averaged, and per number."""

import numpy as np

from tfrec_zoo.models import LogisticRegression

# There is nothing to choose but penalties.
PAPER_DEFAULTS = {}


def build(features):
    return LogisticRegression(features, seed=1)


# Ids: history 12, last watched 12, country 3, device 2, video 12, channel 4 = 45. Numbers: age 3,
# example age 1, length 3, count 3, age of the latest 3 = 13. And the bias.
num_parameters = 45 + 13 + 1


def forward(model, raw):
    tables, kernels = model.linear.tables, model.linear.fields.kernels

    def weights(name):
        return np.append(0, tables[name].table.numpy().astype(np.float64)[:, 0])

    bag = raw.bag("history", "video")
    history = weights("history_bag4")[bag].sum(1) / np.maximum((bag > 0).sum(1), 1)
    ids = history + sum(
        weights(name)[raw.ids(name, space)]
        for name, space in [
            ("last_watched", "video"),
            ("country", ""),
            ("device", ""),
            ("video_id", "video"),
            ("channel", ""),
        ]
    )
    # The last six of the candidate's 1 + 1 + 3 + 6 are the interaction's.
    widths_one = {"video": tables["video_id"], "channel": tables["channel"]}
    x = {
        "age": raw.powers("age"),
        "example_age": raw.quantile("example_age"),
        "length": raw.powers("length"),
        "watched_channels_bag4_and_channel": raw.candidate(widths_one)[:, -6:],
    }
    numbers = sum(x[name] @ kernels[name].kernel.numpy() for name in x)[:, 0]
    return model.bias.numpy() + ids + numbers


def losses(logits, data):
    """Cross-entropy; whoever watched at all is a positive."""
    p = 1 / (1 + np.exp(-logits))
    return -np.log(np.where(data.label > 0, p, 1 - p))
