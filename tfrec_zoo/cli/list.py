"""tfrec-zoo list: the models, the presets, or the models that come trained."""

import argparse

from tfrec_zoo.cli.arguments import show

HELP = "list the models, the rows of the tables, or the models that come trained"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    wanted = parser.add_mutually_exclusive_group()
    wanted.add_argument("--presets", action="store_true", help="list the presets")
    wanted.add_argument(
        "--pretrained",
        action="store_true",
        help="list the models that come trained: size, what they are asked with, and a metric",
    )
    wanted.add_argument(
        "--markdown", action="store_true", help="print the models as the table of the README"
    )


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    if arguments.presets:
        from tfrec_zoo.presets import PRESETS

        rows = [preset.to_dict() for preset in PRESETS.values()]
        text = "\n".join(
            f"{row['name']:36s} {row['task']:12s} {row['model']:22s} {row['dataset']:16s} "
            + " ".join(f"{name}={value}" for name, value in row["published"].items())
            for row in rows
        )
    elif arguments.pretrained:
        from tfrec_zoo import model_folders
        from tfrec_zoo.result_cells import number

        rows = [model_folders.summary(name) for name in model_folders.names()]
        text = "\n".join(
            f"{row['name']:36s} {row['bytes'] / 1e6:4.1f} MB  "
            f"{row['metric']}={number(row['value'])}  {', '.join(row['request'])}"
            for row in rows
        )
    else:
        from tfrec_zoo import registry

        if arguments.markdown:
            show(arguments, {"markdown": registry.markdown()}, registry.markdown())
            return
        rows = [
            {"name": entry.name, "family": entry.family, "task": entry.task, "paper": entry.paper}
            for entry in registry.MODELS.values()
        ]
        text = "\n".join(
            f"{row['name']:20s} {row['family']:10s} {row['task']:12s} {row['paper']}"
            for row in rows
        )
    show(arguments, rows, text)
