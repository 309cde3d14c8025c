"""Every experiment at a toy size, and what all of them share."""

import dataclasses
import json
import shlex
import sys

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo import experiments
from tfrec_zoo.data import simulate
from tfrec_zoo.experiments.combiners import Combiners
from tfrec_zoo.experiments.experiment import table
from tfrec_zoo.experiments.findings import by_differences, is_above
from tfrec_zoo.experiments.measured import Results
from tfrec_zoo.experiments.page import page


@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_toy_leaves_numbers_a_figure_and_findings(name, tmp_path, eagerly):
    cls = experiments.get(name)
    experiment = cls("toy")
    results = experiment.run(tmp_path, seeds=[0])
    assert cls.name == name and set(cls.sizes) == {"toy", "small", "full"}
    assert list(dict.fromkeys(results.metrics["setting"])) == list(experiment.settings())
    assert set(cls.columns.values()) <= set(results.metrics)
    contents = json.loads((tmp_path / "result.json").read_text())
    assert contents["runs"][0]["data_checksum"]
    claims = experiment.findings(results)
    told = [claim.claim for claim in claims if claim.evidence != "not measured"]
    assert claims and [found["claim"] for found in contents["findings"]] == told
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def runs(metric, values):
    return [
        {"setting": setting, "seed": seed, "metrics": {metric: value}, "curves": {}}
        for setting, own in values.items()
        for seed, value in enumerate(own)
    ]


def test_differences_are_taken_seed_by_seed():
    # The seeds differ by .3 and the settings by .1 ± .02: differences .12, .1, .08.
    found = is_above(
        Results(runs("auc", {"a": [0.52, 0.80, 1.08], "b": [0.40, 0.70, 1.0]})),
        "auc",
        "a",
        "b",
        "a is better.",
    )
    assert found.verdict == "agrees"
    assert found.evidence == "auc: a 0.8, b 0.7; difference +0.1 ± 0.02 over 3 seeds"


@pytest.mark.parametrize(
    "differences, verdict",
    [([0.1, 0.12], "agrees"), ([-0.1, -0.12], "disagrees"), ([0.1, -0.1], "can't be told"),
     ([0.1], "can't be told"), ([], "can't be told")],
)  # fmt: skip
def test_verdicts(differences, verdict):
    assert by_differences(np.array(differences), "auc", "a is better.").verdict == verdict


def test_table_has_means_and_sample_deviations():
    results = Results(runs("auc", {"a": [0.5, 0.7], "b": [0.25, np.nan]}))
    expected = [{"setting": "a", "AUC": "0.6000 ± 0.1414"}, {"setting": "b", "AUC": "0.2500"}]
    pd.testing.assert_frame_equal(table(results, {"AUC": "auc"}), pd.DataFrame(expected))


def test_finished_runs_are_not_run_again_and_others_are_refused(tmp_path):
    class Counted(Combiners):
        measured = 0

        def measure(self, seed, **setting):
            type(self).measured += 1
            from tfrec_zoo.experiments.measured import Measured

            return Measured({"hit_rate_at_10": 0.1, "mean_average_precision": 0.2 + seed})

    Counted("toy").run(tmp_path, [0], settings=["mean", "sum"])
    results = Counted("toy").run(tmp_path, [0, 1], settings=["mean", "sum"])
    assert Counted.measured == 4 and len(results.runs) == 4
    with pytest.raises(ValueError, match="of another experiment"):
        Counted("small").run(tmp_path, [0], settings=["mean"])
    with pytest.raises(
        ValueError, match=r"`settings` must be of \['mean', 'sum', 'sqrtn', 'max'\]"
    ):
        Counted("toy").run(tmp_path, [0], settings=["median"])


def test_further_files_are_left_beside_the_result_and_not_in_it(tmp_path):
    class WithFiles(Combiners):
        def measure(self, seed, **setting):
            from tfrec_zoo.experiments.measured import Measured

            value = {"hit_rate_at_10": 0.1, "mean_average_precision": 0.2}
            return Measured(value, files={"names.tsv": f"{setting['combiner']}\t{seed}\n"})

    WithFiles("toy").run(tmp_path, [0, 1], settings=["mean", "sum"])
    assert (tmp_path / "files" / "sum-1" / "names.tsv").read_text() == "sum\t1\n"
    assert "names.tsv" not in (tmp_path / "result.json").read_text()


def test_page_shows_table_figure_and_findings(tmp_path):
    class Told(Combiners):
        def measure(self, seed, **setting):
            from tfrec_zoo.experiments.measured import Measured

            value = {"mean": 0.5, "sum": 0.4}[setting["combiner"]] + seed / 100
            return Measured({"hit_rate_at_10": value, "mean_average_precision": value})

    folder = tmp_path / "paper" / "combiners" / "simulated-toy"
    Told("toy").run(folder, [0, 1], settings=["mean", "sum"])
    shown = page(tmp_path / "paper", tmp_path / "paper.md")
    assert "| mean | 0.5050 ± 0.0071 | 0.5050 ± 0.0071 |" in shown
    assert "![How the history is pooled](paper/combiners/simulated-toy/figure.png)" in shown
    assert "tfrec-zoo experiment combiners --size toy --seeds 0 1" in shown
    assert "- **agrees**: The mean is better than the sum." in shown
    link = "[How the history is pooled](#how-the-history-is-pooled)"
    assert f"| {link} | §3.2 | simulated, toy | 1 |  |  |" in shown


def test_the_page_says_which_settings_were_measured(tmp_path, monkeypatch):
    class Told(Combiners):
        def measure(self, seed, **setting):
            from tfrec_zoo.experiments.measured import Measured

            return Measured({"hit_rate_at_10": 0.5, "mean_average_precision": 0.5})

        def settings(self):
            return {"a mean, of all": {}, "a sum": {}}

    command = "experiment combiners --size toy --settings 'a mean, of all' --seeds 0"
    monkeypatch.setattr(sys, "argv", ["tfrec-zoo", *shlex.split(command)])
    Told("toy").run(tmp_path / "combiners" / "simulated-toy", [0], settings=["a mean, of all"])
    shown = page(tmp_path, tmp_path / "paper.md")
    assert f"tfrec-zoo {command}\n" in shown
    assert "The mean is better" not in shown  # Nothing that it could be better than was measured.


def test_the_page_says_that_data_of_ones_own_are_a_folder(tmp_path):
    log = simulate(num_users=60, num_items=60, num_days=4)
    for name in ("movielens/100k", "kuairand-pure"):

        class Told(Combiners):
            def measure(self, seed, **setting):
                from tfrec_zoo.experiments.measured import Measured

                return Measured({"hit_rate_at_10": 0.5, "mean_average_precision": 0.5})

        given = dataclasses.replace(log, name=name)
        folder = tmp_path / "combiners" / name.replace("/", "-")
        Told("toy", given).run(folder, [0], settings=["mean"])
    shown = page(tmp_path, tmp_path / "paper.md")
    assert "--size toy --dataset movielens/100k --seeds 0" in shown
    assert "--size toy --dataset DIR --seeds 0" in shown


def test_unknown_names_are_refused():
    with pytest.raises(KeyError, match="The experiments are"):
        experiments.get("combiner")
    with pytest.raises(ValueError, match="`size` must be one of"):
        Combiners("large")
