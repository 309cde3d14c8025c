"""list: the registry and the presets."""

from typing import Any

from tfrec_zoo import registry
from tfrec_zoo.presets import PRESETS


def test_list(run: Any, run_json: Any) -> None:
    rows = run_json("list")
    families = {row["name"]: row["family"] for row in rows}
    assert families["Popularity"] == families["YouTubeRetrieval"] == "retrieval"
    assert families["YouTubeRanking"] == "ranking"
    assert {row["name"]: row["task"] for row in rows}["NeuMF"] == "choice"
    assert all(set(row) == {"name", "family", "task", "paper"} and row["paper"] for row in rows)
    text = run("list").splitlines()
    assert [line.split()[0] for line in text] == [row["name"] for row in rows]


def test_list_presets(run: Any, run_json: Any) -> None:
    rows = run_json("list", "--presets")
    assert isinstance(rows, list)
    assert all({"name", "task", "model", "published"} <= set(row) for row in rows)
    by_name = {row["name"]: row for row in rows}
    assert by_name.keys() == PRESETS.keys() and len(by_name) == len(rows)
    neumf = by_name["ncf/NeuMF-8"]
    assert (neumf["task"], neumf["model"]) == ("ncf", "NeuMF")
    # Table 2 of the paper is of HR@10 .688 and NDCG@10 .410 for 8 factors.
    # By the authors' rule, which selects the epoch on the test items.
    assert neumf["published"] == {
        "best_on_test_sampled_hit_rate_at_10": 0.688,
        "best_on_test_sampled_ndcg_at_10": 0.41,
    }
    assert neumf["arguments"] == {"embedding_dim": 8, "hidden_units": [32, 16, 8]}
    assert by_name["ctr/item-rates"]["published"] == {}
    lines = run("list", "--presets").splitlines()
    assert [line.split()[0] for line in lines] == [row["name"] for row in rows]
    assert any("ncf/NeuMF-8 " in line and "sampled_hit_rate_at_10=0.688" in line for line in lines)


def test_a_preset_names_a_model_or_a_baseline() -> None:
    baselines = {"item-rates", "damped-means", "truth"}
    baselines |= {"mean", "median", "item-means", "duration-means"}
    assert {preset.model for preset in PRESETS.values()} <= set(registry.MODELS) | baselines
