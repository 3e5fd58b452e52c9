"""`sharewise rank tune`: the engagement-satisfaction front of a ranker's score, and weights to paste."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tomli_w
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid

from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.evidence import kept_of
from sharewise.ranking.feedback import SIDES
from sharewise.ranking.front import TuneOptions
from sharewise.ranking.tuning import tune

#: Where measures are from, in words.
NAMES = {"logged": "logged", "truth": "true"}
#: Of the front, evenly spread.
SHOWN = 10


def run_rank_tune(folder: Path, options: TuneOptions, truth: Path | None) -> None:
    """Print the front of a run, and its even point as TOML."""
    ranker = load_ranker(folder)
    show_front(Console(), tune(kept_of(folder), ranker, options, truth))


def show_front(console: Console, found: dict[str, Any]) -> None:
    """Print the front beside the run's own score and single objectives, and its even point as TOML."""
    for grid in _grids(found):
        console.print(grid)
    how = (
        "each counted by the inverse of how likely its place was examined"
        if found["examined"]
        else "as it is"
    )
    halves = f"Chosen on the first half of {found['lists']:,} lists, measured on the second"
    worth = ", ".join(f"{side} is {found['worth'][side]}" for side in SIDES)
    console.print(f"{halves}. Feedback, {how}: {worth}.", markup=False)
    if "truth" in found:
        agree = ", ".join(f"{side} {value:.2f}" for side, value in found["truth"]["rank_correlation"].items())
        console.print(f"Rank correlation of feedback and truth over all draws: {agree}.", markup=False)
    console.print("\n# the even point of the front", markup=False)
    console.print(to_toml(found, found["even"]), markup=False, soft_wrap=True)


def to_toml(found: dict[str, Any], at: int) -> str:
    """Return the table ``[blend]`` of a point."""
    weights = {name: value for name, value in found["weights"][str(at)].items() if value}
    return tomli_w.dumps({"blend": {"kind": found["kind"], "weights": weights}})


def points(found: dict[str, Any], most: int = SHOWN) -> list[tuple[str, int]]:
    """Return the points to show, with what they are called: about so many of the front, then named ones."""
    best = found["front"]
    every = -(-len(best) // most)
    shown = sorted({*best[::every], found["even"]}, key=best.index)
    calls = {found["even"]: "even"}
    return [(calls.get(at, "front"), at) for at in shown] + list(found["named"].items())


def _grids(found: dict[str, Any]) -> Iterator[Grid]:
    """Yield two tables with a row a point: how well it orders lists, and its weights."""
    measures = [(kind, side) for kind in NAMES if kind in found for side in SIDES]
    columns = [f"{NAMES[kind]}\n{side}" for kind, side in measures]
    title = f"the front, NDCG@{found['k']}"
    yield _grid(found, title, columns, lambda at: [f"{found[kind][side][at]:.3f}" for kind, side in measures])
    tasks = list(next(iter(found["weights"].values())))
    title = f"weights of the {found['kind']}"
    yield _grid(found, title, tasks, lambda at: [f"{v:g}" for v in found["weights"][str(at)].values()])


def _grid(found: dict[str, Any], title: str, columns: list[str], row: Callable[[int], list[str]]) -> Grid:
    grid = Grid(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    grid.add_column("", no_wrap=True)
    for header in columns:
        grid.add_column(header, justify="right", no_wrap=True)
    rows = points(found)
    for place, (name, at) in enumerate(rows):
        last = place + 1 == len(rows) - len(found["named"])
        grid.add_row(name, *row(at), end_section=last)
    return grid
