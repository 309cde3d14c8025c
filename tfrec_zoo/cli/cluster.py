"""tfrec-zoo cluster: run a training on a cluster of processes on this machine."""

import argparse

HELP = "train on a cluster of processes on this machine, to try strategies out"
EPILOG = """Without --ps the workers train as one (--strategy multi-worker); with it, tables are on
the parameter servers and a chief beside the workers leads (--strategy parameter-server). The
processes talk over the loopback device. What the chief prints is shown, and its exit code is that
of the command; all processes end with it, and with Ctrl-C.

examples:
  tfrec-zoo cluster --workers 2 -- train DeepFM --output DIR
  tfrec-zoo cluster --workers 2 --ps 2 -- train WideDeep --output DIR"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("--workers", type=int, default=2, help="workers (default: 2)")
    parser.add_argument("--ps", type=int, default=0, help="parameter servers (default: 0)")
    parser.add_argument(
        "rest", nargs="+", metavar="COMMAND", help="after --: train or retrain, with its arguments"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from tfrec_zoo.distribution import local_cluster

    command = list(arguments.rest)
    if arguments.json and "--json" not in command:
        command.append("--json")
    return local_cluster.run(command, arguments.workers, arguments.ps)
