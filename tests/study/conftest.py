"""Fixtures of studies: a small table, and two structures to compare."""

from __future__ import annotations

import pytest
from small_table import make_table

from sharewise.data import Table
from sharewise.nn import ModelOptions


@pytest.fixture(scope="session")
def table() -> Table:
    return make_table()


@pytest.fixture
def structures() -> list[ModelOptions]:
    return [ModelOptions(sharing=name, hidden=(8,), experts=3) for name in ("shared_bottom", "mmoe")]
