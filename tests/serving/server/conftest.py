"""SavedModels to serve, written once."""

import pathlib

import pytest
from small_saved_models import HalfPlus, make_films


@pytest.fixture(scope="session")
def half_plus_three(tmp_path_factory) -> pathlib.Path:
    """A folder of versions with the version 123."""
    base = tmp_path_factory.mktemp("half_plus_three")
    HalfPlus().save(base / "00000123")
    return base


@pytest.fixture(scope="session")
def films(tmp_path_factory) -> pathlib.Path:
    """An export with titles."""
    return make_films(tmp_path_factory.mktemp("films") / "model")


@pytest.fixture(scope="session")
def other_films(tmp_path_factory) -> pathlib.Path:
    """The same with other titles."""
    return make_films(tmp_path_factory.mktemp("films") / "model", "Other {}")
