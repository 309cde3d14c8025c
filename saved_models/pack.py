"""Packs what `tfrec-zoo train` left as pretrained models.

tfrec-zoo train --preset movielens-100k/neumf --dataset movielens/100k --output RUNS/neumf
python saved_models/pack.py RUNS

RUNS/<model> becomes saved_models/<model>/movielens-100k: the SavedModel without the titles and the
features of items, which are MovieLens's own; the checkpoint without the state of the optimizer; the
result and the card. The table of saved_models/README.md is written again. With no folder given,
only the cards and the table are.
"""

import json
import pathlib
import re
import shutil
import sys

from tfrec_zoo import cards, checkpoints, model_folders, presets
from tfrec_zoo.generations import generation_of
from tfrec_zoo.serving import export

FOLDER = pathlib.Path(__file__).parent
TABLE = re.compile(r"(<!-- models -->\n).*?(<!-- /models -->)", re.DOTALL)


def pack(run: pathlib.Path, target: pathlib.Path) -> None:
    """Writes the folder of a pretrained model.

    Args:
        run: What was --output of train.
        target: The folder, which is replaced.
    """
    model = checkpoints.restore(run / "checkpoint")
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    shutil.rmtree(target, ignore_errors=True)
    checkpoints.save(model, target / "checkpoint", with_optimizer=False)
    result["generation"] = generation_of(target / "checkpoint")
    about = {key: value for key, value in result.items() if key != "history"}
    export(model, target / "model", about)
    (target / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def table() -> str:
    """The pretrained models of this folder as a Markdown table."""
    lines = ["| name | model | asked with | metric | size |", "|---" * 5 + "|"]
    for path in sorted(FOLDER.glob("*/*/result.json")):
        name = f"{path.parts[-3]}/{path.parts[-2]}"
        row = model_folders.summary(path.parent)
        asked = ", ".join(f"`{key}`" for key in row["request"])
        metric = f"{row['metric']} {row['value']:.4f}"
        size = f"{row['bytes'] / 1e6:.1f} MB"
        lines.append(f"| [`{name}`]({name}) | {row['model']} | {asked} | {metric} | {size} |")
    return "\n".join(lines)


def main(runs: pathlib.Path | None) -> None:
    """Packs the runs of the presets of the table `movielens-100k` that there are."""
    for preset in presets.of_table("movielens-100k"):
        name = f"{preset.row}/{preset.table}"
        if runs is not None and (runs / preset.row).is_dir():
            pack(runs / preset.row, FOLDER / name)
        if (FOLDER / name).is_dir():
            features = checkpoints.read_features(FOLDER / name / "checkpoint")
            text = cards.card(FOLDER / name, features, name)
            (FOLDER / name / cards.FILE).write_text(text, encoding="utf-8")
    page = FOLDER / "README.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(
        TABLE.sub(lambda found: f"{found[1]}{table()}\n{found[2]}", text), encoding="utf-8"
    )


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None)
