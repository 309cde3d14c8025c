"""The blocks of models are those of the papers' figures."""

import numpy as np
import pytest

from tfrec_zoo import models, plots
from tfrec_zoo.features import (
    BagColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    VocabularyColumn,
)

RAW = {"user": np.array(["u", "v"]), "item": np.array(["a", "b"])}
SPEC = FeatureSpec(
    query=(EmbeddingColumn(VocabularyColumn("user")),),
    candidate=(EmbeddingColumn(VocabularyColumn("item")),),
)
IDS = FeatureSpec(query=(VocabularyColumn("user"),), candidate=(VocabularyColumn("item"),))
FEATURES = Features.fit(SPEC, RAW, items={"item": RAW["item"]})


def edges(model):
    """Each block by its label, with those that it reads."""
    blocks = plots.blocks_of(model)
    return [
        (block.label.replace("\n", " "), [blocks[i].label.split("\n")[0] for i in block.inputs])
        for block in blocks
    ]


def test_deepfm_has_three_parts_over_the_same_embeddings():
    assert edges(models.DeepFM(FEATURES, hidden_units=(8, 4))) == [
        ("features", []),
        ("LinearFeatures", ["features"]),
        ("embeddings", ["features"]),
        ("second order", ["embeddings"]),
        ("Tower 8-4", ["embeddings"]),
        ("Logit", ["Tower"]),
        ("+", ["LinearFeatures", "second order", "Logit"]),
        ("score", ["+"]),
    ]


def test_every_cross_of_dcn_reads_the_input_again():
    found = edges(models.DCN(FEATURES, num_cross_layers=3, hidden_units=(8,)))
    assert [reads for label, reads in found if label == "VectorCross"] == [
        ["[ ; ]"],
        ["VectorCross", "[ ; ]"],
        ["VectorCross", "[ ; ]"],
    ]
    assert found[-3:] == [
        ("[ ; ]", ["VectorCross", "Tower"]),
        ("Logit", ["[ ; ]"]),
        ("score", ["Logit"]),
    ]


def test_two_towers_meet_in_a_product():
    found = edges(models.TwoTower(FEATURES, hidden_units=(8, 4)))
    assert [reads for label, reads in found if label == "Tower 8-4"] == [["embeddings"]] * 2
    assert found[-2] == ("×", ["÷", "l2 normalize"])
    assert found[-1] == ("scores of all items", ["×"])


def test_a_function_of_both_sides_is_a_block_of_each():
    history = BagColumn(VocabularyColumn("history", space="video_id"))
    spec = FeatureSpec((history,), (VocabularyColumn("video_id"),))
    found = edges(models.HSTU(Features.fit(spec, {"video_id": ["a", "b"]}), num_blocks=1))
    assert ("l2 normalize", ["TransductionUnit"]) in found
    assert ("TransductionUnit 1 head", ["+"]) in found
    assert ("l2 normalize", ["item vectors"]) in found
    assert found[-2] == ("×", ["÷", "l2 normalize"])


def test_vectors_of_users_are_told_from_those_of_items():
    found = edges(models.LightGCN(Features.fit(IDS, RAW)))
    assert found == [
        ("user vectors", []),
        ("item vectors", []),
        ("×", ["user vectors", "item vectors"]),
        ("scores of all items", ["×"]),
    ]


def test_shapes_are_those_of_what_passes():
    blocks = plots.blocks_of(models.GMF(Features.fit(IDS, RAW), embedding_dim=5))
    assert [list(block.inputs.values()) for block in blocks if block.label == "×"] == [["5"]]


def test_picture(tmp_path):
    figure = plots.architecture(models.DeepFM(FEATURES, hidden_units=(8, 4)))
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"features", "Tower\n8-4", "second order", "score"} <= texts
    figure.savefig(tmp_path / "deepfm.png")


def test_closed_forms_have_no_blocks():
    with pytest.raises(ValueError, match="Only models of layers"):
        plots.architecture(models.Popularity(Features.fit(IDS, RAW)))
