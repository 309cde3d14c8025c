"""Reports: what they show, and that no text of a user's is taken for markup."""

import base64
import html.parser
import re
import struct
import sys

import numpy as np
import pytest

from tfrec_zoo.artifacts import read_manifest
from tfrec_zoo.evaluation import Outcomes, Result
from tfrec_zoo.plots import new_figure
from tfrec_zoo.reports import FIGURES, Page, quickstart_report, table_report, training_report
from tfrec_zoo.reports.parts import NO_FIGURES
from tfrec_zoo.reports.table import metric_by_row

NAME = '<script>alert("1")</script>&'


class Text(html.parser.HTMLParser):
    """The tags of a page, its cells, and all else that is read."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.cells, self._in = [], [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in = tag
        if tag == "tr":
            self.cells.append([])

    def handle_data(self, data):
        if self._in not in ("style", ""):
            self.text.append(data)
        if self._in in ("td", "th"):
            self.cells[-1].append(data)

    @property
    def pictures(self):
        """The SVG of each figure."""
        sources = [attributes["src"] for tag, attributes in self.tags if tag == "img"]
        prefix = "data:image/svg+xml;base64,"
        assert all(source.startswith(prefix) for source in sources)
        return [base64.b64decode(source.removeprefix(prefix)).decode() for source in sources]


def result(**changes):
    fields = {
        "model": "EASE",
        "task": "next-watch",
        "metrics": {"hit_rate_at_10": 0.25, "hit_rate_at_10_seen_kept": 0.125},
        "dataset": NAME,
        "data_checksum": "abc",
        "checksum": "def",
        "protocol": "last out",
        "seed": 3,
        "statistics": {"parameters": 1200, "epochs": 1, "seconds": 2.5},
        "config": {"arguments": {"activation": NAME}, "training": {"epochs": 2}, "options": {}},
        "history": [{"loss": 2.0}, {"loss": float("nan")}],
    }
    return Result(**{**fields, **changes}).to_dict()


def test_the_report_of_a_training():
    outcomes = Outcomes([np.array([0, 2]), np.array([30])], num_items=40)
    frequencies = np.array([1, 2, 3]), np.array([4, 5, 6])
    report = training_report(result(), "hit_rate_at_10", outcomes, frequencies)
    page = Text(report.html())
    assert ["hit rate at 10", "0.2500", "0.1250"] in page.cells
    assert ["data", f"{NAME}, sha256 abc"] in page.cells and ["seed", "3"] in page.cells
    assert {"1,200", "parameters", "2.5", "seconds of training"} <= set(page.text)
    assert ["activation", NAME] in page.cells
    assert list(report.figures) == ["metric-at-k", "activity-and-popularity", "training-curves"]
    assert len(page.pictures) == 3 and all("<svg" in picture for picture in page.pictures)
    assert {tag for tag, _ in page.tags} & {"script", "link"} == set()
    # A file is all there is.
    assert not re.search(r'(src|href)="(?!data:)', report.html())


def test_figures_are_written_as_pictures_of_the_same_size_every_time(tmp_path):
    """At 150 dots per inch: two axes of 4 by 3.2 inches side by side, one of 4 by 3.6."""
    outcomes = Outcomes([np.array([0, 2])], np.array([0.1, 0.9]), np.array([0, 1]), num_items=40)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        report = training_report(result(history=()), "hit_rate_at_10", outcomes)
        report.write(tmp_path / folder, plot=folder == "two")
        report.write_figures(tmp_path / folder)
    text = (tmp_path / "one" / "report.html").read_text(encoding="utf-8")
    assert text == (tmp_path / "two" / "report.html").read_text(encoding="utf-8") == report.html()
    for name, size in (("metric-at-k", (1200, 480)), ("calibration", (600, 540))):
        one, two = ((tmp_path / k / FIGURES / f"{name}.png").read_bytes() for k in ("one", "two"))
        assert one == two and one.startswith(b"\x89PNG\r\n")
        assert struct.unpack(">II", one[16:24]) == size
    manifest = read_manifest(tmp_path / "one" / FIGURES, verify=True)
    assert sorted(manifest["files"]) == ["calibration.png", "metric-at-k.png"]


def test_nothing_to_draw_is_said(tmp_path, caplog):
    training_report(result(history=()), "hit_rate_at_10").write(tmp_path, plot=True)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert "No figures are written: nothing can be drawn of this run." in caplog.text


def test_figures_of_one_page_have_different_names():
    page = Page("a", "b")
    page.figure(new_figure()[0], "one", "")
    with pytest.raises(ValueError, match="must be new on the page. Received: 'one'"):
        page.figure(new_figure()[0], "one", "")


def test_frequencies_of_other_examples_are_left_out():
    outcomes = Outcomes([np.array([0, 2])], num_items=40)
    frequencies = np.array([1, 2, 3]), np.array([4, 5, 6])
    given = result(history=())
    page = Text(training_report(given, "hit_rate_at_10", outcomes, frequencies).html())
    assert len(page.pictures) == 1
    assert "2 test examples, seen items left out." in page.text


def test_the_report_of_a_ranking_model_shows_its_calibration():
    outcomes = Outcomes(predictions=np.array([0.1, 0.9]), labels=np.array([0, 1]))
    given = result(metrics={"auc": None, "logloss": 0.5}, history=())
    page = Text(training_report(given, "auc", outcomes, None, "probability").html())
    assert ["AUC", "undefined"] in page.cells and ["log loss", "0.5000"] in page.cells
    assert len(page.pictures) == 1 and "How good it is" in page.text


def test_without_matplotlib_figures_are_left_out_and_the_report_says_so(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    outcomes = Outcomes([np.array([0, 2])], num_items=40)
    report = training_report(result(), "hit_rate_at_10", outcomes)
    page = Text(report.html())
    assert page.pictures == [] and NO_FIGURES in page.text
    assert ["hit rate at 10", "0.2500", "0.1250"] in page.cells
    with pytest.raises(ImportError, match="pip install matplotlib. Received: none installed"):
        report.write(tmp_path, plot=True)
    assert not (tmp_path / FIGURES).exists()


def test_the_report_of_a_table():
    rows = [("a", 0, 0.25), ("a", 1, 0.75), ("<b>", 0, 0.5)]
    results = [
        {"row": row, **result(seed=seed, dataset="log", metrics={"auc": auc})}
        for row, seed, auc in rows
    ]
    columns = {"AUC": "auc", "parameters": "parameters"}
    published = {"a": {"auc": 0.6}}
    report = table_report("Clicks", "", "tfrec-zoo benchmark <x>", results, columns, published)
    page = Text(report.html())
    assert list(report.figures) == ["metric-by-row"]
    assert page.cells[:3] == [
        ["row", "seeds", "AUC", "parameters"],
        ["a", "0, 1", "0.5000 ± 0.3536", "1,200"],
        ["<b>", "0", "0.5000", "1,200"],
    ]
    assert "tfrec-zoo benchmark <x>" in page.text and len(page.pictures) == 1
    [axes] = metric_by_row(results, "auc", "AUC", published).axes
    assert [float(bar.get_width()) for bar in axes.patches] == [0.5, 0.5]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "<b>"]
    diamond = [line for line in axes.lines if line.get_marker() == "D"]
    assert [line.get_xydata().tolist() for line in diamond] == [[[0.6, 0]]]


@pytest.mark.parametrize("has_ranking", [True, False])
def test_the_report_of_the_quick_start(has_ranking):
    metrics = {
        "popularity": {"hit_rate_at_10": 0.1, "evaluated_examples": 20},
        "retrieval": {"hit_rate_at_10": 0.3, "evaluated_examples": 20},
    }
    histories = {"retrieval": [{"loss": 2.0}, {"loss": 1.0}]}
    if has_ranking:
        metrics["ranking"] = {"auc": 0.75, "predicted_0": 1.0, "true_0": 2.0}
        histories["ranking"] = [{"loss": 1.0}, {"loss": 0.5}]
    chosen = {"exported": "retrieval", "reason": "better; by far", "shown": "hit_rate_at_10"}
    outcomes = Outcomes(predictions=np.array([1.0, 9.0]), labels=np.array([0.0, 12.0]))
    report = quickstart_report({**result(metrics=metrics), **chosen}, histories, outcomes)
    page = Text(report.html())
    assert ["retrieval", "0.3000"] in page.cells and ("tr", {"class": "best"}) in page.tags
    assert {"better", "by far", "On 20 test examples.", "retrieval: hit rate at 10"} <= {*page.text}
    assert (["AUC", "0.7500"] in page.cells) == has_ranking
    ranking = ["ranking-training-curves", "ranking-calibration"] if has_ranking else []
    assert list(report.figures) == ["stages", "retrieval-training-curves", *ranking]
    assert len(page.pictures) == len(report.figures)
