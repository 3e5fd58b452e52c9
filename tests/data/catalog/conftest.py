"""A cache of its own for tests that write to it, and data sets that may be absent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sharewise.data import catalog
from sharewise.data.catalog import CatalogEntry
from sharewise.errors import DataError

Loader = Callable[..., CatalogEntry]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no folder of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SHAREWISE_DATA", raising=False)
    return tmp_path / "sharewise"


@pytest.fixture
def load_or_skip(monkeypatch: pytest.MonkeyPatch) -> Loader:
    """`catalog.load` that skips the test where the data is not on this machine; it never downloads."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("tests do not download")

    monkeypatch.setattr("urllib.request.urlopen", refuse)

    def load(name: str, **options: object) -> CatalogEntry:
        try:
            return catalog.load(name, **options)
        except DataError as error:
            pytest.skip(error.problem)

    return load
