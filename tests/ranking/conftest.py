"""One world for all tests that only look at it."""

from __future__ import annotations

import pytest
from world_kit import SMALL, Lived, live


@pytest.fixture(scope="session")
def lived() -> Lived:
    """A small world after its hours."""
    return live(SMALL)
