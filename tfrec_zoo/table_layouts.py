"""Table layouts: the title of each table of results, what it shows, and its columns."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Table:
    """How a table is shown.

    Args:
        title: Heading of the table.
        about: What it shows, in a sentence or two.
        columns: Metrics and statistics by their headings.
        seeds: The seeds that it is made with.
    """

    title: str
    about: str
    columns: Mapping[str, str]
    seeds: tuple[int, ...] = (0, 1, 2)


_NEXT_WATCH = {
    "HR@10": "hit_rate_at_10",
    "NDCG@10": "ndcg_at_10",
    "HR@50": "hit_rate_at_50",
    "MAP": "mean_average_precision",
    "HR@10, kept": "hit_rate_at_10_seen_kept",
    "coverage": "coverage_at_10",
    "parameters": "parameters",
    "CPU seconds": "cpu_seconds",
}
_SAMPLED = {
    "HR@10": "sampled_hit_rate_at_10",
    "NDCG@10": "sampled_ndcg_at_10",
    "HR@10, best on test": "best_on_test_sampled_hit_rate_at_10",
    "NDCG@10, best on test": "best_on_test_sampled_ndcg_at_10",
    "HR@10, all items": "hit_rate_at_10",
    "NDCG@10, all items": "ndcg_at_10",
    "epochs": "epochs",
}
_CLICKS = {
    "AUC": "auc",
    "log loss": "logloss",
    "GAUC": "gauc",
    "parameters": "parameters",
    "epochs": "epochs",
}

#: Numbers differ more between random splits than between trainings.
_SPLITS = (0, 1, 2, 3, 4)

#: How the tables are shown, by name.
TABLES: dict[str, Table] = {
    "next-watch": Table(
        "The next watch",
        "Each user's last watch is ranked among all items; items seen before are left out, or kept "
        'in the column "kept". The rows differ in the bags of last watches that are fed; "moment" '
        'adds how long ago the last watch was and how many there were, "ages" means that halve the '
        "weight of a watch with its age. SASRec reads the last 100 watches in their order; its "
        '"moment" is how long ago each of them was.',
        _NEXT_WATCH,
    ),
    "next-watch-in-file-order": Table(
        "The next watch, in the order of the files",
        "The same, but of watches of the same second the one that stands last in the original file "
        "is held out, as in most published numbers. DIR holds the files of MovieLens-1M.",
        _NEXT_WATCH,
    ),
    "next-watch-by-time": Table(
        "The next watch, split by time",
        "The last tenth of all watches is tested on, after training on those before: nothing of "
        "the future is known. A sixth of its users are new.",
        _NEXT_WATCH,
    ),
    "ncf": Table(
        "Neural collaborative filtering",
        "Each user's latest item is ranked among 99 others, ties against it. The first two columns "
        "are of the epoch (or setting) that was best on each user's latest item but one; then the "
        "best epoch on the test items, as the authors' code reports; then all items.",
        _SAMPLED,
    ),
    "ncf-ablations": Table(
        "Negatives, depth and Adam",
        "The best epoch on the validation items; the test items are not looked at.",
        {name: key for name, key in _SAMPLED.items() if "best" not in name},
    ),
    "ctr": Table(
        "Clicks, with ids",
        "Whether a rating is above 3; ratings of 3 are dropped. The AUC on a tenth of the ratings "
        "ends training, and is reported on another tenth. Each seed has a random split of its own.",
        _CLICKS,
        _SPLITS,
    ),
    "ctr-without-ids": Table(
        "Clicks, without ids",
        "The same without the ids of users and movies, and with the time; not to be compared with "
        "the table above.",
        _CLICKS,
        _SPLITS,
    ),
    "wide-deep": Table(
        "The two sides of Wide & Deep",
        "One side or both, one optimizer or two, and the share of wide weights that L1 makes zero.",
        {**_CLICKS, "zeros": "wide_zeros"},
        _SPLITS,
    ),
    "ratings": Table("Ratings", "", {"RMSE": "rmse", "MAE": "mae", "epochs": "epochs"}),
    "watch-time": Table(
        "Expected watch time",
        "Predictions of simulated impressions against labels and against the simulator's truth.",
        {
            "weighted per-user loss": "weighted_per_user_loss",
            "AUC": "auc",
            "GAUC": "gauc",
            "bias of the odds": "bias_of_odds",
            "bias to the truth": "bias_to_truth",
        },
    ),
    "kuairand": Table(
        "Watch time of short videos",
        "KuaiRand-Pure's impressions from 1 May 2022 on, predicted from those before. The numbers "
        "are of a part of it, 228,000 impressions of 24 April to 8 May, 16 % of the whole: they "
        "compare with each other, and with no published ones. An impression is worth the seconds "
        "that were played if it was clicked, else nothing, so that more than half are worth 0. "
        "MAE is in seconds. Where half are worth 0 it is least for predictions near 0, and the "
        "median is hard to beat; XAUC, the share of pairs of different watch time in the right "
        "order, and the bias, by how much predictions exceed watch times in all, tell what else a "
        "model knows. GAUC and weighted per-user loss compare what a user was shown on a day. "
        "Unweighted odds are no seconds. The last three rows are one network that regresses the "
        "seconds, the share of the duration, and the quantile among videos that are about as long.",
        {
            "MAE": "mae",
            "XAUC": "xauc",
            "bias": "bias",
            "weighted per-user loss": "weighted_per_user_loss",
            "GAUC": "gauc",
            "parameters": "parameters",
            "epochs": "epochs",
            "CPU seconds": "cpu_seconds",
        },
    ),
    "movielens-100k": Table(
        "Models that come trained",
        "What `tfrec_zoo.load` and `tfrec_zoo.from_preset` load as `<row>/movielens-100k`: small, "
        "of one seed. AUCs are of ratings, but in the last two rows, of sampled impressions.",
        {
            "HR@10": "hit_rate_at_10",
            "AUC": "auc",
            "weighted per-user loss": "weighted_per_user_loss",
            "parameters": "parameters",
            "CPU seconds": "cpu_seconds",
        },
    ),
}
