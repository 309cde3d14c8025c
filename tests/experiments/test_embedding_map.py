"""Purity of neighbourhoods and the projector's files, on numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Log
from tfrec_zoo.experiments.embedding_map import kinds_of, projector_files, purity


def test_purity_is_of_the_nearest_without_the_item_itself():
    # On a line: a a b b. The nearest of 0 is 1, of 1 it is 0, of 3 it is 1, of 6 it is 3.
    places, kind = np.array([[0.0], [1], [2.5], [6]]), np.array(list("aabb"))
    assert purity(places, kind, k=1) == pytest.approx(3 / 4)  # 2.5 is nearest to 1, an a.
    # With all three others as neighbours, one of them is of the own kind.
    assert purity(places, kind, k=10) == pytest.approx(1 / 3)


def log(**columns):
    watches = pd.DataFrame({"user_id": list("ab"), "item_id": list("xy"), "time": [0, 1]})
    return Log("mine", watches, items=pd.DataFrame({"item_id": list("xy"), **columns}))


def test_a_kind_is_a_topic_or_the_first_genre():
    assert kinds_of(log(topic=["t", "u"], genre=["g", "h"])).to_dict() == {"x": "t", "y": "u"}
    genres = kinds_of(log(genres=[["g", "h"], []]))
    assert genres.to_dict() == {"x": "g", "y": ""}
    with pytest.raises(ValueError, match="needs items with one of"):
        kinds_of(log(length=[1.0, 2.0]))


def test_projector_files_have_a_row_for_each_item():
    files = projector_files(
        log(title=["The\tX", "Y"]),
        np.array(["y", "x"], object),
        np.array(["k", "l"]),
        np.array([[0.5, 1], [0, -0.25]]),
    )
    assert files == {
        "vectors.tsv": "0.5000\t1.0000\n0.0000\t-0.2500\n",
        "metadata.tsv": "id\ttitle\tkind\ny\tY\tk\nx\tThe X\tl\n",
    }
