"""Where watches come from and what matches a query, on a log of two users."""

import numpy as np
import pandas as pd
import pytest

from tfrec_zoo.data import Log, Roles
from tfrec_zoo.experiments.withhold import (
    Withhold,
    after_search,
    fed,
    from_home,
    latest_queries,
    share_of_matches,
    words_of,
)


@pytest.fixture
def log():
    watches = pd.DataFrame(
        {"user_id": list("aaab"), "item_id": list("xyzx"), "time": [100.0, 210.0, 400.0, 100.0]}
    )
    shown = pd.DataFrame(
        {
            "user_id": list("aaab"),
            "item_id": list("xxzx"),
            "time": [80.0, 90.0, 390.0, 90.0],
            "clicked": [1, 0, 1, 1],
            "source": ["home", "related", "related", "home"],
        }
    )
    searches = pd.DataFrame(
        {"user_id": list("aab"), "time": [150.0, 200.0, 100.0], "query": ["chess", "reef", "chess"]}
    )
    items = pd.DataFrame(
        {
            "item_id": list("xyz"),
            "title": ["Chess endgame, live", "Reef diving", "Chess endgame, episode 2"],
            "topic": ["games", "sea", "games"],
        }
    )
    roles = Roles(user="user_id", item="item_id", time="time", label="clicked")
    return Log("mine", watches, items=items, impressions=shown, searches=searches, roles=roles)


def test_a_watch_is_from_the_home_page_that_it_was_clicked_on(log):
    # a's x was clicked on the home page, and shown after that without a click; its y was not shown,
    # its z was related. b's x is as a's. Within five seconds nothing was shown.
    assert from_home(log, log.interactions).tolist() == [True, False, False, True]
    assert not from_home(log, log.interactions, within=5.0).any()


def test_the_latest_query_is_before_the_watch(log):
    # b's search is at the moment of its watch, and not before.
    assert latest_queries(log, log.interactions, 1000.0).tolist() == ["", "reef", "reef", ""]
    assert latest_queries(log, log.interactions, 50.0).tolist() == ["", "reef", "", ""]
    assert after_search(log, log.interactions).tolist() == [False, True, False, False]


def test_matches_have_every_word_in_title_or_topic(log):
    words = words_of(log)
    queries = np.array(["chess games", "endgame live"], object)
    lists = np.array([["x", "y"], ["x", "z"]], object)
    # x matches both queries, y and z do not.
    assert share_of_matches(queries, lists, words) == pytest.approx(2 / 4)
    assert np.isnan(share_of_matches(queries[:0], lists[:0], words))


def test_the_last_tokens_are_fed_apart_where_the_search_is_known(log):
    lengths = {
        (order, search): [c.categorical.max_length for c in fed(log, order, search).query
                          if hasattr(c, "categorical")]
        for order in (False, True) for search in (False, True)
    }  # fmt: skip
    assert lengths[False, False] == [50, 1000] and lengths[False, True] == [50, 1000, 5]
    assert lengths[True, False] == [1, 3, 10, 50, 1000]


def test_a_log_without_impressions_is_refused(log):
    with pytest.raises(ValueError, match="whose impressions have"):
        Withhold("toy", Log("mine", log.interactions)).measure(0, order=True, search=True)
