"""User vectors: what a retrieval model makes of the users of a log, to measure an index by."""

from collections.abc import Callable, Mapping

import tensorflow as tf

from tfrec_zoo.data.derived import HISTORY, LAST_WATCHED, last_of
from tfrec_zoo.data.log import Log
from tfrec_zoo.features import RawFeature
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.serving.requests import typed_request
from tfrec_zoo.serving.signatures import input_specs
from tfrec_zoo.serving.user_requests import user_requests
from tfrec_zoo.serving.weights import as_read, serving_inputs

#: Number of users at most, and how many are asked for at once.
USERS, _AT_ONCE = 2048, 256


def user_vectors(
    model: RetrievalModel,
    log: Log,
    vectors: Callable[[Mapping[str, tf.Tensor]], tf.Tensor] | None = None,
    number: int = USERS,
) -> tf.Tensor:
    """The query vectors of users of a log at its end, as they are served.

    Args:
        model: A trained model.
        log: The log it was trained on.
        vectors: Returns query vectors of the raw features that the model reads; the model itself by
            default.
        number: Number of users at most, taken evenly from all, or from one shard.

    Returns:
        Query vectors, [users, dim].
    """
    item = RawFeature(HISTORY, model.item_column.dtype, is_bag=True)
    features = {HISTORY: item, **serving_inputs(model.raw_query)}
    specs = input_specs(features)
    requests = user_requests(log, set(features)).sample(number)
    found = []
    for begin in range(0, len(requests), _AT_ONCE):
        part = requests.iloc[begin : begin + _AT_ONCE]
        given = {key: part[key].tolist() for key in part if key in features}
        raw = {
            key: tf.constant(values, specs[key].dtype)
            for key, values in typed_request(features, given).items()
        }
        raw = {LAST_WATCHED: last_of(raw[HISTORY]), **raw}
        found.append((vectors or model)(as_read(raw, model.raw_query, model.features.spec)))
    return tf.concat(found, axis=0)
