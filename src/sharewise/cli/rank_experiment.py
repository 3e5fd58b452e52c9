"""`sharewise rank experiment`: what a log says of an experiment, in the terminal and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid

from sharewise import files
from sharewise.cli.folders import check_page
from sharewise.config.experiment import load_experiment
from sharewise.config.load import read_text
from sharewise.errors import DataError
from sharewise.ranking.experiment.course import Course
from sharewise.report import numbers, write_experiment_page
from sharewise.report.experiment import said

#: Of an interval.
HEADERS = ("outcome", "arm", "control", "arm's", "change, %", "from", "to", "p", "saved", "verdict")


def run_rank_experiment(path: Path, log: str, out: Path | None) -> None:
    """Read a log and say what it tells of an experiment.

    Args:
        path: of the experiment's file.
        log: a folder of partitions, or a glob.
        out: the page to write; None for none.
    """
    config = load_experiment(path)
    if out is not None:
        check_page(out)
    course = Course(config.plan(), log, config.columns)
    course.advance()
    if not course.ledger.done:
        reasons = [entry.reason for entry in course.ledger.aside[:1]] or ["It is empty."]
        raise DataError(f"No partition of '{log}' can be read: {reasons[0]}", "Name the log that is served.")
    evidence = course.evidence()
    show_experiment(Console(), evidence)
    if out is not None:
        files.make_folder(out.absolute().parent)
        write_experiment_page(out, evidence, read_text(path))
        Console().print(f"The page is {out.absolute()}", markup=False, highlight=False, soft_wrap=True)


def show_experiment(console: Console, evidence: dict[str, Any]) -> None:
    """Print the last look at an experiment."""
    name, looks = evidence["plan"]["name"], evidence["looks"]
    if looks:
        last = looks[-1]
        users = ", ".join(f"{arm} {count:,}" for arm, count in last["users"].items())
        console.print(f"{len(looks)} looks, the last after {last['time']}; users: {users}", markup=False)
        console.print(_grid(last["readings"]))
    for one in evidence["set_aside"]:
        console.print(f"Set aside: {one['name']}: {one['reason']}", markup=False, soft_wrap=True)
    console.print(f"{name}: {said(evidence)}.", markup=False, highlight=False, soft_wrap=True)


def _grid(readings: list[dict[str, Any]]) -> Grid:
    grid = Grid(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for place, header in enumerate(HEADERS):
        grid.add_column(header, justify="left" if place in (0, 1, len(HEADERS) - 1) else "right")
    for reading in readings:
        grid.add_row(
            reading["outcome"],
            reading["arm"],
            numbers.measured(reading["control"]),
            numbers.measured(reading["treatment"]),
            *(numbers.points(reading[name]) for name in ("change", "low", "high")),
            numbers.probability(reading["p"]),
            numbers.percent(reading["saved"]),
            reading["verdict"] + (", below its guard" if reading["breached"] else ""),
        )
    return grid
