"""results: the page of all tables, rendered from a folder of result files."""

from typing import Any

from tfrec_zoo.table_layouts import TABLES


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


def test_excerpts_of_pages(ncf_files: Any, run: Any, fails: Any, tmp_path: Any) -> None:
    given = ("--dataset", ncf_files, "--output", tmp_path / "runs" / "ncf", "--seeds", 1)
    run("benchmark", "ncf", "--rows", "Popularity", *given)
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    page.write_text("<!-- table ncf: Popularity | epochs -->\n<!-- /table -->\n")
    other.write_text("<!-- table ncf: Nobody -->\n<!-- /table -->\n")
    # One page that can't be filled leaves all as they are.
    assert "Nobody" in fails("results", tmp_path / "runs", "--fill", page, other)
    assert page.read_text().count("\n") == 2
    assert run("results", tmp_path / "runs", "--fill", page) == f"written: {page}\n"
    assert "| Popularity | 1 |" in page.read_text()


def test_no_folder(fails: Any, tmp_path: Any) -> None:
    assert f"Received: {tmp_path / 'none'}" in fails("results", tmp_path / "none")


def test_a_folder_of_experiments_without_a_page(fails: Any, tmp_path: Any) -> None:
    assert "`--paper` is for --fill" in fails("results", tmp_path, "--paper", tmp_path)
