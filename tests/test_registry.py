import dataclasses
import importlib
import inspect
import pkgutil

import pytest

from tfrec_zoo import models, registry, tasks

BASES = {"retrieval": models.RetrievalModel, "ranking": models.RankingModel}


@pytest.mark.parametrize("name", registry.MODELS)
def test_entry(name):
    entry = registry.get(name)
    assert entry.name == name
    cls = entry.load()
    assert cls.__name__ == name
    assert cls.__module__ == f"tfrec_zoo.models.{entry.module}"
    assert [family for family, base in BASES.items() if issubclass(cls, base)] == [entry.family]
    assert entry.paper.strip() and entry.idea.strip() and entry.use.endswith(".")
    assert getattr(models, name) is cls


@pytest.mark.parametrize("name", registry.MODELS)
def test_an_entry_agrees_with_its_class(name):
    entry = registry.get(name)
    cls = entry.load()
    assert (entry.family, entry.task) == (cls.family, cls.default_task)
    assert entry.task in tasks.TASKS and cls.reads in ("features", "ids", "history")
    # A ranker learns from pairs whatever its arguments; what is quick is accepted by the model.
    assert cls.learns_from_pairs({}) is (entry.family == "ranking")
    assert set(cls.quick_arguments) <= set(inspect.signature(cls).parameters)
    for arguments in cls.arguments_to_predict.values():
        assert set(arguments) <= set(inspect.signature(cls).parameters)


def test_every_model_is_registered_once():
    found = {}
    for module in pkgutil.iter_modules(models.__path__):
        contents = vars(importlib.import_module(f"tfrec_zoo.models.{module.name}"))
        for name, cls in contents.items():
            is_model = inspect.isclass(cls) and issubclass(cls, models.RecommenderModel)
            bases = (
                models.RecommenderModel,
                models.ItemToItem,
                models.SequenceModel,
                models.EmbeddingRankingModel,
                *BASES.values(),
            )
            if is_model and cls not in bases:
                found[name] = cls
    assert {name: entry.load() for name, entry in registry.MODELS.items()} == found
    loaded = [entry.load() for entry in registry.MODELS.values()]
    assert len(set(loaded)) == len(loaded)


def test_a_name_that_is_not_there():
    with pytest.raises(KeyError, match=r"only \[.*'Popularity'.*\]. Received: 'SASRec9'"):
        registry.get("SASRec9")


def test_an_entry_is_plain_data():
    entry = registry.get("Popularity")
    assert registry.Entry(**dataclasses.asdict(entry)) == entry
