"""Packs what `tfrec-zoo train` left as pretrained models.

tfrec-zoo train --preset movielens-100k/neumf --dataset movielens/100k --output RUNS/neumf
python saved_models/pack.py RUNS

RUNS/<model> becomes saved_models/<model>/movielens-100k: the SavedModel as it is, the checkpoint
without the state of the optimizer, and result.json.
"""

import pathlib
import shutil
import sys

from tfrec_zoo import checkpoints, presets

FOLDER = pathlib.Path(__file__).parent


def main(runs: pathlib.Path) -> None:
    """Packs the runs of all presets of the table `movielens-100k`."""
    for preset in presets.of_table("movielens-100k"):
        run, target = runs / preset.row, FOLDER / preset.row / preset.table
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(run / "model", target / "model")
        shutil.copy(run / "result.json", target)
        model = checkpoints.restore(run / "checkpoint")
        checkpoints.save(model, target / "checkpoint", with_optimizer=False)
        size = max(path.stat().st_size for path in target.rglob("*") if path.is_file())
        print(f"{target}: largest file {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
