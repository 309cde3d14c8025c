"""Every registered model takes over what it learned where vocabularies grow and change order."""

import numpy as np
from every_model import EACH
from grown import grown_features, scores_of_old_items

from tfrec_zoo.warm_starts import warm_start


@EACH
def test_old_ids_score_the_same_to_the_bit(case):
    old_features = case.data.features
    features = grown_features(old_features)
    for variant, arguments in case.variants.items():
        old = case.shared() if variant == "default" else case.randomised(**arguments)
        model = type(old)(**{**old.get_config(), "features": features})
        warm_start(model, old)
        expected, found = case.scores(old), case.scores(model)
        if case.entry.family == "retrieval":
            found = scores_of_old_items(found, old_features, features)
        if case.entry.load().reads == "history":
            # The weights of a history are added in the order of its items' ids.
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=variant)
        else:
            np.testing.assert_array_equal(found, expected, variant)
