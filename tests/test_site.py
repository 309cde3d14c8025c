"""The site is built from docs, docstrings and the registry, without a warning or a broken link."""

import html.parser
import importlib.util
import pathlib
import re
import subprocess
import sys
import urllib.parse

import pytest

from tfrec_zoo import registry

ROOT = pathlib.Path(__file__).parents[1]
NEEDED = ("furo", "myst_nb", "sphinx", "sphinx_copybutton", "sphinx_design")


class Page(html.parser.HTMLParser):
    """What a page links to, and the anchors that others may link to."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.links.add(value)
            if value and name in ("id", "name"):
                self.anchors.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f'the site is built by {name}: pip install "tfrec_zoo[docs]"')
    folder = tmp_path_factory.mktemp("site")
    command = ["sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(folder)]
    built = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: pathlib.Path) -> dict[pathlib.Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_model_has_a_page(site: pathlib.Path) -> None:
    for entry in registry.MODELS.values():
        text = (site / "models" / f"{entry.module}.html").read_text(encoding="utf-8")
        assert f'id="tfrec_zoo.models.{entry.name}"' in text
        model = entry.load()
        is_network = model.is_iterative and not model.takes_all_at_once
        assert ('class="network docutils container"' in text) == is_network
        assert (site / "_images" / f"{entry.module}.svg").exists() == is_network
        assert 'class="equation' in text and "When to use it" in text


def test_what_is_wider_than_a_phone_is_marked(site: pathlib.Path) -> None:
    lineage = (site / "lineage.html").read_text(encoding="utf-8")
    assert re.search(r'<img [^>]*class="wide"[^>]*lineage.svg', lineage)  # 648 points.
    network = (site / "models" / "gmf.html").read_text(encoding="utf-8")
    assert "gmf.svg" in network and 'class="wide"' not in network  # 190 points.
    questions = (site / "questions.html").read_text(encoding="utf-8")
    [code] = re.findall(r'<code class="long [^>]*>(.*?)</code>', questions)
    # A word of 60 letters, while others are long by several.
    assert re.sub("<.*?>", "", code) == (
        "model.features.vocabularies[model.item_column.space].array()"
    )


def test_what_each_model_can_do(site: pathlib.Path) -> None:
    page = (site / "models" / "index.html").read_text(encoding="utf-8")
    table = page.partition("What each can do")[2].partition("</table>")[0]
    rows = re.findall(r"<tr.*?</tr>", table, flags=re.DOTALL)[1:]
    text = [re.sub(r"\s+", " ", re.sub(r"<.*?>", " ", row)).strip() for row in rows]
    assert [row.split()[0] for row in text] == list(registry.MODELS)
    found = dict(row.split(" ", 1) for row in text)
    assert found["Popularity"] == "nothing as all users when made again anew one"
    assert found["TwoTower"] == (
        "any features history, columns add_items : features any goes on several"
    )
    assert found["MatrixFactorization"] == (
        "user and item as all new users add_items : content any clicks , ratings goes on several"
    )
    assert found["NeuMF"] == (
        "user and item as all new users as all new items clicks , watch-time goes on several"
    )


def test_every_notebook_has_a_page_with_its_figures(site: pathlib.Path) -> None:
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    index = (site / "notebooks" / "index.html").read_text(encoding="utf-8")
    for path in paths:
        assert f'href="{path.stem}.html"' in index
        text = (site / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
        figures = path.read_text(encoding="utf-8").count('"image/png": ')
        assert figures and text.count('src="../_images/') == figures


def test_links_within_the_site_lead_somewhere(pages: dict[pathlib.Path, Page]) -> None:
    checked, broken = 0, []
    for path, page in pages.items():
        for link in page.links:
            target = urllib.parse.urlsplit(link)
            if target.scheme or target.netloc:
                continue
            other = (path.parent / urllib.parse.unquote(target.path)).resolve()
            other = other if target.path else path
            anchor = urllib.parse.unquote(target.fragment)
            has_anchor = not anchor or other not in pages or anchor in pages[other].anchors
            if not other.exists() or not has_anchor:
                broken.append(f"{path.name}: {link}")
            checked += 1
    assert checked > 1000
    assert not broken


def test_links_to_files_lead_to_the_repository(pages: dict[pathlib.Path, Page]) -> None:
    outside = {link for page in pages.values() for link in page.links if "/main/" in link}
    names = [link.partition("/main/")[2] for link in outside if "/edit/" not in link]
    names = [
        name
        for name in names
        if not name.startswith(("docs/models/", "docs/api/", "docs/notebooks/"))
    ]
    assert "tfrec_zoo/models/deepfm.py" in names and "notebooks" in {n.split("/")[0] for n in names}
    assert [name for name in names if not (ROOT / name).exists()] == []
