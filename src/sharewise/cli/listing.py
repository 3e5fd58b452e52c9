"""`sharewise list`: every name that a configuration can use, with a line on what it is."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from sharewise.balance import ENGINES, METHOD_CLASSES
from sharewise.data import SCHEMES, catalog
from sharewise.data.episodes import catalog as episodes
from sharewise.meta import LEARNERS
from sharewise.meta.strategy import STRATEGIES
from sharewise.nn import STRUCTURES
from sharewise.tasks.kinds import KINDS

_SAMPLERS = {
    "shuffle": "Every row once an epoch.",
    "uniform": "Disjoint data: every task alike, whatever its rows; then rows of it.",
    "proportional": "Tasks by their rows.",
    "temperature": "Tasks by their rows to the power 1 / temperature: between the two above.",
    "round_robin": "Every task in turn.",
    "pike": "Tasks by the length and noise of their gradients, as training goes on (Li et al. 2025).",
}
SAMPLERS = {name: _SAMPLERS.get(name, "") for name in SCHEMES}
STRATEGY_LINES = {
    "auto": "The one that was measured to be the fastest for such a learner.",
    "whole": "All episodes of a batch at once.",
    "loop": "One episode at a time: the least memory.",
    "chunks": "A few episodes at a time: less memory, better in the cache.",
    "workers": "Threads of one core each, every one with its share of the episodes.",
    "compiled": "The whole meta-gradient compiled, once; pays for small networks and many iterations.",
}


def run_list() -> None:
    """Print the names."""
    console = Console()
    for title, names in sections().items():
        console.print(_grid(title, names))
        console.print()
    console.print(
        "sharewise list NAME says all of one, with its options; so for train, model, meta.train and net."
    )


def sections() -> dict[str, Mapping[str, str]]:
    """Return a line on every name, by what it is a name of."""
    return {
        "structures: sharing in [model], structures in [study]": _first_lines(STRUCTURES),
        "kinds: kind in [[tasks]]": _first_lines(KINDS),
        "catalog: source in [data]": {name: catalog.summarise(name) for name in catalog.names()},
        "samplers: sampling in [train]": SAMPLERS,
        "balancing: method in [balance]": _first_lines(METHOD_CLASSES),
        "engines: engine in [balance]": _first_lines(ENGINES),
        "learners: name in [learner] of sharewise meta": _first_lines(LEARNERS),
        "episodes: source in [data] of sharewise meta": {n: episodes.summarise(n) for n in episodes.names()},
        "strategies: strategy in [train] of sharewise meta": {
            n: STRATEGY_LINES.get(n, "") for n in STRATEGIES
        },
    }


def _grid(title: str, names: Mapping[str, str]) -> Grid:
    grid = Grid(
        title=Text(title, style="bold"), title_justify="left", show_header=False, box=None, padding=(0, 2)
    )
    grid.add_column(no_wrap=True, style="cyan")
    grid.add_column()
    for name, line in names.items():
        grid.add_row(name, Text(line))
    return grid


def _first_lines(table: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")
        for name, value in table.items()
    }
