"""WideDeep beyond the registry suite: its sides, its crosses in words, what they memorise."""

import numpy as np
import pytest

from tfrec_zoo import optimizers
from tfrec_zoo.features import (
    BagColumn,
    CrossedColumn,
    EmbeddingColumn,
    Features,
    FeatureSpec,
    NumericColumn,
    VocabularyColumn,
)
from tfrec_zoo.models import WideDeep

INSTALLED = BagColumn(VocabularyColumn("installed"), 3)
SHOWN = VocabularyColumn("shown")
CROSS = CrossedColumn((INSTALLED, SHOWN), top_n=9)
SPEC = FeatureSpec(
    query=(EmbeddingColumn(INSTALLED, 2), NumericColumn("age")),
    candidate=(EmbeddingColumn(SHOWN, 2), CROSS),
)
APPS = ["Netflix", "Pandora", "YouTube"]


def log(rows=600):
    """Whoever has Pandora takes YouTube, and nobody else does: neither app alone says so."""
    rng = np.random.default_rng(0)
    has = rng.random([rows, 3]) < 0.5
    shown = rng.integers(0, 3, rows)
    clicked = has[:, 1] & (shown == 2) | ~has[:, 1] & (shown != 2)
    installed = np.where(has, APPS, "")
    raw = {"installed": installed, "shown": np.array(APPS)[shown], "age": rng.random(rows) * 50}
    return raw, clicked.astype(np.float32)


RAW, CLICKED = log()
FEATURES = Features.fit(SPEC, RAW)


def test_the_strongest_crosses_in_words():
    model = WideDeep(FEATURES, hidden_units=(2,), seed=0)
    table = model.wide.tables[CROSS.name].table
    words = FEATURES.in_words(CROSS, np.arange(1, 10))
    values = np.linspace(-0.4, 0.4, 9)
    values[words.index("installed=Pandora AND shown=YouTube")] = 2.0
    values[words.index("installed=Netflix AND shown=Netflix")] = -3.0
    table.assign(values[:, None])
    found = model.strongest_crosses(2)
    assert found.to_dict("list") == {
        "cross": ["installed=Netflix AND shown=Netflix", "installed=Pandora AND shown=YouTube"],
        "weight": [-3.0, 2.0],
    }
    assert len(model.strongest_crosses()) == 9


def test_the_wide_side_memorises_what_no_feature_says_alone():
    model = WideDeep(FEATURES, sides="wide")
    model.compile([optimizers.make("ftrl", learning_rate=0.5), "adagrad"])
    model.fit(RAW, CLICKED, batch_size=32, epochs=20, verbose=0)
    strongest = model.strongest_crosses(1)
    assert strongest["cross"].tolist() == ["installed=Pandora AND shown=YouTube"]
    assert strongest["weight"][0] > 1
    p = model.predict(RAW, verbose=0)
    assert ((p > 0.5) == (CLICKED > 0)).mean() > 0.95


def test_a_side_alone_has_the_weights_of_that_side():
    def weights(sides):
        model = WideDeep(FEATURES, hidden_units=(2,), sides=sides, seed=0)
        model.build_weights()
        return [len(part) for part in (model.wide_variables, model.deep_variables)]

    # Wide: installed, shown, their cross. Deep: two tables, kernel and bias, the logit's, and the
    # model's bias, which is there always.
    assert weights("both") == [3, 6]
    assert weights("wide") == [3, 1]
    assert weights("deep") == [0, 6]


def test_zeros_are_counted_by_column():
    model = WideDeep(FEATURES, hidden_units=(2,))
    model.wide.tables["shown"].table.assign([[0.5], [0.0], [-1e-30]])
    found = model.zeros().set_index("column")
    assert found.loc["shown"].to_dict() == {"weights": 3, "zeros": 1}
    assert found.loc[CROSS.name].to_dict() == {"weights": 9, "zeros": 9}


def test_errors():
    with pytest.raises(ValueError, match='must be "both", "wide" or "deep". Received: \'x\''):
        WideDeep(FEATURES, sides="x")
    hashed = FeatureSpec(
        (EmbeddingColumn(SHOWN),), (CrossedColumn((INSTALLED, SHOWN), num_buckets=5),)
    )
    model = WideDeep(Features.fit(hashed, RAW))
    with pytest.raises(ValueError, match=r"top_n=.* Received: \['installed_bag3_X_shown'\]"):
        model.strongest_crosses()
