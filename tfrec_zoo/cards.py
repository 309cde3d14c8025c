"""Model cards: what a trained model is, is asked and answers, in the form of Hugging Face.

A card says what the manifest, the result file, the SavedModel's signatures and the docstring of the
class say, and nothing that they don't: it is the same whenever it is made again.
"""

import inspect
import json
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2

from tfrec_zoo import registry
from tfrec_zoo.artifacts import read_manifest
from tfrec_zoo.features import MISSING, BucketizedColumn, Features
from tfrec_zoo.serving.served_model import EXCLUDE
from tfrec_zoo.serving.version_folders import SAVED_MODEL

#: The name of the file, which the Hugging Face hub shows.
FILE = "README.md"
_MOVIELENS = "https://grouplens.org/datasets/movielens/"
#: What the `predictions` of a ranking model are, by its task.
_PREDICTIONS = {
    "choice": "the chance that the user chooses the item",
    "ncf": "the chance that the user chooses the item",
    "clicks": "the chance of a click; on ratings, of one above 3",
    "ratings": "the rating",
    "watch-time": "what an impression is worth, such as the seconds watched, or stars",
}
_ANSWERS = {
    "ids": "the best items, the best first, none of `exclude`",
    "scores": "their scores",
}
_TYPES = {"string": "text", "int64": "whole number", "float64": "number", "float32": "number"}


def card(folder: pathlib.Path, features: Features, name: str | None = None) -> str:
    """The card of what `train` left in a folder, as Markdown below metadata in YAML.

    Args:
        folder: Folder with `model` and `result.json`.
        features: The features of the model, whose frequent values are the examples.
        name: What `tfrec_zoo.load` knows the model by; None if by its folder.
    """
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    manifest = read_manifest(folder / "model")
    entry = registry.MODELS.get(result["model"])
    title = f"{result['model']} on {result['dataset']}"
    parts = ["---", *_metadata(result, name or title), "---", "", f"# {title}", ""]
    if entry is not None:
        about = (inspect.getdoc(entry.load()) or "").partition("\nArgs:")[0].strip()
        parts += [about, "", f"- Paper: {entry.paper}"]
    parts += [f"- Task: `{result['task']}`", ""]
    parts += [*_interface(folder, manifest, result, features)]
    parts += [*_use(name, manifest, features), *_numbers(result), *_limits(result, manifest)]
    return "\n".join(parts)


def _metadata(result: Mapping[str, Any], name: str) -> Iterator[str]:
    """The lines of YAML. Text stands in quotes, as in JSON, which YAML reads alike."""
    entry, quoted = registry.MODELS.get(result["model"]), json.dumps
    kinds = [] if entry is None else [entry.family]
    yield "library_name: tfrec_zoo"
    yield "pipeline_tag: other"
    if _is_movielens(result):
        yield "license: other"
        yield "license_name: apache-2.0-and-movielens"
        yield f"license_link: {_MOVIELENS}"
    yield from _yaml_list("tags", ["recommender-system", "tensorflow", *kinds, result["model"]])
    yield from _yaml_list("datasets", [result["dataset"]])
    yield from _yaml_list("metrics", list(result["metrics"]))
    yield "model-index:"
    yield f"- name: {quoted(name)}"
    yield "  results:"
    yield "  - task:"
    yield f"      type: {quoted(result['task'])}"
    yield "    dataset:"
    yield f"      type: {quoted(result['dataset'])}"
    yield f"      name: {quoted(result['dataset'])}"
    yield "      split: test"
    yield "    metrics:"
    for metric, value in result["metrics"].items():
        yield f"    - type: {quoted(metric)}"
        yield f"      value: {'null' if value is None else format(value, '.6g')}"


def _yaml_list(key: str, values: Sequence[str]) -> list[str]:
    return [f"{key}:", *(f"- {json.dumps(value)}" for value in values)]


def _is_movielens(result: Mapping[str, Any]) -> bool:
    return result["dataset"].startswith(("movielens/", "ncf/"))


def _interface(
    folder: pathlib.Path,
    manifest: Mapping[str, Any],
    result: Mapping[str, Any],
    features: Features,
) -> Iterator[str]:
    values = _examples(manifest, features)
    yield from ("## What it is asked, and what it answers", "")
    yield from ("| request | type | such as |", "|---|---|---|")
    for feature in manifest["request"]:
        kind = _TYPES[feature["dtype"]]
        kind = f"bag: any number of {kind}s" if feature["is_bag"] else kind
        if feature.get("width"):
            kind = f"{feature['width']} {kind}s"
        value = values.get(feature["key"])
        shown = "" if value is None else _code(_text(value))
        yield f"| {_code(feature['key'])} | {kind} | {shown} |"
    yield from ("", "| answer | shape | what it is |", "|---|---|---|")
    for name, shape in _outputs(folder / "model").items():
        dims = ", ".join("rows" if size < 0 else str(size) for size in shape)
        about = _ANSWERS.get(name) or _PREDICTIONS.get(result["task"], "")
        yield f"| `{name}` | [{dims}] | {about} |"
    yield ""


def _outputs(export: pathlib.Path) -> dict[str, list[int]]:
    """The shapes of what the signature `serving_default` returns, -1 for any size."""
    saved = saved_model_pb2.SavedModel.FromString((export / SAVED_MODEL).read_bytes())
    outputs = saved.meta_graphs[0].signature_def["serving_default"].outputs
    shapes = {name: outputs[name].tensor_shape for name in sorted(outputs)}
    return {name: [dim.size for dim in shape.dim] for name, shape in shapes.items()}


