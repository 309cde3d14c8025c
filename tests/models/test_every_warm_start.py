"""Every registered model takes over what it learned where vocabularies grow and change order."""

import numpy as np
import pytest
from every_model import EACH, RETRIEVAL
from grown import grown_features, scores_of_old_items

from tfrec_zoo import add_items, warm_start


@EACH
def test_old_ids_score_the_same_to_the_bit(case):
    old_features = case.data.features
    features = grown_features(old_features)
    for variant, arguments in case.variants.items():
        old = case.shared() if variant == "default" else case.of_variant(variant)
        model = type(old)(**{**old.get_config(), "features": features})
        if arguments.get("output") == "hierarchical":
            with pytest.raises(ValueError, match="to one tree of items.* Received another"):
                warm_start(model, old)
            continue
        warm_start(model, old)
        expected, found = case.scores(old), case.scores(model)
        if case.entry.family == "retrieval":
            found = scores_of_old_items(found, old_features, features)
        if case.entry.load().reads == "history" or case.entry.load().has_wide_side:
            # Weights of a history, and of crosses of a bag, are added in the order of ids.
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=variant)
        else:
            np.testing.assert_array_equal(found, expected, variant)


@RETRIEVAL
def test_items_are_added_and_old_ones_score_the_same_to_the_bit(case):
    old, number = case.shared(), case.data.features.vocabularies["video"]
    items = {
        "video_id": ["v3", "new", "newer"],  # v3 is known, if it has been in the log.
        "channel": ["c0", "c1", "never seen"],
        "length": [9.0, 2.5, None],
    }
    column = case.data.features.spec.item.key
    model = add_items(old, {**items, column: items["video_id"]}, "mean")
    tokens = model.features.vocabularies["video"].tokens
    assert tokens[: len(number)] == number.tokens
    assert {*tokens[len(number) :]} == {"new", "newer"} | ({"v3"} - {*number.tokens})
    expected, found = case.scores(old), case.scores(model)
    np.testing.assert_array_equal(found[:, : len(number)], expected)
    assert np.isfinite(found).all()
    if not any(
        layer.has_vectors for one in model.submodules for layer in getattr(one, "id_rows", ())
    ):
        # Nobody took the new ones.
        assert not found[:, len(number) :].any()
