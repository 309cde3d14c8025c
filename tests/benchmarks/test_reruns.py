"""Rows that are run again agree within the spread of what is written of them."""

import json

import pytest


@pytest.fixture(scope="module")
def reruns(script):
    return script("reruns")


def _write(folder, row, seed, **metrics):
    result = {"config": {"preset": f"ctr/{row}"}, "seed": seed, "metrics": metrics}
    (folder / f"{row}-{seed}.json").write_text(json.dumps(result))


def test_rows_of_one_seed_are_not_drawn(reruns, tmp_path):
    (tmp_path / "ctr").mkdir()
    for row, seed in (("DCN", 0), ("DCN", 1), ("DLRM", 0)):
        _write(tmp_path / "ctr", row, seed, auc=0.5)
    found = reruns.written(tmp_path)
    assert {row: [result["seed"] for result in found[row]] for row in found} == {
        ("ctr", "DCN"): [0, 1]
    }


def test_a_metric_agrees_within_the_spread_of_its_seeds(reruns, tmp_path):
    (tmp_path / "ctr").mkdir()
    # Standard deviations over the seeds of .02 and .1.
    for seed, auc, loss in ((0, 0.78, 0.3), (4, 0.80, 0.4), (7, 0.82, 0.5)):
        _write(tmp_path / "ctr", "DCN", seed, auc=auc, logloss=loss, coverage=0.1)
    (results,) = reruns.written(tmp_path).values()
    lines = reruns.compared(results, 1, {"auc": 0.815, "logloss": 0.25, "coverage": 0.1})
    assert [(line["seed"], line["metric"], line["agrees"]) for line in lines] == [
        (4, "auc", True),
        (4, "logloss", False),
    ]
    assert [line["spread"] for line in lines] == pytest.approx([0.02, 0.1])
    assert [line["difference"] for line in lines] == pytest.approx([0.015, -0.15])
