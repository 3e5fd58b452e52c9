"""`sharewise rank evaluate`: the progressive measures of a ranker's training, over time and in all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from sharewise.cli.folders import METRICS
from sharewise.files import MANIFEST
from sharewise.ranking.artifact import KIND, history_of
from sharewise.train import Run

__all__ = ["KIND", "run_rank_evaluate", "show_measures"]

#: Partitions that are shown, evenly spread.
SHOWN = 12
#: Of a task, the first of these that it has.
MAIN = ("auc", "r2")


def run_rank_evaluate(folder: Path) -> None:
    """Print what a run measured."""
    history, console = history_of(folder), Console()
    finished = (folder / MANIFEST).is_file()
    measures = Run.open(folder).read_json(METRICS)["measures"] if finished else None
    show_measures(console, history, measures)


def show_measures(
    console: Console, history: Sequence[dict[str, Any]], measures: dict[str, Any] | None
) -> None:
    """Print the measures of partitions, and of all together."""
    measured = [record for record in history if record["measured"]]
    if not measured:
        console.print("Nothing is measured yet: the first partition only teaches.", markup=False)
        return
    console.print(_over_time(measured, measures))
    if measures:
        console.print(_in_all(measures))
    alarms = [(r["partition"], r["gates"]["polarised"]) for r in measured if r["gates"] is not None]
    alarms = [(name, tasks) for name, tasks in alarms if tasks]
    if alarms:
        name, tasks = alarms[-1]
        text = f"Gates are polarised in {len(alarms)} of {len(measured)} partitions, last in '{name}': "
        console.print(text + ", ".join(tasks), markup=False)


def _over_time(measured: list[dict[str, Any]], measures: dict[str, Any] | None) -> Grid:
    first = measured[-1]["measured"]
    tasks = list(first["tasks"])
    lists = list(first["lists"])
    grid = Grid("partition", "rows", *tasks, *lists, title="before training on it")
    every = -(-len(measured) // SHOWN)
    for record in [*measured[:-1:every], measured[-1]]:
        grid.add_row(record["partition"], f"{record['rows']:,}", *_row(record["measured"], tasks, lists))
    if measures:
        grid.add_section()
        grid.add_row("all", f"{measures['rows']:,}", *_row(measures, tasks, lists))
    return grid


def _row(found: dict[str, Any], tasks: list[str], lists: list[str]) -> list[str]:
    own = [_main(found["tasks"][task]) for task in tasks]
    return own + [_number(found["lists"].get(name)) for name in lists]


def _main(values: dict[str, float]) -> str:
    return next((f"{name} {_number(values[name])}" for name in MAIN if name in values), "-")


def _in_all(measures: dict[str, Any]) -> Grid:
    grid = Grid("task", "cohort", "labels", "measures", title="in all")
    cohorts = {"all": measures["tasks"], **measures.get("cohorts", {}), "placed": measures.get("placed", {})}
    for task in measures["tasks"]:
        for cohort, found in cohorts.items():
            values = found.get(task, {})
            if values.get("rows"):
                words = "  ".join(f"{name} {_number(v)}" for name, v in values.items() if name != "rows")
                grid.add_row(task, cohort, f"{values['rows']:,}", words)
    return grid


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
