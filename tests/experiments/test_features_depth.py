"""The features and the towers of figure 6."""

from tfrec_zoo.data import simulate
from tfrec_zoo.experiments.features_depth import FEATURES, units, with_features


def test_each_set_of_features_has_those_before_it():
    log = simulate(num_users=50, num_items=40, num_days=2)
    names = [
        {column.name for column in with_features(log, keys, 8).query} for keys in FEATURES.values()
    ]
    assert [len(each) for each in names] == [1, 2, 3, 8]
    assert all(a < b for a, b in zip(names, names[1:], strict=False))
    assert names[3] - names[2] == {
        "country_embedding", "device_embedding", "gender_embedding", "age", "logged_in"
    }  # fmt: skip


def test_towers_are_those_of_the_paper():
    expected = [(), (256,), (512, 256), (1024, 512, 256), (2048, 1024, 512, 256)]
    assert [units(depth, 256) for depth in range(5)] == expected
