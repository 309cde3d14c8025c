"""The page of the paper: every experiment's table, figure and findings, rendered."""

import itertools
import json
import os
import pathlib
import re
import shlex
from collections.abc import Mapping
from typing import Any, get_args

import pandas as pd

from tfrec_zoo.experiments import EXPERIMENTS, get
from tfrec_zoo.experiments.experiment import table
from tfrec_zoo.experiments.findings import Verdict
from tfrec_zoo.experiments.measured import Results

_HEAD = """# The YouTube paper, re-run

Every figure, table and claim of Covington, Adams & Sargin, *Deep Neural Networks for YouTube
Recommendations* (RecSys 2016), that can be told from public data or from a simulator whose truth
is known. Each section is made by the command in it, which leaves a result file and a figure; this
page is rendered from those in [`{folder}`]({folder}) by `tfrec-zoo paper {shown} --output {page}`.

Numbers are means ± standard deviations over the seeds; simulated data are of the same seed. A
claim **agrees** or **disagrees** if the mean difference, taken seed by seed, is larger than its
standard deviation; otherwise it **can't be told** at this size. The sites differ from YouTube in
scale by five orders of magnitude, in click rates and in what they know.
"""


def page(folder: str | pathlib.Path, output: str | pathlib.Path) -> str:
    """Renders the result files of a folder, `<experiment>/<dataset>-<size>/result.json`.

    Args:
        folder: The folder.
        output: The page's own file, to which the links are relative.

    Raises:
        FileNotFoundError: If there are no result files.
    """
    folder, output = pathlib.Path(folder), pathlib.Path(output)
    link = pathlib.PurePath(os.path.relpath(folder, output.parent)).as_posix()
    sections: list[str] = []
    summary = []
    for name in EXPERIMENTS:
        files = sorted((folder / name).glob("*/result.json"))
        if not files:
            continue
        cls = get(name)
        sections += [f"## {cls.title}", f"{cls.source}: {cls.claim}"]
        sections += [_details(cls)] if cls.__doc__ else []
        for file in files:
            contents = json.loads(file.read_text(encoding="utf-8"))
            sections += _section(cls, contents, f"{link}/{name}/{file.parent.name}/figure.png")
            summary.append(_summary(cls, contents))
    if not sections:
        raise FileNotFoundError(
            "There must be a result.json in a folder EXPERIMENT/DATASET-SIZE, as `tfrec-zoo "
            f"experiment` leaves it. Received: {folder}, without"
        )
    head = _HEAD.format(folder=link, shown=folder.as_posix(), page=output.as_posix()).rstrip()
    return "\n\n".join([head, _markdown(pd.DataFrame(summary)), *sections]) + "\n"


def _summary(cls: Any, contents: Mapping[str, Any]) -> dict[str, str]:
    """How many claims agree, disagree and can't be told: a row of the table of all experiments."""
    verdicts = [found["verdict"] for found in contents["findings"]]
    anchor = re.sub(r"[^\w -]", "", cls.title.lower()).replace(" ", "-")
    words = {"experiment": f"[{cls.title}](#{anchor})", "paper": cls.source}
    words["data, size"] = f"{contents['dataset']}, {contents['size']}"
    return {**words, **{word: str(verdicts.count(word) or "") for word in get_args(Verdict)}}


def _details(cls: Any) -> str:
    """What is shown: the class's docstring."""
    lines = cls.__doc__.strip().splitlines()
    return "\n".join(line.strip() for line in lines)


def _section(cls: Any, contents: Mapping[str, Any], figure: str) -> list[str]:
    results = Results(contents["runs"])
    seeds = " ".join(map(str, contents["seeds"]))
    command = f"tfrec-zoo experiment {contents['experiment']} --size {contents['size']}"
    if contents["dataset"] != "simulated":
        # What tensorflow-datasets doesn't have is a folder of one's own.
        command += f" --dataset {contents['dataset'] if '/' in contents['dataset'] else 'DIR'}"
    given = shlex.split(contents["command"])
    if "--settings" in given:
        rest = given[given.index("--settings") + 1 :]
        some = itertools.takewhile(lambda word: not word.startswith("--"), rest)
        command += f" --settings {shlex.join(some)}"
    findings = [
        f"- **{found['verdict']}**: {found['claim']} ({found['evidence']})"
        for found in contents["findings"]
    ]
    return [
        f"### {contents['dataset']}, {contents['size']}",
        f"```bash\n{command} --seeds {seeds}\n```",
        _markdown(table(results, cls.columns)),
        f"![{cls.title}]({figure})",
        *(["\n".join(findings)] if findings else []),
    ]


def _markdown(frame: pd.DataFrame) -> str:
    rows = [list(frame.columns), ["---"] * len(frame.columns), *frame.fillna("").values.tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
