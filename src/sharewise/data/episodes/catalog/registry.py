"""The table of names: to add a collection of tasks is one new file, and one line here."""

from __future__ import annotations

from typing import Any

from sharewise.data.catalog.lookup import Lookup
from sharewise.data.episodes.catalog import flights, movielens, omniglot, sinusoid
from sharewise.data.episodes.episode_set import EpisodeSet

ENTRIES: Lookup[EpisodeSet] = Lookup(
    {
        "sinusoid": sinusoid.load,
        "omniglot": omniglot.load,
        "flights-by-destination": flights.load,
        "movielens-by-user": movielens.load,
    },
    what="collection of tasks",
)


def names() -> tuple[str, ...]:
    """Return the names of the catalog's collections of tasks."""
    return ENTRIES.names()


def summarise(name: str) -> str:
    """Return the first line of what is known about a collection, without loading it."""
    return ENTRIES.summarise(name)


def describe(name: str) -> str:
    """Return all that is known about a collection, without loading it."""
    return ENTRIES.describe(name)


def options(name: str) -> dict[str, Any]:
    """Return a collection's options with their defaults."""
    return ENTRIES.options(name)


def load(name: str, **options: Any) -> EpisodeSet:
    """Load a collection of tasks: ``load("omniglot", split="background")``.

    Args:
        name: one of `names()`; underscores may stand for hyphens.
        options: the arguments of that collection's `load` function.

    Raises:
        ConfigError: if the name or an option is unknown, or an option's value cannot be used.
        DataError: if the data is not on this machine and cannot be fetched.
    """
    return ENTRIES.load(name, options)
