"""Needs: no option of any command is ignored, given twice, or in vain, in any of its forms."""

import argparse
import pathlib
from typing import Any

import pytest

from tfrec_zoo.cli import COMMANDS, make_parser
from tfrec_zoo.cli.datasets import DATASET_ARGUMENTS

#: Commands that fail before anything is read, with what the line says.
CASES = [
    ("results DIR --paper DIR", "`--paper` is for --fill. Received: --paper DIR"),
    ("results DIR --fill a.md a.md", "--fill: must be of different values. Twice: ['a.md']"),
    ("paper DIR --output a.md --output b.md", "--output: may be given once. Received again: b.md"),
    ("list --presets --pretrained", "not allowed with argument --presets"),
    ("train EASE --output o --epochs 1 --epochs 2", "--epochs: may be given once"),
    ("train EASE --output o --set l2=1 --set l2=2", "--set: must be of different names. Twice: l2"),
    ("train GMF --output o --epochs 1 --training epochs=2", "Give --epochs once. Received: 1 and"),
    ("train GMF --output o --data-dir d", "--data-dir d and --dataset simulated"),
    ("train GMF --output o --user u", "'simulated' knows them. Received: ['user']"),
    (
        "train GMF --output o --resume --training checkpoint_dir=d",
        "`--resume` is for a state in --output",
    ),
    ("benchmark ncf --output o --folder ncf/ml-1m=d", "`--folder` is for --all"),
    ("benchmark --all --output o --folder a=b --folder a=c", "of different names. Twice: a"),
    ("benchmark --all --output o --metrics auc", "`--metrics` is for one table"),
    ("benchmark --all --output o --task-set seed=1", "is for one table: with --all tables have"),
    ("benchmark --all --output o --user u", "`--user` is for one table"),
    ("benchmark --all --output o --dataset d", "`--dataset` is for one table"),
    ("benchmark --all --output o --rows truth --data-dir d", "tables of data sets of tensorflow"),
    ("benchmark ncf --output o --model EASE GPT", "models=['EASE', 'GPT']"),
    ("benchmark ncf --output o --model GMF --factors 8 9", "factors=[8, 9]"),
    ("benchmark ncf --output o --seeds 1 1", "--seeds: must be of different values. Twice: ['1']"),
    ("experiment combiners --output o --user u", "`--user` says how --dataset is read"),
    ("experiment combiners --output o --data-dir d", "`--data-dir` says how --dataset is read"),
    ("experiment combiners --output o --seeds 0 0", "must be of different values"),
    ("experiment combiners --output o --settings sum sum", "must be of different values"),
    ("search ncf/EASE --output o --seed 1 --training seed=2", "Give --seed once. Received: 1 and"),
    ("prepare --interactions a.csv a.csv --output o", "must be of different values"),
    ("evaluate --lists l.csv --dataset d --other-data", "`--other-data` is for the folder of a"),
    ("evaluate DIR --lists l.csv --plot", "`--plot` draws what belongs to a training"),
    ("evaluate DIR --k 5", "`--k` is for --lists: leave it out. Received: --k 5"),
    ("evaluate DIR --attributes a b", "`--attributes` is for --lists"),
    (
        "evaluate DIR --task-set split=time",
        "is for --lists: leave it out. Received: --task-set split=t",
    ),
    ("evaluate DIR --lists l.csv --task choice", "`--task` is that of the model where its folder"),
    ("recommend DIR --request {} --output a.csv", "`--output` is for the answers to many"),
    ("recommend DIR --request {} --keep a", "`--keep` is for the answers to many"),
    ("recommend DIR --request {} --shard-size 4096", "`--shard-size` is for the answers to many"),
    ("recommend DIR --request {} --dataset d", "`--dataset` is for --all-users and --test-users"),
    ("recommend DIR --requests a.csv --output b.csv --user u", "`--user` is for --all-users"),
    ("recommend DIR --all-users --output b.csv --candidates []", "`--candidates` is for one"),
    ("recommend DIR --all-users --test-users", "not allowed with argument --all-users"),
    (
        "index-curve DIR --indexes exact --target-recall 0.9",
        "`--target-recall` is what approximate",
    ),
    ("index-curve DIR --indexes ivf ivf", "must be of different values"),
    ("export DIR --output o --index exact --target-recall 0.9", "is for an approximate index"),
    ("export DIR --output o --index beam --target-recall 0.9", "is for an approximate index"),
    ("export DIR --output o --whole-catalogue --index ivf", "`--index` is how a retrieval model"),
    ("cluster --workers 2 -- train EASE --output o --strategy none", "Received: 'none'"),
    ("cluster --workers 2 --ps 1 -- train GMF --strategy=multi-worker", "leave --strategy out"),
    ("cluster -- train GMF --training strategy=mirrored", "or give parameter servers"),
    ("cluster -- train GMF --training=strategy=none", "Received: 'none'"),
    ("retrain DIR --output o --resume --training checkpoint_dir=d", "is for a state in --output"),
]


