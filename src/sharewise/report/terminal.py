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
    table.add_column("task", no_wrap=True)
    for one in evidence["structures"]:
        table.add_column(_foldable(one["name"]), justify="right", overflow="fold")
    for task in evidence["tasks"][:LISTED]:
        own = (evidence["results"][one["name"]][task["name"]] for one in evidence["structures"])
        table.add_row(
            Text.assemble(task["name"], "\n", (metric(task["metric"]), "dim")),
            *(Text.assemble(plain(r["mean"]), "\n", (f"±{plain(r['sd'])}", "dim")) for r in own),
        )
    table.add_section()
    table.add_row("parameters", *(grouped(one["parameters"]) for one in evidence["structures"]))
    return table


def _verdicts(evidence: dict[str, Any]) -> Table:
    table = _table(f"verdicts against {evidence['baseline']}, and the difference in the metric")
    names = [one["name"] for one in evidence["structures"] if one["name"] != evidence["baseline"]]
    effects = {(e["structure"], e["task"]): e for e in evidence["effects"]}
    table.add_column("task", no_wrap=True)
    for name in names:
        table.add_column(_foldable(name), justify="right", overflow="fold")
    for task in evidence["tasks"][:LISTED]:
        table.add_row(Text(task["name"]), *(_verdict(effects[name, task["name"]]) for name in names))
    hidden = len(evidence["tasks"]) - LISTED
    if hidden > 0:
        table.add_row(f"and {hidden} more")
    return table


def _verdict(effect: dict[str, Any]) -> Text:
    verdict = effect["verdict"]
    return Text(f"{MARKS[verdict]} {verdict}\n{signed(effect['difference'], 3)}", style=STYLES[verdict])


def _foldable(name: str) -> Text:
    """Let a long name go over several lines, at its underscores, in place of being cut."""
    return Text(name.replace("_", "_\n"))


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
