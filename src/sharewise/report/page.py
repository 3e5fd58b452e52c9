"""The page: one HTML file made from ``metrics.json`` and the configuration alone; no network, no scripts.

Every number on it is taken through `Numbers`, which writes beside it where in ``metrics.json`` it stands, so
that a test (or a reader's script) can check them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from sharewise import files
from sharewise.report import numbers, plots
from sharewise.report.numbers import Numbers

#: Tasks with plots of their own; the others are in the tables alone, so that the page stays light.
PLOTTED = 18
#: Pairs of a task and a structure in the tables; each costs a kilobyte or two.
CELLS = 300
#: Structures with lines in the curves.
LINES = 8


def write_report(evidence: dict[str, Any], config_text: str, path: str | Path) -> None:
    """Write the page of a comparison.

    Args:
        evidence: the content of ``metrics.json``; see `sharewise.study.Comparison.to_dict`.
        config_text: the resolved configuration, shown as it is; "" if the study was started from Python.
        path: the file to write.
    """
    files.write_bytes(Path(path), render(evidence, config_text).encode())


def render(evidence: dict[str, Any], config_text: str) -> str:
    """Return the page as HTML."""
    return make_environment().get_template("report.html.j2").render(context(evidence, config_text))


def make_environment() -> Environment:
    """Return what reads the templates: everything escaped, every name known."""
    loader = PackageLoader("sharewise.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"breakable": breakable, "metric": numbers.metric, "range": numbers.span}
    return environment


def breakable(name: str) -> Markup:
    """Return a name that may break after an underscore, so that it fits a narrow screen."""
    return escape(name).replace("_", Markup("_<wbr>"))


def context(evidence: dict[str, Any], config_text: str) -> dict[str, Any]:
    """Return what the template reads."""
    tasks = _by_interest(evidence)
    most = max(CELLS // len(evidence["structures"]), PLOTTED)
    listed = set(tasks[:most])
    return {
        "evidence": evidence,
        "number": Numbers(evidence),
        "compared": [one["name"] for one in evidence["structures"] if one["name"] != evidence["baseline"]],
        "tasks": [(i, t) for i, t in enumerate(evidence["tasks"]) if t["name"] in listed],
        "unlisted": max(len(tasks) - most, 0),
        "unplotted": max(len(tasks) - PLOTTED, 0),
        "effect_at": {(e["structure"], e["task"]): i for i, e in enumerate(evidence["effects"])},
        "marks": {verdict: mark(verdict) for verdict in ("helps", "hurts", "can't tell")},
        "summary": {one["name"]: i for i, one in enumerate(evidence["data"].get("tasks", ()))},
        "swatches": [(one["name"], plots.swatch(i)) for i, one in enumerate(evidence["structures"][:LINES])],
        "forests": _forests(evidence, tasks[:PLOTTED]),
        "curves": _curves(evidence, tasks[:PLOTTED]),
        "gates": _gates(evidence),
        "conflicts": _conflicts(evidence),
        "agreements": _agreements(evidence, tasks[:PLOTTED]),
        "calibrations": _calibrations(evidence, tasks[:PLOTTED]),
        "config": config_text,
        "version": version("sharewise"),
        "grouped": numbers.grouped,
    }


def _by_interest(evidence: dict[str, Any]) -> list[str]:
    """Names of tasks, those with the clearest effects first if there are too many to plot them all."""
    names = [task["name"] for task in evidence["tasks"]]
    if len(names) <= PLOTTED:
        return names
    clearest = dict.fromkeys(names, 2.0)
    for effect in evidence["effects"]:
        p = effect["p"]
        clearest[effect["task"]] = min(clearest[effect["task"]], 2.0 if p is None else p)
    return sorted(names, key=lambda name: clearest[name])


def mark(verdict: str) -> Markup:
    """Return the mark of a verdict, for a text."""
    return Markup('<svg viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">{}</svg>').format(
        plots.marker(verdict, 7, 7)
    )


def _forests(evidence: dict[str, Any], tasks: Iterable[str]) -> list[tuple[str, str, Markup]]:
    metric = {task["name"]: task["metric"] for task in evidence["tasks"]}
    drawn = []
    for i, task in enumerate(tasks):
        effects = [effect for effect in evidence["effects"] if effect["task"] == task]
        drawn.append((task, metric[task], plots.forest(f"forest-{i}", task, effects)))
    return drawn


def _curves(evidence: dict[str, Any], tasks: Sequence[str]) -> list[tuple[str, Markup]]:
    names = [one["name"] for one in evidence["structures"][:LINES]]
    runs = {name: evidence["curves"][name] for name in names}
    title = "Validation score, all tasks"
    drawn = [(title, plots.curves("curve", title, "score", runs, lambda record: record["score"]))]
    for i, task in enumerate(tasks):
        plot = plots.curves(f"curve-{i}", f"Validation loss, {task}", "loss", runs, _valid_loss(task))
        drawn.append((task, plot))
    return drawn


def _valid_loss(task: str) -> Callable[[dict[str, Any]], float | None]:
    return lambda record: record["valid"].get(task)


def _gates(evidence: dict[str, Any]) -> list[tuple[str, int, Markup]]:
    names = [task["name"] for task in evidence["tasks"]][:PLOTTED]
    return [
        (
            structure,
            found["seed"],
            plots.heat(f"gates-{i}", f"Gates of {structure}", names, found["weights"][:PLOTTED]),
        )
        for i, (structure, found) in enumerate(evidence["gates"].items())
    ]


def _seen(evidence: dict[str, Any]) -> dict[str, Any]:
    return evidence.get("conflicts") or {}  # runs of 0.1.0 have none


def _conflicts(evidence: dict[str, Any]) -> list[tuple[str, Markup | None]]:
    names = [task["name"] for task in evidence["tasks"]][:PLOTTED]
    return [
        (
            structure,
            plots.cosines(f"cosines-{i}", f"Cosines in {structure}", names, found["cosines"][:PLOTTED])
            if "cosines" in found
            else None,
        )
        for i, (structure, found) in enumerate(_seen(evidence).items())
    ]


def _agreements(evidence: dict[str, Any], tasks: Iterable[str]) -> list[tuple[str, Markup]]:
    runs = {name: evidence["curves"][name] for name in list(_seen(evidence))[:LINES]}
    if not runs:
        return []
    title = "Lowest agreement of a look"
    drawn = [(title, plots.curves("agreement", title, "cosine", runs, _worst))]
    for i, task in enumerate(tasks):
        plot = plots.curves(
            f"agreement-{i}", f"Agreement of {task} with the step", "cosine", runs, _agreement(task)
        )
        drawn.append((task, plot))
    return drawn


def _worst(record: dict[str, Any]) -> float | None:
    return record["conflict"]["worst"] if "conflict" in record else None


def _agreement(task: str) -> Callable[[dict[str, Any]], float | None]:
    return lambda record: record["conflict"]["agreement"][task] if "conflict" in record else None


def _calibrations(evidence: dict[str, Any], tasks: Iterable[str]) -> list[tuple[str, Markup]]:
    found = evidence["calibration"]
    return [
        (task, plots.calibration(f"calibration-{i}", task, found[task]))
        for i, task in enumerate(tasks)
        if found[task]["bins"]
    ]
