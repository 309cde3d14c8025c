"""What the README and the pages of docs say is run as it stands there."""

import ast
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo import Log, cli, presets, registry, train
from tfrec_zoo.data import simulate

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with purchases.csv and products.parquet, whose columns have names of their own."""
    folder = tmp_path_factory.mktemp("shop")
    watches = simulate(num_users=120, num_items=120, num_days=8, seed=1).interactions
    purchases = pd.DataFrame(
        {
            "customer": watches["user_id"],
            "sku": watches["video_id"].str.replace("v", "sku-"),
            "bought_at": watches["time"],
        }
    )
    purchases.to_csv(folder / "purchases.csv", index=False)
    skus = np.unique(purchases["sku"])
    kinds = np.array(["tea", "cup", "pot"])[np.arange(len(skus)) % 3]
    products = pd.DataFrame({"sku": skus, "title": "The " + skus, "kind": kinds})
    products.to_parquet(folder / "products.parquet")
    return folder


# Each program runs in a folder and with names of its own, one after the other in one process.
_RUN = """
import contextlib, io, json, os, sys, traceback
printed = []
for folder, program in json.load(sys.stdin):
    os.chdir(folder)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            exec(compile(program, folder, "exec"), {"__name__": "__main__"})
            error = None
        except BaseException:
            error = traceback.format_exc()
    printed.append([out.getvalue(), error])
print(json.dumps(printed))
"""


@pytest.fixture(scope="module")
def printed(shop: pathlib.Path, run_python: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Returns what the blocks of a page print: with the package, and then with TensorFlow alone."""

    def python(page: str) -> list[str]:
        found = blocks((ROOT / page).read_text(encoding="utf-8"), "python")
        return [re.sub(r"epochs=10?\)", "epochs=1, verbose=0)", block) for block in found]

    train, ask = blocks(README, "python")
    serving, alone, _ = python("docs/serving.md")
    programs = {
        "README": train,
        "your-own-log": "\n".join([*python("docs/your-own-log.md"), "assert task.spec == spec"]),
        "serving": serving,
        "features": "\n".join(python("docs/features.md")),
        "live": "\n".join(python("docs/live.md")),
        "new-items": "\n".join(python("docs/new-items.md")),
        "large-catalogues": "\n".join(python("docs/large-catalogues.md")),
        "long-trainings": "\n".join(python("docs/long-trainings.md")),
        "coming-from": "\n".join(python("docs/coming-from.md")),
        "measuring": "\n".join(python("docs/measuring.md")),
        "pretrained": "\n".join(python("docs/pretrained.md")),
    }
    pages = tmp_path_factory.mktemp("pages")
    folders = {page: shutil.copytree(shop, pages / page) for page in programs}
    run = subprocess.run(
        [sys.executable, "-c", _RUN],
        input=json.dumps([(str(folders[page]), program) for page, program in programs.items()]),
        check=True,
        capture_output=True,
        text=True,
    )
    found = dict(zip(programs, json.loads(run.stdout.splitlines()[-1]), strict=True))

    def printed(page: str) -> list[str]:
        text, error = found[page]
        assert error is None, error
        texts = [text]
        if page in ("README", "serving"):
            answer = run_python(ask if page == "README" else alone, cwd=folders[page])
            assert answer.returncode == 0, answer.stderr
            texts.append(answer.stdout)
        return texts

    return printed


def test_the_python_blocks_of_the_readme(printed: Any) -> None:
    train = blocks(README, "python")[0]
    lines = [line for line in train.splitlines() if line and not line.startswith("import")]
    assert len(lines) <= 6 and train.count("import ") == 1
    trained, answer = printed("README")
    assert "hit_rate_at_10" in trained and re.search(r"row +rank +id +score", trained)
    assert len(re.findall(r"b'sku-\d+'", answer)) == 5
    assert "b'sku-12'" not in answer and "b'sku-7'" not in answer


def test_the_python_blocks_of_the_page_on_logs(printed: Any) -> None:
    assert len(printed("your-own-log")) == 1


def test_the_python_blocks_of_the_page_on_features(printed: Any) -> None:
    [text] = printed("features")
    tokens, country, tables, *numbers, cross, shape = text.splitlines()
    assert (tokens, country) == ("('b', 'a', 'c')", "[1 1 0 0]")
    assert (tables, shape) == ("['country', 'video']", "(4,)")
    assert [re.findall(r"[\d.]+", row)[0] for row in numbers] == ["0.25", "0.75", "0.875", "0."]
    # The country of the last two rows is unknown, and so no part of a cross.
    assert sorted(cross.strip("[]").split()) == ["0", "0", "1", "2"]


