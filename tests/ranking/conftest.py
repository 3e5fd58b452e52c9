"""One world for all tests that only look at it."""

from __future__ import annotations

import pytest
from truth_kit import Ranked, rank_world
from world_kit import SMALL, Lived, live


@pytest.fixture(scope="session")
def lived() -> Lived:
    """A small world after its hours."""
    return live(SMALL)


@pytest.fixture(scope="session")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> Ranked:
    """A world and a run on its log, for all tests that only look at them."""
    return rank_world(tmp_path_factory.mktemp("ranked"))
