import json
import pathlib
from typing import Any

import numpy as np
import pytest

from tfrec_zoo.data import Log, simulate
from tfrec_zoo.experiments import tables
from tfrec_zoo.experiments.watch_time import calibration


@pytest.fixture(scope="module")
def log() -> Log:
    return simulate(num_users=80, num_items=100, num_days=4)


def test_a_table_runs_resumes_and_refuses_other_data(log: Log, tmp_path: pathlib.Path) -> None:
    (first,) = tables.run("watch-time", log, tmp_path, seeds=[3], rows=["truth"])
    assert first["row"] == "truth" and first["seed"] == 3 and first["checksum"] == log.checksum
    # What is there already is read, not run again.
    path = tmp_path / "truth-3.json"
    path.write_text(json.dumps({**first, "metrics": {"auc": 0.125}}))
    (again,) = tables.run("watch-time", log, tmp_path, seeds=[3], rows=["truth"])
    assert again["metrics"] == {"auc": 0.125}
    other = simulate(num_users=80, num_items=100, num_days=4, seed=1)
    with pytest.raises(ValueError, match=r"truth-3.json is of other data \(simulated\)"):
        tables.run("watch-time", other, tmp_path, seeds=[3], rows=["truth"])
    with pytest.raises(ValueError, match=r"has the rows .*'truth'.* Received: rows=\['guess'\]"):
        tables.run("watch-time", log, tmp_path, rows=["guess"])


def test_select_by_rows_models_and_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["Popularity", "damped-means", "MF-192", "NeuMF-8", "NeuMF-16", "NeuMF-pretrained-8",
            "MLP-3-layers"]  # fmt: skip
    monkeypatch.setitem(tables.TABLES, "some", dict.fromkeys(rows))  # type: ignore[arg-type]

    def select(**wanted: Any) -> list[str]:
        return tables.select("some", **wanted)

    assert select() == rows
    # In the order of the table.
    assert select(rows=["NeuMF-8", "Popularity"]) == ["Popularity", "NeuMF-8"]
    assert select(models=["NeuMF"]) == ["NeuMF-8", "NeuMF-16"]
    assert select(models=["NeuMF-pretrained", "damped-means"]) == [
        "damped-means",
        "NeuMF-pretrained-8",
    ]
    assert select(models=["MLP-3-layers", "Popularity"]) == ["Popularity", "MLP-3-layers"]
    assert select(factors=[8]) == ["NeuMF-8", "NeuMF-pretrained-8"]
    assert select(factors=[16, 192]) == ["MF-192", "NeuMF-16"]
    assert select(models=["NeuMF", "MF"], factors=[8, 192]) == ["MF-192", "NeuMF-8"]
    assert select(rows=["NeuMF-8", "MF-192"], models=["MF"]) == ["MF-192"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"rows": ["truth", "guess"]},
        {"models": ["guess"]},
        {"factors": [8]},
        {"rows": ["truth"], "models": ["guess"]},
    ],
)
def test_select_says_what_there_is(wanted: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"'watch-time' has the rows \[.*'truth'.*\]") as error:
        tables.select("watch-time", **wanted)
    for name, value in wanted.items():
        assert f"{name}={value}" in str(error.value)


def test_markdown_is_mean_and_deviation_over_seeds() -> None:
    common = {"dataset": "d", "checksum": "c" * 64, "protocol": "p", "versions": {"numpy": "2"}}
    results = [
        {"row": "a", "seed": 0, "metrics": {"auc": 0.5, "bias": None}, **common},
        {"row": "a", "seed": 1, "metrics": {"auc": 0.7}, **common},
        {"row": "b", "seed": 0, "metrics": {"auc": 0.25, "bias": 2.0}, **common},
    ]
    lines = tables.markdown(results).splitlines()
    # The sample deviation of .5 and .7 is .2 / sqrt(2).
    assert lines[:4] == [
        "| row | auc | bias |",
        "|---|---|---|",
        "| a | 0.6000 ± 0.1414 |  |",
        "| b | 0.2500 | 2.0000 |",
    ]
    assert lines[5] == "d (sha256 cccccccccccccccc…), p, seeds [0, 1], numpy 2"
    assert tables.markdown(results, ["bias"]).startswith("| row | bias |")
    with pytest.raises(ValueError, match="have the metrics .* Received: "):
        tables.markdown(results, ["recall"])


def test_calibration_by_hand() -> None:
    predicted, true = np.array([4.0, 1.0, 3.0, 2.0]), np.array([6.0, 1.0, 4.0, 1.0])
    # Halves by prediction: (1, 2) against (1, 1), and (3, 4) against (4, 6); 10 against 12 in all.
    assert calibration(predicted, true, buckets=2) == pytest.approx(
        {"bias_to_truth": 10 / 12 - 1, "predicted_0": 1.5, "true_0": 1.0, "predicted_1": 3.5,
         "true_1": 5.0}
    )  # fmt: skip