def test_the_python_blocks_of_the_page_on_live_tests(printed: Any) -> None:
    [text] = printed("live")
    assert "regret" not in text and "Interval(mean=" in text


def test_the_start_page_begins_as_the_readme_does() -> None:
    start = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    without_comments = re.sub(r"  #.*", "", blocks(README, "python")[0])
    assert blocks(start, "python") == [without_comments]


def test_the_python_blocks_of_the_page_on_serving(printed: Any) -> None:
    asked, answer = printed("serving")
    assert len(re.findall(r"The sku-\d+", asked)) == 10 + 2 + 5 + 2
    found = re.findall(r"b'(sku-\d+)'", answer)
    assert len(set(found) - {"sku-12", "sku-7"}) == 5
    # The history is left out, so that these are the first that the package prints.
    assert re.findall(r"(sku-\d+) +The", asked)[:5] == found


def test_the_requests_of_the_page_on_serving(shop: pathlib.Path) -> None:
    """They are answered by an application that is mounted as the page says."""
    pytest.importorskip("uvicorn", reason='the server needs pip install "tfrec_zoo[serve]"')
    from running_server import answering

    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    log = Log.read(
        shop / "purchases.csv", user="customer", item="sku", time="bought_at",
        items=shop / "products.parquet",
    )  # fmt: skip
    train("EASE", log).export(shop / "ease")
    names: dict[str, Any] = {}
    exec(blocks(page, "python")[2].replace('"ease"', repr(str(shop / "ease")), 1), names)
    requests = re.findall(r"^curl localhost:8501(\S+) -d +\\?\s*'(.*?)'$", page, flags=re.MULTILINE)
    requests = [
        (path, body) for path, body in requests if "funnel" not in path and "deepfm" not in path
    ]
    assert [path for path, _ in requests] == ["/recommend"] * 3 + ["/v1/models/ease:predict"]
    with answering(names["app"]) as client:
        found = [client.ask(f"/recommender{path}", body) for path, body in requests]
        assert client.ask("/recommender/").status == 200
        assert client.ask("/recommender/v1/models/ease").status == 200
    assert [answer.status for answer in found] == [200] * 4, found
    first, many, again, rows = (answer.content for answer in found)
    assert [one["title"] for one in first["recommendations"]] == [
        f"The {one['id']}" for one in first["recommendations"]
    ]
    assert len(first["recommendations"]) == 2 and len(many["recommendations"]) == 2
    assert len(again["recommendations"]) == 1 and len(rows["predictions"]) == 2


def test_the_python_blocks_of_the_page_on_new_items(printed: Any) -> None:
    [text] = printed("new-items")
    assert "2 items added" in text and "hit_rate_at_10" in text
    found = re.findall(r"(sku-90[01]) +(A pot|A cup)", text)
    assert sorted(found) == [("sku-900", "A pot"), ("sku-901", "A cup")]


def test_the_python_blocks_of_the_page_on_large_catalogues(printed: Any) -> None:
    [text] = printed("large-catalogues")
    assert text.startswith("Negatives(kind='popularity', number=1000, exponent=0.5")


def test_the_python_blocks_of_the_page_on_trained_models(printed: Any) -> None:
    [text] = printed("pretrained")
    assert text.count("rank") == 2 and "NeuMF 15" in text
    assert len(re.findall(r"sku-\d+", text)) == 3 and "sku-12 " not in text


def test_the_python_blocks_of_the_page_on_measuring(printed: Any) -> None:
    [text] = printed("measuring")
    assert re.search(r"^mean( +0\.\d+){2}$", text, re.M) and re.search(
        r"^std( +\d\.\d+){2}$", text, re.M
    )
    for metric in ("hit_rate", "diversity", "novelty", "popularity_bias", "gini"):
        assert re.search(rf"^{metric}_at_10 +\d+\.\d+$", text, re.M), metric


def test_the_python_blocks_of_the_page_on_long_trainings(printed: Any) -> None:
    assert len(printed("long-trainings")) == 1


