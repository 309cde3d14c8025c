"""The features and the towers of figure 6."""

from tfrec_zoo.data import simulate
from tfrec_zoo.experiments.features_depth import FEATURES, FeaturesDepth, units, with_features
from tfrec_zoo.experiments.measured import Results


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


def test_the_control_is_there_where_users_are_simulated():
    of_simulated = set(FeaturesDepth("small").settings())
    assert {f"all, a quarter of the users, depth {depth}" for depth in range(3)} <= of_simulated
    log = simulate(num_users=50, num_items=40, num_days=2)
    of_given = set(FeaturesDepth("small", log).settings())
    assert of_simulated - of_given == {
        f"all, a quarter of the users, depth {depth}" for depth in range(3)
    }


def test_what_depth_adds_is_compared_with_the_control():
    """Depth adds .3 and .5, and .1 and .1 in the control."""
    values = {
        "all, depth 0": (0.1, 0.2), "all, depth 2": (0.4, 0.7),
        "all, a quarter of the users, depth 0": (0.2, 0.1),
        "all, a quarter of the users, depth 2": (0.3, 0.2),
    }  # fmt: skip
    runs = [
        {"setting": setting, "seed": seed, "curves": {}, "metrics": {"mean_average_precision": v}}
        for setting, row in values.items()
        for seed, v in enumerate(row)
    ]
    found = FeaturesDepth("small").findings(Results(runs))[-1]
    assert found.verdict == "agrees"
    assert "+0.4000, control +0.1000" in found.evidence
    assert "difference +0.3 ± 0.14 over 2 seeds" in found.evidence
