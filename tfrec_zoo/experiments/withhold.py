"""What is withheld from the model: the order of the history and the latest search.

Covington et al. (2016), §3.4: a classifier that knows what was just searched for predicts the page
of its results, which does poorly as recommendations on the home page; unordered bags withhold it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import tfrec_zoo as zoo
from tfrec_zoo.data import Log
from tfrec_zoo.data.derived import SEARCH_TOKENS
from tfrec_zoo.evaluation import full_ranking
from tfrec_zoo.evaluation.nominations import nominate
from tfrec_zoo.experiments.experiment import Experiment, require_columns
from tfrec_zoo.experiments.findings import Finding, is_above
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.features import BagColumn, EmbeddingColumn, FeatureSpec, VocabularyColumn
from tfrec_zoo.plots.figures import bars, new_figure
from tfrec_zoo.tasks import NextWatch
from tfrec_zoo.tasks.specs import next_watch_spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAP = "mean_average_precision"
#: Number of last search tokens that are fed apart: a query of three words has five of them.
_LAST_TOKENS = 5


class Withhold(Experiment):
    """The watches of the last day are predicted. "Nothing" is what the paper does: one unordered
    bag of watches, one of search tokens without the latest search. "Order of watches" adds bags of
    the last 1, 3 and 10, "latest search" lets its tokens in and feeds the last five apart. Watches
    are told apart by where they come from: clicks on impressions of the home page, and results of a
    search ten seconds ago. For the requests of the home page it is counted what share of the list
    of ten matches the user's latest query, if there was one in the hour before: videos whose title
    or topic has each of its words.

    A session of the simulated site has a topic. Its searches are of it, and so are half of what the
    home page chooses from: there the latest search is also a reason to watch, which it need not be
    on a site whose home page is visited for something else.
    """

    name = "withhold"
    title = "What is withheld"
    source = "§3.4"
    claim = (
        "A classifier that is given the last search query and the order of events reproduces the "
        "results of that search, and performs very poorly on the home page; unordered bags "
        "withhold the origin of the label."
    )
    columns = {
        "MAP, home page": "map_home",
        "MAP, after a search": "map_search",
        "MAP, all watches": _MAP,
        "lists match the query": "matches_query",
        "home watches match it": "watches_match_query",
    }
    sizes = {
        "toy": {
            "world": {"num_users": 200, "num_items": 120, "num_days": 4},
            "hidden_units": (16,),
            "training": {"epochs": 1},
        },
        "small": {
            "world": {"num_users": 3000, "num_items": 500},
            "hidden_units": (128, 64),
            "training": {"epochs": 6, "batch_size": 256, "learning_rate": 0.005},
        },
        "full": {
            "world": {"num_users": 8000, "num_items": 2000, "num_days": 28},
            "hidden_units": (256, 128),
            "training": {"epochs": 6, "batch_size": 256, "learning_rate": 0.005},
        },
    }

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known besides the bags."""
        return {
            "nothing": {"order": False, "search": False},
            "order of watches": {"order": True, "search": False},
            "latest search": {"order": False, "search": True},
            "both": {"order": True, "search": True},
        }

    def measure(self, seed: int, **setting: Any) -> Measured:
        """Watches from the home page and after searches, and lists that repeat a query's page."""
        log = self.log(seed)
        require_columns(self.name, "impressions", log.impressions, ["source", "clicked"])
        require_columns(self.name, "searches", log.searches, ["query"])
        require_columns(self.name, "items", log.items, ["title", "topic"])
        spec = fed(log, **setting)
        task = NextWatch(log, split="next-day", spec=spec, order=setting["search"])
        units = self.parameters["hidden_units"]
        run = zoo.train("YouTubeRetrieval", task, self.training(seed), hidden_units=units)
        test = task.examples(type(run.model), run.arguments).test
        rows = np.sort(task.test_rows)
        watches = log.interactions.iloc[rows]
        home, searched = from_home(log, watches), after_search(log, watches)
        metrics = {_MAP: run.metrics[_MAP]}
        for name, which in (("home", home), ("search", searched)):
            some = test.take(np.flatnonzero(which))
            metrics[f"map_{name}"] = full_ranking(run.model, some)[_MAP] if len(some) else np.nan
        query = latest_queries(log, watches, 3600.0)
        asked = np.flatnonzero(home & (query != ""))
        text = words_of(log)
        lists = nominate(run.model, test.take(asked), 10)
        own = watches[log.roles.item].to_numpy()[asked, None]
        metrics["matches_query"] = share_of_matches(query[asked], lists, text)
        metrics["watches_match_query"] = share_of_matches(query[asked], own, text)
        metrics["home_requests_after_a_query"] = float(len(asked))
        return Measured(metrics)

    def figure(self, results: Results) -> Figure:
        """Bars: home page, after a search, and matches of the query."""
        figure, axes = new_figure(columns=3, width=4.2, height=2.4)
        bars(axes[0], results.metrics, "map_home", "MAP, watches from the home page")
        bars(axes[1], results.metrics, "map_search", "MAP, watches after a search")
        bars(axes[2], results.metrics, "matches_query", "share of the list that matches the query")
        truth = results.metrics["watches_match_query"].mean()
        axes[2].axvline(truth, color="black", linestyle="--", label="watches from the home page")
        figure.legend(*axes[2].get_legend_handles_labels(), loc="outside upper right")
        for right in axes[1:]:
            right.set_yticklabels([])
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """The results are repeated; it helps after searches, and hurts on the home page."""
        return [
            is_above(
                results,
                "matches_query",
                "latest search",
                "nothing",
                "Knowing the latest search, lists on the home page repeat more of its results.",
            ),
            is_above(
                results,
                "map_search",
                "latest search",
                "nothing",
                "Knowing the latest search helps to predict watches after a search.",
            ),
            is_above(
                results,
                "map_home",
                "nothing",
                "latest search",
                "Withholding the latest search is better on the home page.",
            ),
            is_above(
                results,
                "map_home",
                "nothing",
                "order of watches",
                "Withholding the order of watches is better on the home page.",
            ),
        ]


