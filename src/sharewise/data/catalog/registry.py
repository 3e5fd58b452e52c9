"""The table of names: to add a data set is one new file, and one line here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from sharewise.data.catalog import census, destinations, flights, movielens, samples, synthetic
from sharewise.data.catalog.entry import CatalogEntry
from sharewise.errors import ConfigError, nearest

#: No option of a data set counts further.
MOST = 100_000_000

ENTRIES: dict[str, Callable[..., CatalogEntry]] = {
    "flights": flights.load,
    "flights-by-destination": destinations.load,
    "census-income": census.load,
    "movielens-100k": movielens.load,
    "yeast": samples.load_yeast,
    "solar-flare": samples.load_solar_flare,
    "mmoe-synthetic": synthetic.load,
}


def names() -> tuple[str, ...]:
    """Return the names of the catalog's data sets."""
    return tuple(ENTRIES)


def summarise(name: str) -> str:
    """Return the first line of what is known about a data set, without loading it."""
    return (inspect.getdoc(_loader(name)) or "").splitlines()[0]


def load(name: str, **options: Any) -> CatalogEntry:
    """Load a data set of the catalog: ``load("mmoe-synthetic", p=0.5)``.

    Args:
        name: one of `names()`; underscores may stand for hyphens.
        options: the arguments of that data set's `load` function.

    Raises:
        ConfigError: if the name or an option is unknown, or an option's value cannot be used.
        DataError: if the data is not on this machine and cannot be fetched.
    """
    loader = _loader(name)
    known = tuple(inspect.signature(loader).parameters)
    hints = get_type_hints(loader)
    for option, value in options.items():
        if option not in known:
            raise ConfigError(
                f"The data set '{name}' has no option '{option}'.",
                nearest(option, known) if known else "It takes none.",
            )
        _check_type(name, option, value, hints[option])
    return loader(**options)


def _check_type(name: str, option: str, value: Any, wanted: type) -> None:
    fits = isinstance(value, (int, float) if wanted is float else wanted) and not isinstance(value, bool)
    if not fits or (wanted is int and not 0 <= value <= MOST):
        words = {int: f"a whole number from 0 to {MOST:,}", float: "a number", str: "a text"}[wanted]
        raise ConfigError(f"The option '{option}' of '{name}' is {value!r}.", f"Use {words}.")


def _loader(name: str) -> Callable[..., CatalogEntry]:
    loader = ENTRIES.get(name.replace("_", "-"))
    if loader is None:
        raise ConfigError(f"The catalog has no data set '{name}'.", nearest(name, names()))
    return loader
