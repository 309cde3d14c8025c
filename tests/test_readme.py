"""What the README and the pages of docs say is run as it stands there."""

import pathlib
import re
import shlex
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


def run(program: str, folder: pathlib.Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def test_the_python_blocks_of_the_readme(shop: pathlib.Path) -> None:
    train, ask = blocks(README, "python")
    lines = [line for line in train.splitlines() if line and not line.startswith("import")]
    assert len(lines) <= 6 and train.count("import ") == 1
    printed = run(train, shop)
    assert "hit_rate_at_10" in printed and re.search(r"row +rank +id +score", printed)
    answer = run(f"{ask}\nimport sys; assert 'tfrec_zoo' not in sys.modules", shop)
    assert len(re.findall(r"b'sku-\d+'", answer)) == 5
    assert "b'sku-12'" not in answer and "b'sku-7'" not in answer


def test_the_python_blocks_of_the_page_on_logs(shop: pathlib.Path) -> None:
    page = (ROOT / "docs" / "your-own-log.md").read_text(encoding="utf-8")
    program = "\n".join(blocks(page, "python"))
    program = program.replace("epochs=10", "epochs=1, verbose=0")
    run(f"{program}\nassert task.spec == spec", shop)


def test_the_python_blocks_of_the_page_on_serving(shop: pathlib.Path) -> None:
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    ask, alone, _ = blocks(page, "python")
    ask = ask.replace("epochs=1", "epochs=1, verbose=0")
    printed = run(ask, shop)
    assert len(re.findall(r"The sku-\d+", printed)) == 10 + 2 + 5 + 2
    answer = run(f"{alone}\nimport sys; assert 'tfrec_zoo' not in sys.modules", shop)
    found = re.findall(r"b'(sku-\d+)'", answer)
    assert len(set(found) - {"sku-12", "sku-7"}) == 5
    # The history is left out, so that these are the first that the package prints.
    assert re.findall(r"(sku-\d+) +The", printed)[:5] == found


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


def test_the_python_blocks_of_the_page_on_new_items(shop: pathlib.Path) -> None:
    page = (ROOT / "docs" / "new-items.md").read_text(encoding="utf-8")
    program = "\n".join(blocks(page, "python")).replace("epochs=1", "epochs=1, verbose=0")
    printed = run(program, shop)
    assert "2 items added" in printed and "hit_rate_at_10" in printed
    found = re.findall(r"(sku-90[01]) +(A pot|A cup)", printed)
    assert sorted(found) == [("sku-900", "A pot"), ("sku-901", "A cup")]


def test_the_python_blocks_of_the_page_on_large_catalogues(shop: pathlib.Path) -> None:
    page = (ROOT / "docs" / "large-catalogues.md").read_text(encoding="utf-8")
    printed = run(
        "\n".join(blocks(page, "python")).replace("epochs=1", "epochs=1, verbose=0"), shop
    )
    assert printed.startswith("Negatives(kind='popularity', number=1000, exponent=0.5")


def commands() -> list[str]:
    """All command lines of tfrec-zoo in the pages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in [*blocks(text, "bash"), *blocks(text, "text")]:
            for line in block.splitlines():
                line = re.sub(r"\s{2,}\S.*$", "", line).replace("[--presets]", "--presets")
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


def test_the_lineage_has_every_ranker_of_features() -> None:
    page = (ROOT / "docs" / "lineage.md").read_text(encoding="utf-8")
    entries = registry.MODELS.values()
    rankers = {e.name for e in entries if e.family == "ranking" and e.load().reads == "features"}
    linked = set(re.findall(r"^\| \[`(\w+)`\]", page, flags=re.MULTILINE))
    assert linked == rankers - {"YouTubeRanking"}


def test_the_results_are_rendered_from_their_files() -> None:
    from tfrec_zoo import tables

    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert page == tables.page(ROOT / "docs" / "results")
    numbers = re.search(r"<!-- numbers -->\n(.*?)\n<!-- /numbers -->", README, flags=re.DOTALL)
    assert numbers and numbers.group(1) == tables.headlines(ROOT / "docs" / "results")
