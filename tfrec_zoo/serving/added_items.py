"""Added items: an export whose model knows more items, made from an earlier one."""

import json
import pathlib
from typing import Any

import pandas as pd

from tfrec_zoo import checkpoints
from tfrec_zoo.artifacts import atomic_write, read_manifest
from tfrec_zoo.features import RawFeature
from tfrec_zoo.features.more_items import item_ids
from tfrec_zoo.generations import finish, generation_of, next_generation
from tfrec_zoo.models.retrieval import RetrievalModel
from tfrec_zoo.new_ids.new_items import add_items
from tfrec_zoo.new_ids.new_rows import Rule
from tfrec_zoo.serving.export import export
from tfrec_zoo.serving.items import ItemTable
from tfrec_zoo.serving.requests import typed_request


def export_with_items(
    directory: str | pathlib.Path,
    items: Any,
    output: str | pathlib.Path,
    k: int | None,
    new_rows: Rule = "content",
) -> int:
    """Writes what `train` wrote once more, with further items in vocabulary, index and titles.

    Args:
        directory: Folder with `model` and `checkpoint`.
        items: A frame of items: the ids, `title` if the export has titles, and what the model reads
            of them or what their vectors start from. Items that the model knows stay as they are.
        output: Folder for the new `model`, `checkpoint` and `result.json`.
        k: Length of the lists; None for a model that makes none.
        new_rows: What the vectors of the new ids start from; see
            `tfrec_zoo.new_ids.new_items.add_items`.

    Returns:
        The number of items that were added.

    Raises:
        TypeError: If it is no retrieval model.
        KeyError, TypeError, ValueError: If ids or columns are missing, or values are not allowed.
        FileNotFoundError: If there is no checkpoint.
    """
    directory, output = pathlib.Path(directory), pathlib.Path(output)
    if output.resolve() == directory.resolve():
        raise ValueError(f"Give the new export a folder of its own. Received: {output}")
    finish(directory)
    earlier = directory / "model"
    manifest = read_manifest(earlier)
    model = checkpoints.restore(directory / "checkpoint")
    frame = pd.DataFrame(items)
    if isinstance(model, RetrievalModel):
        frame = _typed(frame, model)
    table = ItemTable.read(earlier, manifest)
    more = add_items(model, _with_known(frame, table, model), new_rows)
    added = more.num_items - model.num_items
    known = set(model.features.vocabularies[model.item_column.space].tokens)
    is_new = [item not in known for item in item_ids(model.features, frame).tolist()]
    path = directory / "result.json"
    result = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    result = {**result, "config": {**result.get("config", {}), "added_items": added}}
    [index] = manifest["indexes"].values()
    with next_generation(output) as folder:
        checkpoints.save(more, folder / "checkpoint")
        result["generation"] = generation_of(folder / "checkpoint")
        export(
            more,
            folder / "model",
            {key: value for key, value in result.items() if key != "model"},
            like=earlier,
            items=None if table is None else table.with_items(frame[is_new]),
            k=k,
            index=index["kind"],
            target_recall=index.get("target_recall", 0.95),
        )
        if path.is_file():
            atomic_write(folder / "result.json", json.dumps(result, indent=1) + "\n")
    return added


def _typed(frame: pd.DataFrame, model: RetrievalModel) -> pd.DataFrame:
    """The frame with ids and the features that the model reads in their types."""
    raw = model.features.spec.raw_candidate
    read = {model.item_column.key, *model.features.items}
    wanted: dict[str, RawFeature] = {k: f for k, f in raw.items() if k in read and k in frame}
    if not wanted or not len(frame):
        return frame
    arrays = typed_request(wanted, {key: frame[key] for key in wanted})
    return frame.assign(**{k: list(v) if v.ndim > 1 else v for k, v in arrays.items()})


def _with_known(frame: pd.DataFrame, table: ItemTable | None, model: Any) -> pd.DataFrame:
    """The frame, and what the export says of the items that the model knows, in the same columns.

    A start by content is learned from these.
    """
    key = model.features.spec.item.key
    if table is None or model.features.items or key not in frame:
        return frame
    known = table.frame().iloc[: table.known]
    known = known[[name for name in known if name in frame]]
    return pd.concat([frame, known[~known[key].isin(frame[key])]], ignore_index=True)
