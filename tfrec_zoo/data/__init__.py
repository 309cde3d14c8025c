"""Data: logs of what users did, their splits, and the examples made from them."""

from tfrec_zoo.data.catalogue import Catalogue
from tfrec_zoo.data.derived import search_tokens
from tfrec_zoo.data.examples import Examples, item_ids
from tfrec_zoo.data.impressions import impression_examples, sampled_impressions
from tfrec_zoo.data.interactions import interaction_examples
from tfrec_zoo.data.kuairand import read_kuairand
from tfrec_zoo.data.labels import labelled_examples
from tfrec_zoo.data.live_outcome import LiveOutcome
from tfrec_zoo.data.live_run import Policy
from tfrec_zoo.data.live_site import LiveSite, simulate_live
from tfrec_zoo.data.log import Log
from tfrec_zoo.data.movielens import movielens
from tfrec_zoo.data.movielens_files import read_movielens_files
from tfrec_zoo.data.ncf_files import SampledTest, read_ncf
from tfrec_zoo.data.negatives import NegativeSampling
from tfrec_zoo.data.next_watch import held_out_watch_examples, next_watch_examples
from tfrec_zoo.data.read import read_frame
from tfrec_zoo.data.roles import Roles
from tfrec_zoo.data.sharded import ShardedLog, prepare
from tfrec_zoo.data.simulator import SimulatedLog, simulate
from tfrec_zoo.data.sources import Rows, Windows
from tfrec_zoo.data.splits import (
    Split,
    before_test,
    by_time,
    leave_last_out,
    leave_random_out,
    next_day,
    random_leaky,
    rolling_splits,
)

__all__ = [
    "Catalogue",
    "Examples",
    "LiveOutcome",
    "LiveSite",
    "Log",
    "NegativeSampling",
    "Policy",
    "Roles",
    "Rows",
    "ShardedLog",
    "SampledTest",
    "SimulatedLog",
    "Split",
    "Windows",
    "before_test",
    "by_time",
    "held_out_watch_examples",
    "impression_examples",
    "interaction_examples",
    "item_ids",
    "labelled_examples",
    "leave_last_out",
    "leave_random_out",
    "movielens",
    "next_day",
    "next_watch_examples",
    "prepare",
    "random_leaky",
    "read_frame",
    "read_kuairand",
    "read_movielens_files",
    "read_ncf",
    "rolling_splits",
    "sampled_impressions",
    "search_tokens",
    "simulate",
    "simulate_live",
]