def test_the_python_blocks_of_the_page_on_other_libraries(printed: Any) -> None:
    [text] = printed("coming-from")
    assert re.search(r"user_id +id +score +rank", text)
    assert text.splitlines()[-1].startswith("clicks, ")


def commands() -> list[str]:
    """All command lines of tfrec-zoo in the pages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in [*blocks(text, "bash"), *blocks(text, "text")]:
            for line in block.splitlines():
                line = re.sub(r"\s{2,}\S.*$", "", line)
                line = re.sub(r"\[(--\S+)[^]]*]", r"\1", line)  # The first of what may be given.
                found += re.findall(r"tfrec-zoo .*", line.partition("#")[0].rstrip())
    return sorted(set(found))


@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_pages_parse(command: str) -> None:
    words = shlex.split(command)[1:]
    examples = {"MODEL": "EASE", "TASK": "choice", "TABLE": "ncf", "NAME": "ncf/GMF-8"}
    arguments = cli.make_parser().parse_args([examples.get(word, word) for word in words])
    assert arguments.command == words[0]
    if getattr(arguments, "preset", None):
        assert presets.get(arguments.preset)
    if getattr(arguments, "model", None) and arguments.command == "train":
        assert registry.get(arguments.model)


def test_there_are_commands_and_all_are_in_the_readme() -> None:
    named = set(re.findall(r"^tfrec-zoo ([\w-]+)", README, flags=re.MULTILINE))
    assert named | {"quickstart"} == set(cli.COMMANDS)


def test_the_readme_is_short_and_its_table_is_that_of_the_registry() -> None:
    assert len(README.splitlines()) <= 200
    table = re.search(r"<!-- models -->\n(.*?)\n<!-- /models -->", README, flags=re.DOTALL)
    assert table and table.group(1) == registry.markdown()


def test_the_links_of_the_pages_lead_somewhere() -> None:
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_tests_that_the_page_on_faults_names_are_there() -> None:
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    named: dict[str, set[str]] = {}
    for path, name in re.findall(r"(tests/[\w/]+\.py)::(\w+)", page):
        named.setdefault(path, set()).add(name)
    for path, names in named.items():
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}
        assert names <= functions, f"{path} has no {sorted(names - functions)}"
    # Every row of a table says what brings its fault about.
    rows = [line for line in page.splitlines() if re.match(r"\| (?!fault \|)", line)]
    assert len(rows) > 100
    for row in rows:
        cells = row.strip("| ").split(" | ")
        assert re.search(r"tests/.*::test_|benchmarks/|\.ci/run", cells[-1]), row


def test_the_lineage_has_every_ranker_of_features() -> None:
    page = (ROOT / "docs" / "lineage.md").read_text(encoding="utf-8")
    entries = registry.MODELS.values()
    rankers = [e for e in entries if e.family == "ranking" and e.load().reads == "features"]
    linked = set(re.findall(r"^\| \[`(\w+)`\]", page, flags=re.MULTILINE))
    # Every one that predicts probabilities.
    assert linked == {e.name for e in rankers if e.task == "clicks"}


def test_the_results_are_rendered_from_their_files() -> None:
    from tfrec_zoo import tables

    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert page == tables.page(ROOT / "docs" / "results")


def test_the_page_of_the_paper_is_rendered_from_its_files(monkeypatch: Any) -> None:
    from tfrec_zoo.experiments import EXPERIMENTS
    from tfrec_zoo.experiments.page import page

    monkeypatch.chdir(ROOT)
    text = pathlib.Path("docs/paper.md").read_text(encoding="utf-8")
    assert text == page("docs/paper", "docs/paper.md")
    for name in EXPERIMENTS:
        assert f"tfrec-zoo experiment {name} " in text


@pytest.mark.parametrize("page", ["README.md", "docs/choosing.md"])
def test_excerpts_are_rendered_from_their_files(page: str) -> None:
    from tfrec_zoo.excerpts import filled

    text = (ROOT / page).read_text(encoding="utf-8")
    assert "-->" in text
    assert text == filled(text, ROOT / "docs" / "results", ROOT / "docs" / "paper")


def test_the_picture_has_every_model() -> None:
    text = (ROOT / "docs" / "images" / "overview.svg").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", re.sub(r"<[^>]*>", " ", text)))
    assert set(registry.MODELS) <= words
    assert f"{len(registry.MODELS)} architectures" in text
