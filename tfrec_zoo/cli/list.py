"""tfrec-zoo list: the models, or the presets."""

import argparse

from tfrec_zoo.cli.arguments import show

HELP = "list the models, or with --presets the rows of the tables"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("--presets", action="store_true", help="list the presets")
    parser.add_argument(
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
    else:
        from tfrec_zoo import registry

        if arguments.markdown:
            print(registry.markdown())
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
