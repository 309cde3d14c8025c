"""results: the page of all tables, rendered from a folder of result files."""

from typing import Any

from tfrec_zoo.tables import TABLES


def test_results(ncf_files: Any, run: Any, run_json: Any, tmp_path: Any) -> None:
    given = ("--dataset", ncf_files, "--output", tmp_path / "runs" / "ncf", "--seeds", 1)
    run("benchmark", "ncf", "--rows", "Popularity", *given)
    text = run("results", tmp_path / "runs")
    for table in TABLES.values():
        assert f"## {table.title}\n" in text
    rows = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| ")}
    # A row with a result names its seed; one without is marked.
    assert rows["| Popularity"].split(" | ")[1] == "1"
    assert rows["| NeuMF-8"].split(" | ")[1] == "†"
    path = tmp_path / "docs" / "results.md"
    assert run("results", tmp_path / "runs", "--output", path) == f"written: {path}\n"
    assert path.read_text(encoding="utf-8").rstrip("\n") == text.rstrip("\n")
    assert run_json("results", tmp_path / "runs")["markdown"].rstrip("\n") == text.rstrip("\n")


def test_no_folder(fails: Any, tmp_path: Any) -> None:
    assert f"Received: {tmp_path / 'none'}" in fails("results", tmp_path / "none")
