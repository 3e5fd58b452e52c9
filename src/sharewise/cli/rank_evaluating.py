"""`sharewise rank evaluate`: the progressive measures of a ranker's training, over time and in all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column
from rich.table import Table as Grid

from sharewise.cli.folders import METRICS
from sharewise.files import MANIFEST
from sharewise.ranking.artifact import KIND, history_of, load_ranker
from sharewise.ranking.evidence import kept_of
from sharewise.ranking.orders import against_truth
from sharewise.train import Run

__all__ = ["KIND", "run_rank_evaluate", "show_measures"]

#: Partitions that are shown, evenly spread.
SHOWN = 12
#: Of a task, the first of these that it has.
MAIN = ("auc", "r2")
#: Of polarised gates, in ``[model]``.
CURES = "try importance = 0.01, gate_rate = 0.1 or expert_dropout = 0.1 in [model]"
#: Shown of all partitions together, where a task has them.
MEASURES = ("auc", "r2", "log_loss", "squared_error", "ratio", "ece")


def run_rank_evaluate(folder: Path, truth: Path | None = None) -> None:
    """Print what a run measured, and how near its orders come to the truth, if there is one."""
    history, console = history_of(folder), Console()
    finished = (folder / MANIFEST).is_file()
    found = None if truth is None else against_truth(kept_of(folder), truth, load_ranker(folder).plan)
    measures = Run.open(folder).read_json(METRICS)["measures"] if finished else None
    show_measures(console, history, measures)
    if found is not None:
        for grid in _against(found):
            console.print(grid)
        partitions = f"{len(found['over_time'])} partitions, each before it was trained on"
        console.print(f"{found['lists']:,} lists of {partitions}.", markup=False)


def _against(found: dict[str, Any]) -> Iterator[Grid]:
    """Yield tables with a row an order: its NDCG against true gains, and what it would have brought."""
    titles = {"ndcg": f"against the truth, NDCG@{found['k']}", "brings": "what a list would have brought"}
    for part, title in titles.items():
        grid = _grid(title, "order")
        for header in next(iter(found["orders"].values()))[part]:
            grid.add_column(header, justify="right", no_wrap=True)
        for name, own in found["orders"].items():
            grid.add_row(name, *(_number(value) for value in own[part].values()))
        yield grid


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
        lists = [f"{name} {_number(value)}" for name, value in measures["lists"].items()]
        console.print("Lists: " + ", ".join(lists), markup=False)
    alarms = [(r["partition"], r["gates"]["polarised"]) for r in measured if r["gates"] is not None]
    alarms = [(name, tasks) for name, tasks in alarms if tasks]
    if alarms:
        name, tasks = alarms[-1]
        text = f"Gates are polarised in {len(alarms)} of {len(measured)} partitions, last in '{name}': "
        console.print(text + ", ".join(tasks), markup=False)
        console.print(f"If a task is worse for it: {CURES}.", markup=False)


def _over_time(measured: list[dict[str, Any]], measures: dict[str, Any] | None) -> Grid:
    """Return a row a partition, with one measure of every task, and how well lists were ordered."""
    last = measured[-1]["measured"]
    mains = {task: _main(values) for task, values in last["tasks"].items()}
    grid = _grid("before training on it")
    grid.add_column("partition", no_wrap=True)
    for header in (
        "rows",
        *(f"{task}\n{name}" for task, name in mains.items()),
        *(n.replace("@", "\n@") for n in list(last["lists"])[:1]),
    ):
        grid.add_column(header, justify="right")
    every = -(-len(measured) // SHOWN)
    for record in [*measured[:-1:every], measured[-1]]:
        grid.add_row(Path(record["partition"]).stem, f"{record['rows']:,}", *_row(record["measured"], mains))
    if measures:
        grid.add_section()
        grid.add_row("all", f"{measures['rows']:,}", *_row(measures, mains))
    return grid


def _row(found: dict[str, Any], mains: dict[str, str]) -> list[str]:
    own = [_number(found["tasks"][task].get(name)) for task, name in mains.items()]
    return own + [_number(value) for value in list(found["lists"].values())[:1]]


def _main(values: dict[str, float]) -> str:
    """Return the name of the measure that stands for a task over time."""
    return next((name for name in MAIN if name in values), "-")


def _in_all(measures: dict[str, Any]) -> Grid:
    """Return the measures of every task by cohort."""
    cohorts = {"all": measures["tasks"], **measures.get("cohorts", {}), "placed": measures.get("placed", {})}
    grid = _grid("in all", "task", "cohort")
    for header in ("labels", *MEASURES):
        grid.add_column(header.replace("_", "\n_", 1), justify="right")
    for task in measures["tasks"]:
        for cohort, found in cohorts.items():
            values = found.get(task, {})
            if values.get("rows"):
                own = [_number(values.get(name)) for name in MEASURES]
                grid.add_row(task, cohort, f"{values['rows']:,}", *own)
        grid.add_section()
    return grid


def _grid(title: str, *headers: str) -> Grid:
    columns = [Column(header, no_wrap=True) for header in headers]
    return Grid(*columns, title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
