"""What a ranker makes of knowing who nominated a candidate, at which rank and score.

Covington et al. (2016), §4.1: "We have also found it crucial to propagate information from
candidate generation into ranking in the form of features, e.g. which sources nominated this video
candidate? What scores did they assign?"
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tfrec_zoo as zoo
from tfrec_zoo import registry
from tfrec_zoo.data import Split
from tfrec_zoo.data.nominated import NOMINATED, is_nomination_key, score_key
from tfrec_zoo.experiments.experiment import Experiment
from tfrec_zoo.experiments.findings import Finding, is_above
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.features import FeatureSpec
from tfrec_zoo.folds import train_folds
from tfrec_zoo.models import RetrievalModel
from tfrec_zoo.plots.figures import bars, new_figure
from tfrec_zoo.quickstart import ranking_task, retrieval_settings, retrieval_task
from tfrec_zoo.serving import Funnel
from tfrec_zoo.stages import TRUE_WATCH_TIME, measure_stages
from tfrec_zoo.tasks import ItemTask, WatchTime
from tfrec_zoo.tasks.specs import impression_spec
from tfrec_zoo.training.trainer import Trainer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ALL, _FIRST, _NONE, _UNRANKED = "all", "first score", "none", "first source, not ranked"


@dataclasses.dataclass(frozen=True)
class _Nominating:
    """The sources of a seed, and what a ranker of their nominations learns."""

    task: ItemTask
    rows: Split
    sources: dict[str, RetrievalModel]
    ranking: WatchTime


#: The models that nominate, by the name of the source.
_SOURCES = {
    "retrieval": "YouTubeRetrieval",
    "ease": "EASE",
    "ials": "iALS",
    "popularity": "Popularity",
}


class Nominators(Experiment):
    """One ranker of the same nominations, which reads more or less of who nominated them.

    "all" reads the names of the sources that nominated a candidate, and the score and the
    reciprocal rank by each; "first score" the score of the first source; "none" nothing of these.
    The first source is `YouTubeRetrieval`; its own order is "first source, not ranked". The rankers
    learn from nominations by sources that were trained without the user. AUCs are of the test
    impressions, the rest of the ten best of what both stages recommend at the test moments: hits
    are of the next watch, among videos that the site itself had offered or the user had searched
    for, and the true watch time is of any video.
    """

    name = "nominators"
    title = "Sources and scores of nominations"
    source = "§4.1"
    claim = (
        "It is crucial to propagate into ranking which sources nominated a video and its scores."
    )
    columns = {
        "true watch time@10": TRUE_WATCH_TIME,
        "weight@10": "weight_at_10",
        "HR@10": "hit_rate_at_10",
        "AUC": "auc",
        "GAUC": "gauc",
    }
    sizes = {
        "toy": {
            "world": {"num_users": 60, "num_items": 100, "num_days": 3},
            "sources": {"popularity": "Popularity", "ease": "EASE"},
            "training": {"epochs": 1},
        },
        "small": {
            "world": {"num_users": 600, "num_items": 400},
            "sources": _SOURCES,
            "training": {"epochs": 2},
        },
        "full": {
            "world": {"num_users": 3000, "num_items": 2000, "num_days": 21},
            "sources": _SOURCES,
            "training": {"epochs": 2},
        },
    }

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """What is read of the nominations."""
        kept = (_ALL,) if self.size == "toy" else (_ALL, _FIRST, _NONE, _UNRANKED)
        return {name: {"reads": name} for name in kept}

    @functools.lru_cache(maxsize=1)  # noqa: B019 (as the log)
    def _nominating(self, seed: int) -> _Nominating:
        log = self.log(seed)
        if not log.has_times:
            raise ValueError(
                f"The experiment {self.name!r} needs the order of events: choose a log with times. "
                f"Received: {log.name!r}"
            )
        task, rows = retrieval_task(log, seed)
        sources, folds = {}, {}
        for name, model in self.parameters["sources"].items():
            arguments: dict[str, Any] = {}
            training = zoo.Training(seed=seed, verbose=0)
            if model == "YouTubeRetrieval":
                training, arguments = retrieval_settings(log, rows, training)
            cls = registry.get(model).load()
            sources[name] = Trainer().fit(cls, task, training, arguments).model
            folds[name] = train_folds(sources[name], task, training)
        return _Nominating(task, rows, sources, ranking_task(log, rows, sources, folds))

    def measure(self, seed: int, **setting: Any) -> Measured:
        """What both stages recommend, and how the ranker orders what was shown."""
        given, log, reads = self._nominating(seed), self.log(seed), setting["reads"]
        sources, ranking, metrics = given.sources, None, {}
        if reads == _UNRANKED:
            first = next(iter(sources))
            sources = {first: sources[first]}
        else:
            guessed = impression_spec(
                given.ranking.shown,
                sources=tuple(sources),
                previous_impressions=not given.ranking.is_sampled,
                embedding_dim=32,
            )
            spec = nominations_read(guessed, reads, next(iter(sources)))
            task = dataclasses.replace(given.ranking, spec=spec)
            cls = registry.get("YouTubeRanking").load()
            run = zoo.train(cls, task, self.training(seed), **cls.quick_arguments)
            ranking, metrics = run.model, {name: run.metrics[name] for name in ("auc", "gauc")}
        k = min(20, len(log.items))
        funnel = Funnel(sources, ranking, log, num_candidates=NOMINATED, k=k)
        first_model = next(iter(given.sources.values()))
        validation, test = (
            task.examples(type(first_model), first_model.get_config()).test
            for task in (given.task.validating(), given.task)
        )
        measured = measure_stages({reads: funnel}, log, given.rows, validation, test)
        return Measured({**measured.test[reads], **metrics})

    def figure(self, results: Results) -> Figure:
        """Bars of what lists are worth, of what they hit, and of the order within pages."""
        labels = {
            TRUE_WATCH_TIME: "true expected watch time of the ten best, s",
            "hit_rate_at_10": "HR@10 of the next watch",
            "gauc": "AUC within pages of the test impressions",
        }
        shown = {metric: name for metric, name in labels.items() if metric in results.metrics}
        figure, axes = new_figure(len(shown), width=4.5, height=2.6)
        for each, (metric, label) in zip(axes, shown.items(), strict=True):
            bars(each, results.metrics[results.metrics[metric].notna()], metric, label)
        axes[-1].set_xlim(left=0.5)
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """All that is known of nominations against less."""
        metric = TRUE_WATCH_TIME if TRUE_WATCH_TIME in results.metrics else "hit_rate_at_10"
        claims = {
            _NONE: "Sources and scores of nominations help ranking.",
            _FIRST: "All sources and scores help more than the first score.",
            _UNRANKED: "Ranking improves upon the first source.",
        }
        found = [is_above(results, metric, _ALL, other, claim) for other, claim in claims.items()]
        more = {
            "hit_rate_at_10": "Sources and scores of nominations help to find the next watch.",
            "gauc": "Sources and scores of nominations help to order what was shown.",
        }
        return [*found, *(is_above(results, m, _ALL, _NONE, claim) for m, claim in more.items())]


def nominations_read(spec: FeatureSpec, reads: str, first: str) -> FeatureSpec:
    """A spec that reads all of the nominations, the score of a first source, or nothing.

    Args:
        spec: A spec that reads all.
        reads: `"all"`, `"first score"` or `"none"`.
        first: Name of the first source.
    """

    def is_kept(column: Any) -> bool:
        told = [key for key in FeatureSpec((), (column,)).raw if is_nomination_key(key)]
        return reads == _ALL or not told or (reads == _FIRST and told == [score_key(first)])

    return FeatureSpec(spec.query, tuple(c for c in spec.candidate if is_kept(c)))
