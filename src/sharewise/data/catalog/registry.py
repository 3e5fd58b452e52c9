"""The table of names: to add a data set is one new file, and one line here."""

from __future__ import annotations

from typing import Any

from sharewise.data.catalog import census, destinations, flights, movielens, samples, synthetic
from sharewise.data.catalog.entry import CatalogEntry
from sharewise.data.catalog.lookup import Lookup

ENTRIES: Lookup[CatalogEntry] = Lookup(
    {
        "flights": flights.load,
        "flights-by-destination": destinations.load,
        "census-income": census.load,
        "movielens-100k": movielens.load,
        "yeast": samples.load_yeast,
        "solar-flare": samples.load_solar_flare,
        "mmoe-synthetic": synthetic.load,
    }
)


def names() -> tuple[str, ...]:
    """Return the names of the catalog's data sets."""
    return ENTRIES.names()


def summarise(name: str) -> str:
    """Return the first line of what is known about a data set, without loading it."""
    return ENTRIES.summarise(name)


def describe(name: str) -> str:
    """Return all that is known about a data set, without loading it."""
    return ENTRIES.describe(name)


def options(name: str) -> dict[str, Any]:
    """Return a data set's options with their defaults."""
    return ENTRIES.options(name)


def load(name: str, **options: Any) -> CatalogEntry:
    """Load a data set of the catalog: ``load("mmoe-synthetic", p=0.5)``.

    Args:
        name: one of `names()`; underscores may stand for hyphens.
        options: the arguments of that data set's `load` function.

    Raises:
        ConfigError: if the name or an option is unknown, or an option's value cannot be used.
        DataError: if the data is not on this machine and cannot be fetched.
    """
    return ENTRIES.load(name, options)
