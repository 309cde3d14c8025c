"""New videos on a live site: what their vectors start from, and a place to try them out.

"Recommendation Systems (3): Deep Learning Foundations", §8: a new item without interactions is
helped by a content-based start of its embedding, by the mean of its category, or by a bandit that
exposes it to a small part of the traffic, in order of effectiveness.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import tfrec_zoo as zoo
from tfrec_zoo.data import LiveOutcome, Log, Policy
from tfrec_zoo.experiments.findings import Finding, is_above
from tfrec_zoo.experiments.live import (
    WATCH_SECONDS,
    LiveExperiment,
    earns_more,
    lead_metrics,
    live_metrics,
)
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.experiments.policies import Exploring, Recommending, Renewed
from tfrec_zoo.new_ids.new_rows import Rule
from tfrec_zoo.plots.figures import line, new_figure
from tfrec_zoo.serving import Funnel, serve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DAY = 86_400.0
_CONTENT = ["video_id", "title", "channel", "topic", "series", "length"]
_NOTHING, _BANDIT = "new videos unknown", "unknown, thompson"
_STARTS = ("content", "mean of the channel", "mean of all", "as drawn")
_WATCHES = "new_watches"
_TOWER = {"tied": True, "dropout": 0.2}


class ColdStart(LiveExperiment):
    """Videos that are uploaded on the live days, which the model was not trained on.

    `YouTubeRetrieval`, at full size with a second stage by watch time, is trained on the warm days
    and not again. Every morning the videos that were uploaded
    in the meantime are added to it, with vectors that start from a regression on title, channel,
    topic, series and length; from the mean of the channel's videos; from the mean of all; or as
    drawn at random. The bandits have the last of the six places on each page for these videos, of
    which the model knows nothing, but for the last setting.

    A place on each page is ten times as many impressions as a content start wins by itself: bandits
    find more watches in all, and far fewer in each impression.
    """

    name = "cold-start"
    title = "New videos"
    source = "article, §8"
    claim = (
        "A content-based start of the embedding helps new items most, then the mean of the "
        "category, then exploration by a bandit."
    )
    columns = {
        "watched, s/user/day": WATCH_SECONDS,
        "± 95 % over users": f"{WATCH_SECONDS}_ci",
        "of new videos, s/user/day": "new_seconds",
        "watches of new/user/day": _WATCHES,
        "new videos watched": "new_found",
        "new on pages": "new_shown",
        "clicks/new shown": "new_click_rate",
        "s/new shown": "new_seconds_per_impression",
    }
    sizes = {
        "toy": {
            "world": {"num_users": 60, "num_items": 90, "warm_days": 3, "live_days": 1,
                      "num_topics": 5, "fresh_share": 1.0},
            "model": "MatrixFactorization", "arguments": {"embedding_dim": 8},
            "training": {"epochs": 1, "batch_size": 128}, "ranking_units": None,
            "settings": [_NOTHING, "content"],
        },
        "small": {
            "world": {"num_users": 500, "num_items": 500, "warm_days": 9, "live_days": 4,
                      "fresh_share": 0.8},
            "model": "YouTubeRetrieval", "arguments": {**_TOWER, "hidden_units": (128, 64)},
            "training": {"epochs": 10, "batch_size": 128}, "ranking_units": None,
        },
        "full": {
            "world": {"num_users": 2000, "num_items": 1000, "warm_days": 14, "live_days": 7,
                      "fresh_share": 0.8},
            "model": "YouTubeRetrieval", "arguments": {**_TOWER, "hidden_units": (256, 64)},
            "training": {"epochs": 6, "batch_size": 256}, "ranking_units": (128, 64),
        },
    }  # fmt: skip

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Starts, bandits, and both."""
        known: dict[str, dict[str, Any]] = {
            _NOTHING: {"start": None, "bandit": None},
            **{name: {"start": name, "bandit": None} for name in _STARTS},
            "unknown, epsilon-greedy": {"start": None, "bandit": "epsilon-greedy"},
            "unknown, ucb": {"start": None, "bandit": "ucb"},
            _BANDIT: {"start": None, "bandit": "thompson"},
            "content, thompson": {"start": "content", "bandit": "thompson"},
        }
        wanted = self.parameters.get("settings", known)
        return {name: known[name] for name in wanted}

    def policy(self, seed: int, start: str | None, bandit: Any) -> Policy:
        """A policy that knows new videos by a start, tries them out by a bandit, or both."""
        retrieval, ranking = self.stages(seed)

        def of_day(day: int, log: Log) -> Policy:
            known = retrieval
            if start is not None:
                ids = retrieval.features.vocabularies[retrieval.item_column.space].tokens
                new = log.items[~log.items["video_id"].isin(ids)]
                known = zoo.add_items(retrieval, new, _rule(start, log.items[_CONTENT]))
            k = min(20, known.num_items)
            if ranking is None:
                return Recommending(serve(known, log, k=k), k)
            return Recommending(
                serve(Funnel({"retrieval": known}, ranking, log, num_candidates=100, k=k)), k
            )

        policy: Policy = Renewed(of_day)
        if start is None:  # The model of the first day is that of all days.
            policy = of_day(self.site(seed).warm_days, self.log(seed))
        if bandit is None:
            return policy
        site = self.site(seed)
        return Exploring(
            policy, bandit, days=site.live_days, since=site.warm_days * _DAY, seed=seed
        )

    @functools.lru_cache(maxsize=16)  # noqa: B019
    def live(self, seed: int, start: str | None, bandit: Any) -> tuple[Measured, pd.Series]:
        """What a policy is worth, and the seconds a day by user."""
        outcome = self.site(seed).serve(self.policy(seed, start, bandit))
        of_new, by_age = new_videos(outcome, self.site(seed).warm_days)
        measured = Measured({**live_metrics(outcome), **of_new}, {"by age": by_age})
        return measured, outcome.per_user(WATCH_SECONDS)

    def measure(self, seed: int, **setting: Any) -> Measured:
        """All live days, beside those of a model that knows no new videos."""
        measured, own = self.live(seed, **setting)
        if setting == self.settings()[_NOTHING]:
            return measured
        base = {_NOTHING: self.live(seed, **self.settings()[_NOTHING])[1]}
        return Measured({**measured.metrics, **lead_metrics(own, base)}, measured.curves)

    def figure(self, results: Results) -> Figure:
        """What new videos earn and all videos earn, and how soon new ones are watched."""
        figure, (left, right) = new_figure(columns=2, height=4.2, width=6.0)
        mean = results.metrics.groupby("setting", sort=False).mean(numeric_only=True)
        old = mean[WATCH_SECONDS] - mean["new_seconds"]
        left.barh(mean.index, mean["new_seconds"], height=0.6, label="new videos")
        left.barh(
            mean.index, old, left=mean["new_seconds"], height=0.6, color="#999999",
            xerr=mean[f"{WATCH_SECONDS}_ci"], error_kw={"linewidth": 1, "capsize": 3},
            label="others, 95 % over users",
        )  # fmt: skip
        left.invert_yaxis()
        left.grid(visible=False, axis="y")
        left.set_xlabel("watched on pages live [s per user and day]")
        left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=8, frameon=False)
        curve = results.curve("by age")
        for name in mean.index[mean[_WATCHES] > 0]:
            own, is_bandit = curve[curve["setting"] == name], "unknown" in name
            style = {"linestyle": "--" if is_bandit else "-", "marker": "o", "markersize": 3}
            line(right, own, "age_days", "watches", name, **style)
        right.set_xlabel("time since upload [days]")
        right.set_ylabel("watches of a new video on pages [1/day]")
        if right.lines:
            right.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=7, frameon=False)
        return figure

    def findings(self, results: Results) -> list[Finding]:
        """The order that is claimed, by what new videos are watched, and what all are."""
        there = set(results.metrics["setting"])
        steps = [
            ("content", "mean of the channel", "Content helps new videos more than the channel."),
            ("mean of the channel", _BANDIT, "The channel helps new videos more than a bandit."),
            (_BANDIT, "mean of all", "A bandit helps new videos more than the mean of all."),
        ]
        fits = [
            ("content", "mean of the channel", "Content shows new videos to the right users, "
             "more than the channel does."),
            ("content", _BANDIT, "Content shows new videos to the right users, more than a bandit "
             "does."),
            ("content", "as drawn", "Content shows new videos to the right users, more than a "
             "random start does."),
        ]  # fmt: skip
        earn = [
            ("content", "A content start earns watch time in all."),
            (_BANDIT, "A bandit earns watch time in all."),
            ("content, thompson", "A content start and a bandit earn watch time in all."),
        ]
        return [
            *(is_above(results, "new_seconds", a, b, c) for a, b, c in steps if {a, b} <= there),
            *(
                is_above(results, "new_seconds_per_impression", a, b, c)
                for a, b, c in fits
                if {a, b} <= there
            ),
            *(earns_more(results, a, _NOTHING, c) for a, c in earn if {a, _NOTHING} <= there),
        ]


