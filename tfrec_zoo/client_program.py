"""A program that asks an exported funnel with TensorFlow alone, and what it reads."""

import json
import pathlib
from typing import Any

import numpy as np

from tfrec_zoo.artifacts import atomic_write
from tfrec_zoo.data import Catalogue, Examples, Log
from tfrec_zoo.evaluation import evenly_spaced, funnel_request
from tfrec_zoo.features import MISSING
from tfrec_zoo.serving import Funnel

#: Needs TensorFlow, and no more; it lies beside the funnel that it asks.
RECOMMEND = '''"""Asks the exported funnel for recommendations; needs TensorFlow, not tfrec_zoo."""

import json
import pathlib

import tensorflow as tf

here = pathlib.Path(__file__).parent
manifest = json.loads((here / "funnel" / "manifest.json").read_text())
if manifest["custom_ops"]:
    from scann import scann_ops  # noqa: F401 (registers the operations of the index)
funnel = tf.saved_model.load(str(here / "funnel"))
recommend = funnel.signatures["serving_default"]
titles = json.loads((here / "titles.json").read_text())
missing = {"string": "", "int64": -1, "float32": float("nan"), "float64": float("nan")}


def tensor(feature, request):
    """One row of a feature, as the signature wants it; what a request leaves out is missing."""
    width = feature.get("width")
    default = [] if feature["is_bag"] else missing[feature["dtype"]]
    value = request.get(feature["key"], [0.0] * width if width else default)
    shape = [1, len(value)] if feature["is_bag"] or width else [1]
    return tf.constant([value], feature["dtype"], shape)


def title(item):
    item = item.decode() if isinstance(item, bytes) else str(item)
    return titles.get(item, item)


for request in json.loads((here / "requests.json").read_text()):
    answer = recommend(**{
        feature.get("argument", feature["key"]): tensor(feature, request)
        for feature in manifest["request"]
    })
    watched = [title(item) for item in request.get("history", [])[-3:]]
    print("\\nlast watched:", "; ".join(watched) or "nothing yet")
    for item, score in list(zip(answer["ids"][0].numpy(), answer["scores"][0].numpy()))[:5]:
        if item not in (b"", -1):
            print(f"  {score:9.3f}  {title(item)}")
'''


def write_client(
    directory: pathlib.Path, funnel: Funnel, log: Log, examples: Examples, number: int = 3
) -> None:
    """Writes `recommend.py`, `requests.json` and `titles.json` beside the folder `funnel`.

    Args:
        directory: Where.
        funnel: What is exported there.
        log: The log whose items have titles; an id is shown where there is none.
        examples: Examples whose users ask.
        number: How many of them; a new user asks, too.
    """
    asked = requests(funnel, examples.take(evenly_spaced(len(examples), number)))
    for name, contents in (("requests.json", asked), ("titles.json", titles(log))):
        atomic_write(directory / name, json.dumps(contents, indent=1) + "\n")
    atomic_write(directory / "recommend.py", RECOMMEND)


def requests(funnel: Funnel, examples: Examples) -> list[dict[str, Any]]:
    """Requests of the users of examples, and of a new user, as JSON values, missing ones left out.

    The new user is like the first one, but with no past.
    """
    arrays = {key: value.numpy() for key, value in funnel_request(funnel, examples).items()}
    asked: list[dict[str, Any]] = []
    for row in range(len(examples)):
        request = {}
        for key, values in arrays.items():
            kept = [_json(v) for v in np.ravel(values[row]).tolist()]
            kept = [v for v in kept if v != MISSING[funnel.request[key].dtype] and v == v]
            if kept:
                request[key] = kept if funnel.request[key].is_bag else kept[0]
        asked.append(request)
    new = {key: value for key, value in asked[0].items() if not funnel.request[key].is_bag}
    return [*asked, new]


def titles(log: Log) -> dict[str, str]:
    """The title of each item by its id as text; the id where there is none."""
    catalogue = Catalogue.of(log)
    shown = catalogue.ids if catalogue.titles is None else catalogue.titles
    return {
        str(item): str(title) if title == title and title != "" else str(item)
        for item, title in zip(catalogue.ids, shown, strict=True)
    }


def _json(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
