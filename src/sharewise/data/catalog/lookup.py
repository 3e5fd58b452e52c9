"""Lookup: a table of names whose entries are made by functions, with checked options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, get_type_hints

from sharewise.errors import ConfigError, nearest

#: No option of a data set counts further.
MOST = 100_000_000
_WORDS: dict[type, str] = {
    bool: "true or false",
    int: f"a whole number from 0 to {MOST:,}",
    float: "a number",
    str: "a text",
}

Entry = TypeVar("Entry")


class Lookup(Generic[Entry]):
    """Data sets by name.

    Args:
        loaders: what makes each; its docstring's first line says what it is, its arguments are its options.
        what: a thing of the table is called, in what errors say.
    """

    def __init__(self, loaders: Mapping[str, Callable[..., Entry]], what: str = "data set") -> None:
        self._loaders, self._what = dict(loaders), what

    def names(self) -> tuple[str, ...]:
        """Return all names."""
        return tuple(self._loaders)

    def summarise(self, name: str) -> str:
        """Return the first line of what is known about an entry, without loading it."""
        return self.describe(name).splitlines()[0]

    def describe(self, name: str) -> str:
        """Return all that is known about an entry, its options among it, without loading it."""
        return inspect.getdoc(self._loader(name)) or ""

    def options(self, name: str) -> dict[str, Any]:
        """Return an entry's options with their defaults."""
        parameters = inspect.signature(self._loader(name)).parameters
        return {option: parameter.default for option, parameter in parameters.items()}

    def load(self, name: str, options: Mapping[str, Any]) -> Entry:
        """Load an entry; underscores may stand for hyphens in its name.

        Raises:
            ConfigError: if the name or an option is unknown, or an option's value cannot be used.
        """
        loader = self._loader(name)
        known = tuple(self.options(name))
        hints = get_type_hints(loader)
        for option, value in options.items():
            if option not in known:
                raise ConfigError(
                    f"The {self._what} '{name}' has no option '{option}'.",
                    nearest(option, known) if known else "It takes none.",
                )
            _check_type(name, option, value, hints[option])
        return loader(**options)

    def _loader(self, name: str) -> Callable[..., Entry]:
        loader = self._loaders.get(name.replace("_", "-"))
        if loader is None:
            raise ConfigError(f"The catalog has no {self._what} '{name}'.", nearest(name, self.names()))
        return loader


def _check_type(name: str, option: str, value: Any, wanted: type) -> None:
    fits = isinstance(value, (int, float) if wanted is float else wanted)
    fits = fits and isinstance(value, bool) == (wanted is bool)  # to Python, true is a number too
    if not fits or (wanted is int and not 0 <= value <= MOST):
        raise ConfigError(f"The option '{option}' of '{name}' is {value!r}.", f"Use {_WORDS[wanted]}.")