def _rule(start: str, items: pd.DataFrame) -> Rule:
    """What the vectors of new videos start from."""
    rules: dict[str, Rule] = {
        "content": zoo.Content(items),
        "mean of the channel": zoo.Category("channel", items),
        "mean of all": "mean",
        "as drawn": "initial",
    }
    return rules[start]


def new_videos(
    outcome: LiveOutcome, warm_days: int
) -> tuple[dict[str, float], list[dict[str, float]]]:
    """What became of the videos that were uploaded on the live days.

    Args:
        outcome: The outcome.
        warm_days: Number of days before the live ones.

    Returns:
        Numbers: watches on pages `new_watches` and seconds of them `new_seconds` a user and day,
        `new_found`, the share of the new videos with a watch, `new_shown`, their share of the
        places on pages, `new_click_rate` and `new_seconds_per_impression`. And points: watches of
        a new video a day, by whole days since its upload, of the videos that were that old in the
        live days.
    """
    items, shown = outcome.log.items, outcome.log.impressions
    assert shown is not None
    begin = warm_days * _DAY
    new = items[items["upload_time"] >= begin].set_index("video_id")["upload_time"]
    shown = shown[shown["page_id"].isin(outcome.pages["page_id"])]
    own = shown[shown["video_id"].isin(new.index)]
    clicked = own[own["clicked"] == 1]
    user_days = max(len(outcome.daily), 1)
    numbers = {
        _WATCHES: len(clicked) / user_days,
        "new_seconds": float(clicked["watch_seconds"].sum()) / user_days,
        "new_found": clicked["video_id"].nunique() / max(len(new), 1),
        "new_shown": len(own) / max(len(shown), 1),
        "new_click_rate": float(own["clicked"].mean()) if len(own) else 0.0,
        "new_seconds_per_impression": float(own["watch_seconds"].mean()) if len(own) else 0.0,
    }
    end = begin + outcome.daily["day"].nunique() * _DAY
    age = (clicked["time"].to_numpy() - new[clicked["video_id"]].to_numpy()) // _DAY
    points = []
    for days in range(outcome.daily["day"].nunique()):
        lived = np.clip((end - new.to_numpy()) / _DAY - days, 0, 1).sum()
        if lived > 0:
            watches = float((age == days).sum() / lived)
            points.append({"age_days": float(days), "watches": watches})
    return numbers, points
