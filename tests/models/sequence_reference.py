"""What the references of models that read a sequence share, in plain NumPy."""

import numpy as np

from tfrec_zoo.features import BagColumn, FeatureSpec, VocabularyColumn

#: Every reference reads the last three items of a history of four, and their ages.
HISTORY = BagColumn(VocabularyColumn("history", space="video"), 4, ages="watched_ages")
SPEC = FeatureSpec((HISTORY,), (VocabularyColumn("video_id", space="video"),))
LENGTH, DIM = 3, 6


def scores(model, raw, states, items):
    """[rows, items] the scores of the states after each row's last item."""
    found = np.zeros([len(raw.values["history"]), len(items)])
    for row, (sequence, ages) in enumerate(sequences(raw)):
        if sequence:
            found[row] = items @ states(model, sequence, ages)[-1]
    return found


def sequence_losses(model, data, states, items):
    """[rows] the mean cross-entropy of all predictions of a row, and their numbers."""
    losses, counts = np.zeros([2, len(data.label)])
    for row, (sequence, ages) in enumerate(sequences(data.numpy())):
        if not sequence or data.classes[row] < 0:
            continue
        targets = [id_ - 1 for id_ in sequence[1:]] + [data.classes[row]]
        found = states(model, sequence, ages) @ items.T
        own = found[np.arange(len(targets)), targets]
        losses[row] = np.mean(np.log(np.exp(found).sum(1)) - own)
        counts[row] = len(targets)
    return losses, counts


def sequences(raw):
    """The ids of the last known items of each row, and their ages."""
    found = []
    for row, ids in enumerate(raw.bag("history", "video")):
        known = np.flatnonzero(ids)[-LENGTH:]
        ages = np.append(raw.values["watched_ages"][row], np.full(len(ids), np.nan))
        found.append((ids[known].tolist(), ages[known]))
    return found


def embedded(model, sequence):
    """[length, dim] the items' vectors, scaled, and those of their positions from the end."""
    items, positions = weights(model.item_table.table), weights(model.position_table.table)
    return items[np.array(sequence) - 1] * np.sqrt(DIM) + positions[LENGTH - len(sequence) :]


def interval_ids(ages):
    """[length, length] the ids of the intervals from each item to each prediction's moment."""
    # Each item's next one comes at the moment of its prediction, and after the last one is now.
    moments = np.append(ages[1:], 0)
    return np.array([[_interval_id(age - moment) for age in ages] for moment in moments])


def _interval_id(interval):
    return 0 if np.isnan(interval) else 1 + int(2 * np.log2(1 + max(interval, 0)))


def with_zero(table):
    rows = weights(table.table)
    return np.concatenate([np.zeros([1, rows.shape[1]]), rows])


def normalized(x):
    x = x - x.mean(axis=1, keepdims=True)
    return x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-6)


def weights(variable):
    return variable.numpy().astype(np.float64)
