import numpy as np
import pytest

from tfrec_zoo.metrics import (
    MISS,
    MRR,
    NDCG,
    HitRate,
    MeanAveragePrecision,
    Recall,
    relevant_ranks,
    target_ranks,
)

# isort: split
import tensorflow as tf

INF = float("inf")
NAN = float("nan")


def slow_ranks(scores, relevant):
    """The definition, one row and one candidate at a time: irrelevant first among equals."""
    result = []
    for row, wanted in zip(scores, relevant, strict=True):
        wanted = {int(i) for i in wanted if i >= 0}
        order = sorted(range(len(row)), key=lambda j: (-row[j], j in wanted))
        ranks = [place for place, j in enumerate(order) if j in wanted]
        result.append(ranks + [-1] * (relevant.shape[1] - len(ranks)))
    return np.array(result)


def test_target_ranks_by_hand():
    scores = [[0.1, 0.9, 0.5, 0.7]]
    for target, rank in [(1, 0), (3, 1), (2, 2), (0, 3)]:
        assert target_ranks(scores, [target]).numpy().tolist() == [rank]


def test_ties_count_against_the_target():
    # Three others are as good as the target: it is the last of the four, not the first.
    assert target_ranks([[1.0, 1.0, 1.0, 1.0]], [0]).numpy().tolist() == [3]
    # .9 is before it, the other .5 is counted before it, .1 is not.
    assert target_ranks([[0.5, 0.9, 0.5, 0.1]], [2]).numpy().tolist() == [2]


def test_masked_and_missing_scores():
    scores = [
        [-INF, 0.2, -INF, 0.1],  # two are masked: target 3 is second
        [-INF, 0.2, -INF, 0.1],  # a masked target is last, ties with the other masked one
        [0.3, NAN, 0.2, 0.1],  # a NaN target is last
        [0.3, NAN, 0.2, 0.1],  # another's NaN stands before the target
        [NAN, NAN, NAN, NAN],  # a diverged model has no hits
        [INF, 0.2, INF, 0.1],
    ]
    ranks = target_ranks(scores, [3, 0, 1, 0, 2, 0])
    assert ranks.numpy().tolist() == [1, 3, 3, 1, 3, 1]
    assert ranks.dtype == tf.int32


def test_a_target_with_the_lowest_score_is_a_miss_in_every_metric():
    lowest = float(np.finfo(np.float32).min)
    ranks = target_ranks([[0.1, lowest], [0.2, 0.1]], [1, 0])
    assert ranks.numpy().tolist() == [MISS, 0]
    for metric in (MRR(), MeanAveragePrecision(), HitRate(10), NDCG(10), Recall(10)):
        metric.update_ranks(ranks)
        assert float(metric.result()) == 0.5  # a miss and a hit, of two rows


def test_negative_target_has_no_rank():
    assert target_ranks([[0.1, 0.2], [0.1, 0.2]], [-1, 0]).numpy().tolist() == [-1, 1]


def test_relevant_ranks_by_hand():
    # Sorted: 1 (.9), 3 (.7), 2 (.5), 0 (.1).
    scores = [[0.1, 0.9, 0.5, 0.7]] * 3
    relevant = [[3, 0, -1], [2, 1, 0], [-1, -1, -1]]
    expected = [[1, 3, -1], [0, 2, 3], [-1, -1, -1]]
    assert relevant_ranks(scores, relevant).numpy().tolist() == expected


def test_relevant_ranks_among_ties():
    # All equal: the two irrelevant ones take places 0 and 1, the relevant ones 2 and 3.
    assert relevant_ranks([[1.0, 1.0, 1.0, 1.0]], [[0, 2]]).numpy().tolist() == [[2, 3]]
    # Masked and NaN relevant ones are last, behind the masked irrelevant one.
    assert relevant_ranks([[-INF, -INF, 0.5, NAN]], [[0, 3]]).numpy().tolist() == [[2, 3]]
    # A NaN of an irrelevant one is first.
    assert relevant_ranks([[0.5, NAN, 0.1]], [[0, 2]]).numpy().tolist() == [[1, 2]]


def test_repeated_relevant_candidate_counts_once():
    assert relevant_ranks([[0.1, 0.9, 0.5]], [[2, 2, 1]]).numpy().tolist() == [[0, 1, -1]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_relevant_ranks_follow_the_definition(dtype):
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 8, (50, 20)).astype(dtype)  # many ties
    scores[rng.random(scores.shape) < 0.2] = -INF
    relevant = rng.integers(-3, 20, (50, 6))
    ranks = relevant_ranks(scores, relevant).numpy()
    np.testing.assert_array_equal(ranks, slow_ranks(scores, relevant))


def test_one_relevant_candidate_agrees_in_both_functions():
    rng = np.random.default_rng(2)
    scores = rng.integers(0, 5, (40, 9)).astype("float32")
    targets = rng.integers(-1, 9, 40)
    several = relevant_ranks(scores, targets[:, None]).numpy()[:, 0]
    np.testing.assert_array_equal(target_ranks(scores, targets).numpy(), several)


def test_unknown_shapes_in_a_graph():
    def spec(rank, dtype):
        return tf.TensorSpec([None] * rank, dtype)

    one = tf.function(target_ranks, input_signature=[spec(2, tf.float32), spec(1, tf.int32)])
    several = tf.function(relevant_ranks, input_signature=[spec(2, tf.float32), spec(2, tf.int64)])
    assert one([[0.1, 0.2]], [0]).numpy().tolist() == [1]
    assert several([[0.1, 0.2]], [[0, 1]]).numpy().tolist() == [[0, 1]]
    assert several(tf.zeros([0, 4]), tf.zeros([0, 2], tf.int64)).shape == [0, 2]
    # What is not checked yet must not be gathered by: which fails first would be a matter of luck.
    for _ in range(100):
        with pytest.raises(tf.errors.InvalidArgumentError, match="smaller than the number"):
            one([[0.1, 0.2]], [2])
        with pytest.raises(tf.errors.InvalidArgumentError, match="smaller than the number"):
            several([[0.1, 0.2]], [[0, 7]])


@pytest.mark.parametrize(
    ("function", "scores", "index", "message"),
    [
        (target_ranks, [0.1, 0.2], [0], r"`scores` must have.*Received: shape \(2,\)"),
        (target_ranks, [[0.1, 0.2]], [[0]], r"`targets` must have.*Received: shape \(1, 1\)"),
        (target_ranks, [[0.1, 0.2]], [0, 1], r"`targets` must have one.*Received: shape \(2,\)"),
        (target_ranks, [[0.1, 0.2]], [0.0], "`targets` must be integers.*Received: dtype float32"),
        (target_ranks, [[0.1, 0.2]], [2], r"`targets` must be smaller.*Received: \[2\]"),
        (relevant_ranks, [[0.1, 0.2]], [0], r"`relevant` must have.*Received: shape \(1,\)"),
        (relevant_ranks, [[0.1, 0.2]], [[0, 7]], r"`relevant` must be smaller.*Received: \[7\]"),
    ],
)
def test_errors(function, scores, index, message):
    with pytest.raises(ValueError, match=message):
        function(scores, index)