@pytest.mark.parametrize(("words", "message"), CASES)
def test_an_option_in_vain(words: str, message: str, fails: Any, tmp_path: pathlib.Path,
                           monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "DIR").mkdir()
    assert message in fails(*words.split())
    assert [path.name for path in tmp_path.iterdir()] == ["DIR"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_but_a_flag_is_given_once(name: str, fails: Any) -> None:
    """Of two values the first would be ignored; an option of several values takes them at once."""
    parser = make_parser()
    [commands] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for action in commands.choices[name]._actions:
        repeatable = type(action).__name__ in ("_Append", "_Flag", "_HelpAction")
        if not action.option_strings or repeatable:
            continue
        value = next(iter(action.choices)) if action.choices else "7"
        flag = action.option_strings[0]
        assert "may be given once" in fails(name, flag, value, flag, value)


def test_given_flags_are_those_that_were_given() -> None:
    parsed = make_parser().parse_args(["recommend", "DIR", "--all-users", "--k", "10"])
    assert parsed.given == {"all_users": "--all-users", "k": "--k"}
    assert set(DATASET_ARGUMENTS) <= set(vars(parsed))


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("GMF --optimizer ftrl+adagrad", "must be one: it has one side. Received: 'ftrl+adagrad'"),
        ("WideDeep --optimizer ftrl+adam+sgd", "must be two, the wide side's first"),
        ("--preset ratings/damped-means --epochs 2", "`--epochs` is for models; this preset is a"),
        ("--preset ratings/damped-means --tensorboard t", "`--tensorboard` is for models"),
        ("--preset ratings/damped-means --set l2=1", "`--set` is for models"),
        ("EASE --time-unit s --time-format %Y", "leave one of the two out"),
        ("EASE --separator ;", "which interactions.parquet is not: leave it out"),
    ],
)
def test_train_in_vain(
    words: str, message: str, dataset: Any, fails: Any, tmp_path: pathlib.Path
) -> None:
    given = [*words.split(), "--dataset", dataset, "--output", tmp_path / "out"]
    if "damped-means" in words:
        given += ["--weight", "rating"]
    assert message in fails("train", *given)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--epochs 3 --resume", "EASE: no effect: `epochs` is for models that learn in epochs"),
        ("--training checkpoint_minutes=1", "`checkpoint_minutes` is for models that learn"),
        ("--task-set negatives=3", "`negatives` is for models that learn from pairs"),
        ("--task-set test_fraction=0.3", "`test_fraction` is for splits by share"),
    ],
)
def test_what_makes_no_difference_to_one_model_is_told_of(
    words: str, message: str, dataset: Any, run: Any, tmp_path: pathlib.Path
) -> None:
    """A loop over models gives all of them the same settings."""
    out = run("train", "EASE", *words.split(), "--dataset", dataset, "--output", tmp_path / "o")
    assert out.count(message) == 1
    assert (tmp_path / "o" / "result.json").is_file()


@pytest.mark.usefixtures("eagerly")
def test_exports_that_read_no_data(
    retrieval: Any, ranking: Any, dataset: Any, fails: Any, tmp_path: pathlib.Path
) -> None:
    for model in (retrieval, ranking):
        given = ("export", model, "--output", tmp_path / "o", "--dataset", dataset)
        assert "this export reads no data. Received: --dataset" in fails(*given)
    for share in ("nan", "0", "1.5"):
        given = ("export", retrieval, "--output", tmp_path / "o", "--target-recall", share)
        assert "must be above 0 and at most 1. Received: " in fails(*given)
    line = fails("index-curve", retrieval, "--output", tmp_path / "curve.nope")
    assert "must be a picture, such as curve.png" in line


@pytest.mark.usefixtures("eagerly")
def test_a_file_in_place_of_a_folder(dataset: Any, fails: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("mine")
    given = ("train", "EASE", "--dataset", dataset, "--output", tmp_path / "file")
    assert "must be a folder; there is a file" in fails(*given)
    assert (tmp_path / "file").read_text() == "mine"
