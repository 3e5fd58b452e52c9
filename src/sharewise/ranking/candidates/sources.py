"""The table of sources: to add one is one new file, and one line here and in `SOURCES`."""

from __future__ import annotations

from collections.abc import Callable

from sharewise.ranking.candidates.catalogue import Catalogue
from sharewise.ranking.candidates.co_watched import CoWatched
from sharewise.ranking.candidates.generator import Generator
from sharewise.ranking.candidates.plan import CandidatePlan
from sharewise.ranking.candidates.popular import Fresh, Popular
from sharewise.ranking.candidates.topics import Topics
from sharewise.ranking.candidates.two_tower import TwoTower

GENERATORS: dict[str, Callable[[Catalogue, CandidatePlan], Generator]] = {
    "co_watched": lambda items, plan: CoWatched(items, plan.co_watched),
    "topics": lambda items, plan: Topics(items, plan.popular),
    "two_tower": lambda items, plan: TwoTower(items, plan.two_tower, plan.candidates.seed),
    "popular": lambda items, plan: Popular(items, plan.popular),
    "fresh": lambda items, plan: Fresh(items),
}


def make_generators(catalogue: Catalogue, plan: CandidatePlan) -> dict[str, Generator]:
    """Return the sources that the plan asks for, by name, in the order of their turns."""
    return {name: GENERATORS[name](catalogue, plan) for name in plan.sources}
