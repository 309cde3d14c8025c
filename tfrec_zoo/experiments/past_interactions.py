"""What a ranker knows of the user's past with the channel and the topic of what it ranks.

Covington et al. (2016), §4.1: "How many videos has the user watched from this channel? When was the
last time the user watched a video on this topic?"
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from tfrec_zoo.data import Log
from tfrec_zoo.data.derived import (
    HISTORY,
    HISTORY_AGE,
    ITEM_AGE,
    LAST_WATCHED,
    RECENT_IMPRESSIONS,
    SEARCH_TOKENS,
)
from tfrec_zoo.experiments.findings import Finding, by_differences
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.experiments.ranking import RankingExperiment, losses, ranker_sizes, scored_test
from tfrec_zoo.features import Column, FeatureSpec, InteractionColumn, PairColumn
from tfrec_zoo.plots.figures import bars, new_figure
from tfrec_zoo.tasks.specs import impression_spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ALL, _PAST = "all features", "past with channel, topic and series"


class PastInteractions(RankingExperiment):
    """One ranker, each time without one kind of its features.

    A kind is missed by how much the loss rises without it. "past with channel, topic and series"
    are the counts of the user's watches that have an attribute in common with the candidate, and
    how long ago the latest was; "watches" are the embeddings of the history and of the last watch;
    "candidate" is the embedding of its id, and "candidate's attributes" are its other columns.
    """

    name = "past-interactions"
    title = "Past interactions with related items"
    source = "§4.1"
    claim = (
        "The most important signals describe the user's previous interaction with the item itself "
        "and other similar items."
    )
    columns = {
        "weighted per-user loss": "weighted_per_user_loss",
        "of one pair a page": "loss_of_one_pair",
        "AUC": "auc",
        "GAUC": "gauc",
    }
    sizes = ranker_sizes(
        toy={"kinds": [_PAST]},
        small={"world": {"num_users": 2000, "num_items": 500, "num_days": 7}},
        full={"world": {"num_users": 8000, "num_items": 2000, "num_days": 12}},
    )

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """All features, and all but each kind."""
        kinds = self.parameters.get("kinds", list(_KINDS))
        if self.given is not None:
            spec = impression_spec(self.given)
            kinds = [kind for kind in kinds if without(spec, kind, self.given) != spec]
        return {_ALL: {"kind": None}, **{f"without {kind}": {"kind": kind} for kind in kinds}}

    def measure(self, seed: int, **setting: Any) -> Measured:
        """The losses on the last day."""
        log, kind = self.log(seed), setting["kind"]
        spec = impression_spec(log, embedding_dim=32)
        if kind is not None:
            spec = without(spec, kind, log)
        run = self.train(seed, self.task(seed, spec=spec))
        return Measured(losses(*scored_test(run), pairs_seed=seed))

    def figure(self, results: Results) -> Figure:
        """Bars of the loss."""
        figure, axes = new_figure(width=6.0)
        bars(axes, results.metrics, "weighted_per_user_loss", "weighted per-user loss")
        axes.axvline(
            results.values(_ALL, "weighted_per_user_loss").mean(), color="black", linestyle="--"
        )
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """Whether the past is missed, and more than each other kind of features."""
        metric = "weighted_per_user_loss"
        own = results.values(f"without {_PAST}", metric)
        loss = {name: results.values(name, metric) for name in results.metrics["setting"].unique()}
        words = f"{metric}: without {own.mean():.4g}, with {loss[_ALL].mean():.4g}"
        rise = (own - loss[_ALL]).dropna().to_numpy()
        found = [by_differences(rise, words, f"The {_PAST} lowers the loss.")]
        for name, other in loss.items():
            if name in (_ALL, f"without {_PAST}"):
                continue
            kind = name.removeprefix("without ")
            words = f"{metric}: without {_PAST} {own.mean():.4g}, {name} {other.mean():.4g}"
            claim = f"The {_PAST} is missed more than: {kind}."
            found.append(by_differences((own - other).dropna().to_numpy(), words, claim))
        return found


def _is_past(column: Column, log: Log) -> bool:
    return isinstance(column, InteractionColumn) and column.ages == HISTORY_AGE


def _reads(keys: Callable[[Log], Collection[str]]) -> Callable[[Column, Log], bool]:
    """Whether a column reads nothing but some raw features of a log."""

    def is_one(column: Column, log: Log) -> bool:
        if isinstance(column, PairColumn):
            return False
        return set(FeatureSpec((), (column,)).raw) <= set(keys(log))

    return is_one


def _is_shown_before(column: Column, log: Log) -> bool:
    return isinstance(column, InteractionColumn) and column.bag.key == RECENT_IMPRESSIONS


#: Whether a column is of a kind, by the name of the kind.
_KINDS: dict[str, Callable[[Column, Log], bool]] = {
    _PAST: _is_past,
    "watches": _reads(lambda log: (HISTORY, LAST_WATCHED)),
    "searches": _reads(lambda log: (SEARCH_TOKENS,)),
    "candidate": _reads(lambda log: (log.roles.item,)),
    "candidate's attributes": _reads(lambda log: set(log.items) - {log.roles.item}),
    "candidate's age": _reads(lambda log: (ITEM_AGE,)),
    "previous impressions": _is_shown_before,
    "user's profile": _reads(lambda log: set(log.users)),
}


def without(spec: FeatureSpec, kind: str, log: Log) -> FeatureSpec:
    """A spec without the columns of a kind.

    Args:
        spec: The spec.
        kind: Name of the kind.
        log: The log that the spec is of.
    """
    query, candidate = (
        tuple(column for column in side if not _KINDS[kind](column, log))
        for side in (spec.query, spec.candidate)
    )
    return FeatureSpec(query, candidate)