def fed(log: Log, order: bool, search: bool) -> FeatureSpec:
    """The features: unordered bags, and what is fed besides.

    Args:
        log: The log.
        order: Whether the short bags of the last watches are.
        search: Whether the last tokens are.
    """
    spec = next_watch_spec(log, example_age=True, order=order)
    if not search:
        return spec
    tokens = BagColumn(VocabularyColumn(SEARCH_TOKENS), _LAST_TOKENS)
    return dataclasses.replace(spec, query=(*spec.query, EmbeddingColumn(tokens)))


def from_home(log: Log, watches: pd.DataFrame, within: float = 6 * 3600.0) -> np.ndarray:
    """Which watches are of a clicked impression of the home page, shown within some time before."""
    r, shown = log.roles, log.impressions
    assert shown is not None
    columns = [r.user, r.item, r.time]
    clicked = shown.loc[(shown[r.label] > 0), [*columns, "source"]].sort_values(r.time)
    left = watches[columns].assign(row=np.arange(len(watches))).sort_values(r.time)
    found = pd.merge_asof(left, clicked, on=r.time, by=columns[:2], tolerance=within)
    return np.asarray(found.sort_values("row")["source"].to_numpy() == "home")


def after_search(log: Log, watches: pd.DataFrame, within: float = 10.5) -> np.ndarray:
    """Which watches follow a search of the user within some seconds."""
    return np.asarray(latest_queries(log, watches, within) != "")


def latest_queries(log: Log, watches: pd.DataFrame, within: float) -> np.ndarray:
    """The last query of each watch's user within some time before the watch, or ""."""
    r, searches = log.roles, log.searches
    assert searches is not None
    right = searches[[r.user, r.time, "query"]].sort_values(r.time)
    left = watches[[r.user, r.time]].assign(row=np.arange(len(watches))).sort_values(r.time)
    found = pd.merge_asof(
        left, right, on=r.time, by=r.user, tolerance=within, allow_exact_matches=False
    )
    return np.asarray(found.sort_values("row")["query"].fillna("").to_numpy(object))


def words_of(log: Log) -> dict[Any, set[str]]:
    """The words of each item's title and topic, in lower case."""
    text = (log.items["title"] + " " + log.items["topic"]).str.lower().str.replace(",", "")
    return {item: set(t.split()) for item, t in zip(log.items[log.roles.item], text, strict=True)}


def share_of_matches(queries: np.ndarray, lists: np.ndarray, words: dict[Any, set[str]]) -> float:
    """The share of items in lists that have each word of the query.

    Args:
        queries: [requests] queries.
        lists: [requests, k] items.
        words: Words by item.
    """
    matches = [
        set(query.split()) <= words.get(item, set())
        for query, items in zip(queries, lists, strict=True)
        for item in items
    ]
    return float(np.mean(matches)) if matches else float("nan")
