"""What the README says is run as it stands there."""

import pathlib
import re
import subprocess
import sys

import tfrec_zoo
from tfrec_zoo.data import simulate

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_python_blocks_run_in_a_new_process(tmp_path: pathlib.Path) -> None:
    train, ask = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    watches = simulate(num_users=120, num_items=120, num_days=8, seed=1).interactions
    watches = watches.rename(columns={"video_id": "item_id"})
    watches.to_parquet(tmp_path / "interactions.parquet")
    subprocess.run([sys.executable, "-c", train], cwd=tmp_path, check=True)
    answer = subprocess.run(
        [sys.executable, "-c", f"{ask}\nimport sys; assert 'tfrec_zoo' not in sys.modules"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert len(re.findall(r"b'v\d+'", answer)) == 5
    assert "b'v12'" not in answer and "b'v7'" not in answer


def test_the_commands_and_models_of_the_readme_exist() -> None:
    from tfrec_zoo import cli, registry

    commands = set(re.findall(r"^tfrec-zoo (\w+)", README, flags=re.MULTILINE))
    known = next(a for a in cli._parser()._actions if a.dest == "command").choices
    assert commands and commands <= set(known)
    assert set(re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE)) == set(registry.MODELS)
    assert tfrec_zoo.__version__


def test_the_lineage_has_every_ranker_of_features():
    from tfrec_zoo import cli, registry

    root = pathlib.Path(__file__).parents[1]
    page = (root / "docs" / "lineage.md").read_text(encoding="utf-8")
    entries = registry.MODELS.values()
    rankers = {e.name for e in entries if (e.family, e.reads) == ("ranking", "features")}
    linked = dict(re.findall(r"^\| \[`(\w+)`\]\(\.\./(\S+)\)", page, flags=re.MULTILINE))
    assert set(linked) == rankers - {"YouTubeRanking"}
    assert all((root / path).exists() for path in linked.values())
    assert set(re.findall(r"^tfrec-zoo benchmark (\S+)", page, flags=re.MULTILINE)) <= set(
        cli.TABLES
    )
