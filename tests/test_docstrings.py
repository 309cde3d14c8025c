"""The examples in the docstrings of every module of the package give what they say."""

import ast
import doctest
import importlib
import pathlib
import re

import pytest

import tfrec_zoo

PACKAGE = pathlib.Path(tfrec_zoo.__file__).parent
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


def test_there_are_examples():
    assert "tfrec_zoo.models.deepfm" in MODULES
    assert len(MODULES) > 30


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    if name.startswith("tfrec_zoo.serving.server"):
        pytest.importorskip("uvicorn", reason='the server needs pip install "tfrec_zoo[serve]"')
    monkeypatch.chdir(tmp_path)  # What they write is gone afterwards.
    report = []
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(importlib.import_module(name)):
        runner.run(example, out=report.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(report)


def described_arguments():
    """Each entry of the `Args` of the package's docstrings: where it is, and its first words."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node) or ""
                block = re.search(r"^Args:\n((?:    .*\n|\n)*)", text + "\n", flags=re.MULTILINE)
                for entry in re.findall(
                    r"^ {4}\S+: +(\S.*)", block.group(1) if block else "", re.M
                ):
                    yield f"{path.name}:{node.name}", entry


def test_arguments_are_described_in_whole_phrases():
    """No "Of the tower." and no "Its name.": an entry can be read without the ones before it."""
    entries = list(described_arguments())
    assert len(entries) > 500
    fragments = r"(Of|Its|That of|Those of|After|Between) "
    assert [where for where in entries if re.match(fragments, where[1])] == []