def _examples(manifest: Mapping[str, Any], features: Features) -> dict[str, Any]:
    """A value of each feature whose values the model knows: frequent ones, or the middle."""
    frequent = {c.key: c.space for c in features.spec.vocabulary_columns}
    if [feature["key"] for feature in manifest["request"]] == [EXCLUDE]:
        frequent[EXCLUDE] = features.spec.item.space
    buckets = [c for c in features.spec.categorical if isinstance(c, BucketizedColumn)]
    middles = {c.key: c.boundaries[len(c.boundaries) // 2] for c in buckets}
    found: dict[str, Any] = {}
    for feature in manifest["request"]:
        key = feature["key"]
        if key in frequent:
            tokens = features.vocabularies[frequent[key]].array()[:3].tolist()
            if tokens:
                found[key] = tokens if feature["is_bag"] else tokens[0]
        elif key in middles:
            found[key] = middles[key]
    return found


def _use(name: str | None, manifest: Mapping[str, Any], features: Features) -> Iterator[str]:
    values = _examples(manifest, features)
    where = f"saved_models/{name}" if name else "path/to/this/folder"
    known = name or where
    is_ranking = not any(feature["key"] == EXCLUDE for feature in manifest["request"])
    recommends = not is_ranking or "items" in manifest
    left_out = manifest["candidate"] if recommends else ()
    rows = {key: [value] for key, value in values.items() if key not in left_out}
    call = "recommend(request, k=5)" if recommends else "score(request)"
    yield from ("## Use", "", "```python", "import tfrec_zoo as zoo", "")
    yield f'served = zoo.load("{known}")'
    yield "request = {"
    yield from (f"    {_text(key)}: {_text(value)}," for key, value in rows.items())
    yield "}"
    yield f"print(served.{call})"
    yield f'model = zoo.from_preset("{known}")  # To be compiled and trained on.'
    yield from ("```", "", "Without the package, by TensorFlow alone:", "")
    yield from ("```python", "import tensorflow as tf", "")
    if any(str(op).startswith("Scann>") for op in manifest["custom_ops"]):
        yield "from scann import scann_ops  # Registers what the index needs."
    yield f'model = tf.saved_model.load("{where}/model")'
    yield 'answer = model.signatures["serving_default"]('
    for feature in manifest["request"]:
        yield f"    {feature['argument']}={_constant(feature, values.get(feature['key']))},"
    answer = "predictions" if is_ranking else "ids"
    yield from (")", f'print(answer["{answer}"])', "```", "")
    yield from ("Over HTTP, with a page to try it:", "", "```bash")
    yield from (f"tfrec-zoo serve {known} --port 8501", "```", "")


def _text(value: Any) -> str:
    """A value as JSON, which is Python for text, numbers and lists of them."""
    return json.dumps(value, ensure_ascii=False)


def _code(text: str) -> str:
    """Text as code in a cell of a table, whatever it holds."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence, space = "`" * (longest + 1), " " * text.startswith("`") or " " * text.endswith("`")
    text = text.replace("|", r"\|")
    return f"{fence}{space}{text}{space}{fence}"


def _constant(feature: Mapping[str, Any], value: Any) -> str:
    """The code of a tensor of one row; what is not known is missing."""
    if value is None:
        missing = MISSING[feature["dtype"]]
        value = [missing] * (feature.get("width") or 1)
        value = value if feature["is_bag"] or feature.get("width") else missing
    text = _text([value])
    if feature["dtype"] == "string":
        return f"tf.constant({text})"
    text = text.replace("NaN", 'float("nan")')
    return f'tf.constant({text}, "{feature["dtype"]}")'


def _numbers(result: Mapping[str, Any]) -> Iterator[str]:
    statistics, versions = result["statistics"], result["versions"]
    yield from ("## Metrics", "")
    yield f"On the test part, once: {result['protocol']}."
    yield from ("", "| metric | value |", "|---|---|")
    for metric, value in result["metrics"].items():
        yield f"| {metric} | {'' if value is None else format(value, '.4f')} |"
    yield from ("", "## Training", "", "```bash", result["command"], "```", "")
    yield f"- Data: {result['dataset']}, sha256 `{result['data_checksum']}`"
    yield f"- Examples and split: sha256 `{result['checksum']}`"
    yield f"- Seed: {result['seed']}"
    counts = {name: statistics[name] for name in ("parameters", "epochs") if name in statistics}
    yield from (f"- {name.capitalize()}: {value:,}" for name, value in counts.items())
    arguments = {k: v for k, v in result["config"]["arguments"].items() if k != "name"}
    yield f"- Arguments: `{json.dumps(arguments)}`"
    yield f"- Versions: {', '.join(f'{name} {number}' for name, number in versions.items())}"
    yield ""


def _limits(result: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Limits", "")
    yield "- What a request leaves out, and values that training did not hold, are missing: they"
    yield "  count as nothing, and are no error."
    yield f"- The numbers are of one training (seed {result['seed']}), and of no other data."
    if "leaks the future" in result["protocol"]:
        yield "- The split leaks the future: the numbers say nothing of predicting later events."
    if manifest["custom_ops"]:
        yield f"- It needs operations besides TensorFlow's: {', '.join(manifest['custom_ops'])}."
    if _is_movielens(result):
        yield "- Its films and raters are those of the data set, long ago: it is for trying out,"
        yield "  testing and comparing, not for recommending to anybody today."
        yield from ("", "## Licence", "")
        yield "The graph and the code are Apache-2.0. The weights are made from MovieLens, whose"
        yield f"[terms]({_MOVIELENS}) apply: no commercial use without permission, and the data may"
        yield "not be redistributed. Of the data set the files hold ids, values of columns and what"
        yield "training made of them; no ratings, and no titles."
    yield ""
