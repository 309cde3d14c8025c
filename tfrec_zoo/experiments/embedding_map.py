"""A map of the learned item vectors, and whether neighbours are of one kind.

A claim of later articles on the paper: two-dimensional maps of the item vectors by t-SNE show
clusters by genre.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import tfrec_zoo as zoo
from tfrec_zoo.data import Log
from tfrec_zoo.data.derived import TITLE
from tfrec_zoo.experiments.experiment import Experiment
from tfrec_zoo.experiments.findings import Finding, by_differences
from tfrec_zoo.experiments.measured import Measured, Results
from tfrec_zoo.plots.embedding_map import embedding_map
from tfrec_zoo.tasks import NextWatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Columns of the items that say what they are about, the first there is.
_KINDS = ("topic", "genres", "genre", "category")


class EmbeddingMap(Experiment):
    """The item vectors of a model of the next watch, which is not told what items are about, as
    directions: the most watched ones, mapped by the t-SNE of scikit-learn and coloured by topic or
    first genre. Purity is the share of an item's ten nearest neighbours that are of its kind, by
    cosine between the vectors and by distance on the map; chance is what neighbours drawn at random
    would have. `vectors.tsv` and `metadata.tsv` are for projector.tensorflow.org.
    """

    name = "embedding-map"
    title = "A map of the item vectors"
    source = "Later articles on the paper"
    claim = "A t-SNE map of the learned item vectors shows clusters by genre."
    columns = {
        "purity, vectors": "purity",
        "purity, map": "map_purity",
        "chance": "chance",
        "MAP": "mean_average_precision",
    }
    sizes = {
        "toy": {
            "world": {"num_users": 150, "num_items": 120, "num_days": 4},
            "training": {"epochs": 1},
            "items": 60,
        },
        "small": {
            "world": {"num_users": 3000, "num_items": 500},
            "training": {"epochs": 4, "batch_size": 256, "learning_rate": 0.005},
            "items": 400,
        },
        "full": {
            "world": {"num_users": 6000, "num_items": 2000, "num_days": 28},
            "training": {"epochs": 6, "batch_size": 256, "learning_rate": 0.005},
            "items": 1000,
        },
    }

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The models whose item vectors are mapped."""
        return {
            "YouTubeRetrieval": {"hidden_units": (128, 64)},
            "MatrixFactorization": {"embedding_dim": 64},
        }

    def measure(self, seed: int, **setting: Any) -> Measured:
        """Purity of neighbourhoods, and the map."""
        log, width = self.log(seed), 64
        kinds = kinds_of(log)
        name = "MatrixFactorization" if "embedding_dim" in setting else "YouTubeRetrieval"
        run = zoo.train(name, NextWatch(log, order=False), self.training(seed), **setting)
        items = run.model.features.vocabularies[log.roles.item].array()
        counts = log.interactions[log.roles.item].value_counts().reindex(items, fill_value=0)
        most = np.argsort(-counts.to_numpy(), kind="stable")[: self.parameters["items"]]
        vectors = run.model.candidates().numpy()[most, :width]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        kind = kinds.reindex(items[most]).fillna("").to_numpy(object)
        places = on_a_map(vectors, seed)
        metrics = {
            "purity": purity(vectors, kind),
            "map_purity": purity(places, kind),
            "chance": chance(kind),
            "mean_average_precision": run.metrics["mean_average_precision"],
        }
        points = [
            {"x": round(float(x), 2), "y": round(float(y), 2), "kind": k}
            for (x, y), k in zip(places, kind, strict=True)
        ]
        return Measured(metrics, {"map": points}, projector_files(log, items[most], kind, vectors))

    def figure(self, results: Results) -> Figure:
        """A map for each model, of the first seed."""
        points = results.curve("map")
        points = points[points["seed"] == points["seed"].min()]
        maps = {}
        for name, own in points.groupby("setting", sort=False):
            row = results.metrics[results.metrics["setting"] == name]
            words = f"purity {row['purity'].mean():.2f}, chance {row['chance'].mean():.2f}"
            maps[f"{name}: {words}"] = own[["x", "y"]].to_numpy(), own["kind"].to_numpy()
        return embedding_map(maps)

    def findings(self, results: Results) -> list[Finding]:
        """Purity against chance."""
        found = []
        for name in results.metrics["setting"].unique():
            for key, where in (("purity", "vectors"), ("map_purity", "map")):
                own, drawn = results.values(name, key), results.values(name, "chance")
                words = f"purity {own.mean():.3f}, chance {drawn.mean():.3f}"
                claim = f"{name}, {where}: neighbours are more than twice as often of one kind "
                claim += "as by chance."
                found.append(by_differences((own - 2 * drawn).to_numpy(), words, claim))
        return found


def kinds_of(log: Log) -> pd.Series:
    """What each item is about, by id: its topic or category, or its first genre.

    Raises:
        ValueError: If there is no such column.
    """
    names = [name for name in _KINDS if name in log.items]
    if not names:
        raise ValueError(
            f"The experiment 'embedding-map' needs items with one of {list(_KINDS)}. Received "
            f"columns: {list(log.items.columns)}"
        )
    values = log.items.set_index(log.roles.item)[names[0]]
    return values.map(lambda v: v if isinstance(v, str) else str(v[0]) if len(v) else "")


def on_a_map(vectors: np.ndarray, seed: int) -> np.ndarray:
    """[items, 2] places on a t-SNE map.

    Raises:
        ImportError: If scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ModuleNotFoundError as error:
        if error.name != "sklearn":
            raise
        raise ImportError(
            "Maps are drawn by scikit-learn: pip install scikit-learn. Received: none installed"
        ) from error
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=seed, metric="cosine")
    return np.asarray(tsne.fit_transform(vectors))


def purity(places: np.ndarray, kind: np.ndarray, k: int = 10) -> float:
    """The share of each item's k nearest neighbours that are of its kind, a mean.

    Args:
        places: [items, dim] places.
        kind: [items] kinds.
        k: Number of neighbours.
    """
    squares = (places**2).sum(axis=1)
    distance = squares[:, None] + squares - 2 * places @ places.T
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, : min(k, len(places) - 1)]
    return float((kind[nearest] == kind[:, None]).mean())


def chance(kind: np.ndarray) -> float:
    """The purity of neighbours that are drawn at random.

    >>> chance(np.array(["a", "a", "a", "b"]))  # (3 · 2 + 1 · 0) / (4 · 3)
    0.5
    """
    _, counts = np.unique(kind, return_counts=True)
    return float((counts * (counts - 1)).sum() / (len(kind) * (len(kind) - 1)))


def projector_files(
    log: Log, items: np.ndarray, kind: np.ndarray, vectors: np.ndarray
) -> dict[str, str]:
    """The two files that TensorBoard's projector reads, by name."""
    titles = items.astype(str)
    if TITLE in log.items:
        titles = log.items.set_index(log.roles.item)[TITLE].reindex(items).to_numpy(object)
    rows = ["\t".join(f"{x:.4f}" for x in vector) for vector in vectors]
    names = ["id\ttitle\tkind"]
    for row in zip(items, titles, kind, strict=True):
        names.append("\t".join(" ".join(str(value).split()) for value in row))
    return {"vectors.tsv": "\n".join(rows) + "\n", "metadata.tsv": "\n".join(names) + "\n"}
