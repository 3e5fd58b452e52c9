"""The same evidence in a terminal: verdicts first, then results."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sharewise.report.numbers import grouped, metric, plain, signed

STYLES = {"helps": "bold blue", "hurts": "bold red", "can't tell": "dim"}
MARKS = {"helps": "●", "hurts": "◆", "can't tell": "○"}
#: Tasks in a table; a screen holds no more.
LISTED = 40


def print_comparison(console: Console, evidence: dict[str, Any]) -> None:
    """Print a comparison: ``metrics.json`` as it was read or made."""
    console.print(_results(evidence))
    console.print(_verdicts(evidence))
    console.print(Text(evidence["verdict"]["headline"], style="bold"))
    for one in evidence["verdict"]["advice"]:
        console.print(Text.assemble((f"{one['topic']}: ", "bold"), one["text"]))


def _results(evidence: dict[str, Any]) -> Table:
    table = _table("test results, mean over seeds ± standard deviation")
    for column in ("task", "metric"):
        table.add_column(column, no_wrap=column == "metric")
    for one in evidence["structures"]:
        table.add_column(Text(one["name"]), justify="right")
    for task in evidence["tasks"][:LISTED]:
        own = (evidence["results"][one["name"]][task["name"]] for one in evidence["structures"])
        table.add_row(
            Text(task["name"]),
            metric(task["metric"]),
            *(f"{plain(r['mean'])} ± {plain(r['sd'])}" for r in own),
        )
    table.add_section()
    table.add_row("parameters", "", *(grouped(one["parameters"]) for one in evidence["structures"]))
    return table


def _verdicts(evidence: dict[str, Any]) -> Table:
    table = _table(f"verdicts against {evidence['baseline']}")
    names = [one["name"] for one in evidence["structures"] if one["name"] != evidence["baseline"]]
    effects = {(e["structure"], e["task"]): e for e in evidence["effects"]}
    table.add_column("task")
    for name in names:
        table.add_column(Text(name), justify="right")
    for task in evidence["tasks"][:LISTED]:
        table.add_row(Text(task["name"]), *(_verdict(effects[name, task["name"]]) for name in names))
    hidden = len(evidence["tasks"]) - LISTED
    if hidden > 0:
        table.add_row(f"and {hidden} more")
    return table


def _verdict(effect: dict[str, Any]) -> Text:
    verdict = effect["verdict"]
    return Text(f"{MARKS[verdict]} {verdict} {signed(effect['difference'], 3)}", style=STYLES[verdict])


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
