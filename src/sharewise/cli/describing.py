"""`sharewise list NAME`: all that is known about a name that a configuration can use, with its options."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, NamedTuple

from rich.console import Console

from sharewise.balance import ENGINES, METHOD_CLASSES
from sharewise.cli.listing import SAMPLERS, STRATEGY_LINES, sections
from sharewise.data import catalog
from sharewise.data.episodes import catalog as episodes
from sharewise.errors import ConfigError, nearest
from sharewise.meta import LEARNERS, Learner, NetOptions, options_of
from sharewise.nn import STRUCTURES, ModelOptions
from sharewise.tasks.kinds import KINDS
from sharewise.train import MetaOptions, TrainOptions

#: Tables of a configuration whose keys are those of a class.
TABLES: dict[str, tuple[str, type]] = {
    "model": ("[model]", ModelOptions),
    "train": ("[train]", TrainOptions),
    "meta.train": ("[train] of sharewise meta", MetaOptions),
    "net": ("net in [learner] of sharewise meta", NetOptions),
}


class Entry(NamedTuple):
    """What is known about a name.

    Attributes:
        title: what it is a name of.
        text: all that its docstring says.
        options: with their defaults.
    """

    title: str
    text: str
    options: Mapping[str, Any]


def run_describe(name: str) -> None:
    """Print what is known about a name.

    Raises:
        ConfigError: if it is none.
    """
    found = list(entries(name))
    if not found:
        raise ConfigError(f"There is nothing called '{name}'.", nearest(name, _names()))
    console = Console()
    for entry in found:
        console.print(entry.title, style="bold", markup=False)
        console.print(entry.text, markup=False, highlight=False, soft_wrap=True)
        if entry.options:
            console.print("\nDefaults:", markup=False)
        for option, default in entry.options.items():
            text = f"    {option} = {_toml(default)}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        console.print()


def entries(name: str) -> Iterator[Entry]:
    """Yield all that has this name."""
    if name in TABLES:
        title, options = TABLES[name]
        yield Entry(title, inspect.getdoc(options) or "", _defaults(options))
    if name in LEARNERS:
        text = "\n\n".join(_lineage(LEARNERS[name]))
        yield Entry(f"{name}: a learner, keys of [learner] of sharewise meta", text, options_of(name))
    if name in episodes.names():
        title = f"{name}: source in [data] of sharewise meta, keys of [data.options]"
        yield Entry(title, episodes.describe(name), episodes.options(name))
    if name in catalog.names():
        title = f"{name}: source in [data], keys of [data.options]"
        yield Entry(title, catalog.describe(name), catalog.options(name))
    if name in METHOD_CLASSES:
        method = METHOD_CLASSES[name]
        yield Entry(f"{name}: a method of [balance]", inspect.getdoc(method) or "", _keywords(method))
    for title, known in (
        ("a structure, sharing in [model]", STRUCTURES),
        ("a kind of label, kind in [[tasks]]", KINDS),
        ("an engine, engine in [balance]", ENGINES),
    ):
        if name in known:
            yield Entry(f"{name}: {title}", inspect.getdoc(known[name]) or "", {})
    for title, lines in (
        ("a sampler, sampling in [train]", SAMPLERS),
        ("a strategy, strategy in [train] of sharewise meta", STRATEGY_LINES),
    ):
        if name in lines:
            yield Entry(f"{name}: {title}", lines[name], {})


def _names() -> tuple[str, ...]:
    known = (TABLES, *sections().values())
    return tuple({name: None for names in known for name in names})


def _lineage(learner: type[Learner]) -> Iterator[str]:
    """Yield what a learner says, and what those say whose options it shares."""
    for cls in learner.__mro__:
        if cls is Learner:
            return
        own = vars(cls).get("__doc__")
        if own and (cls is learner or "__init__" in vars(cls)):
            yield f"{cls.__name__}: {inspect.cleandoc(own)}"


def _defaults(options: type) -> dict[str, Any]:
    return {field.name: field.default for field in fields(options) if field.default is not MISSING}


def _keywords(method: type) -> dict[str, Any]:
    parameters = inspect.signature(method).parameters.items()
    return {name: p.default for name, p in parameters if p.default is not p.empty}


def _toml(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "none" if value is None else str(value).lower()
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)
