"""experiment and paper: what they leave, and what they refuse."""

import json


def test_an_experiment_becomes_a_page(tmp_path, run, run_json):
    output = tmp_path / "runs"
    given = ("--size", "toy", "--seeds", 3, "--settings", "mean", "--output", output)
    found = run_json("experiment", "combiners", *given)
    assert [row["setting"] for row in found["table"]] == ["mean"]
    contents = json.loads((output / "combiners/simulated-toy/result.json").read_text())
    assert [each["setting"] for each in contents["runs"]] == ["mean"]
    assert contents["seeds"] == [3]
    text = run("experiment", "combiners", *given)  # Nothing is measured again.
    assert "How the history is pooled" in text and "mean" in text
    run("paper", output, "--output", tmp_path / "paper.md")
    page = (tmp_path / "paper.md").read_text()
    assert "](runs/combiners/simulated-toy/figure.png)" in page
    assert "tfrec-zoo experiment combiners --size toy --seeds 3" in page


def test_wrong_arguments_are_one_line(tmp_path, fails):
    assert "`settings` must be of" in fails(
        "experiment", "combiners", "--settings", "median", "--output", tmp_path
    )
    assert "must be a result.json" in fails("paper", tmp_path, "--output", tmp_path / "p.md")
    assert not (tmp_path / "p.md").exists()
    assert "There is no such folder" in fails("paper", tmp_path / "no", "--output", "p.md")
