"""The page of a ranker: what it was worth over time, its places and gates, and the front of its score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from markupsafe import Markup

from sharewise import files
from sharewise.report import numbers, plots
from sharewise.report.numbers import Numbers
from sharewise.report.page import make_environment
from sharewise.report.plots.lines import Point

Evidence = dict[str, Any]
Read = Callable[[dict[str, Any]], float | None]

#: Of a task, the first of these that it has stands for it.
MAIN = ("auc", "r2")
#: Measures of a task in the table, as far as it has them, and how they look.
MEASURES = {"auc": "plain", "r2": "plain", "log_loss": "plain", "squared_error": "plain", "ratio": "plain"}
MORE = {"ece": "plain"}
#: In the order of their lines.
COHORTS = ("all", "known", "new", "placed")
#: Tasks with plots of their own.
PLOTTED = 12
#: Points of the front in the table.
LISTED = 12


def write_ranking_page(path: str | Path, evidence: Evidence, config_text: str) -> Path:
    """Write the page of a ranker, and what it shows as JSON beside it.

    Args:
        path: the page to write.
        evidence: what `sharewise.ranking.evidence.evidence_of` returned.
        config_text: the resolved configuration, shown as it is; "" if there was none.

    Returns:
        The path of the JSON file.
    """
    path = Path(path)
    beside = path.with_suffix(".json")
    page = render_ranking(evidence, config_text, beside.name)
    files.write_json(beside, evidence)
    files.write_bytes(path, page.encode())
    return beside


def render_ranking(evidence: Evidence, config_text: str, beside: str) -> str:
    """Return the page as HTML; `beside` is the name of the JSON file with its numbers."""
    return make_environment().get_template("ranking.html.j2").render(context(evidence, config_text, beside))


def context(evidence: Evidence, config_text: str, beside: str) -> dict[str, Any]:
    """Return what the template reads."""
    measures = evidence["metrics"]["measures"]
    main = main_measures(measures)
    return {
        "evidence": evidence,
        "number": Numbers(evidence),
        "main": {name: measure for name, measure in main.items() if measure},
        "measures": {**MEASURES, **MORE},
        "cells": list(_cells(evidence)),
        "over_time": list(over_time(evidence, main)),
        "cohorts": swatches(COHORTS),
        "tasks": swatches(measures["tasks"]),
        "ratios": _ratios(evidence, list(measures["tasks"])),
        "calibrations": _calibrations(measures),
        "lists": list(_lists(evidence)),
        "true_lists": _true_lists(evidence),
        "gates": gates_of(evidence, list(measures["tasks"])),
        "places": list(_places(evidence)),
        "sources": swatches(("learned", "true")),
        "fronts": list(_fronts(evidence)),
        "front_rows": _front_rows(evidence["front"]),
        "config": config_text,
        "beside": beside,
        "version": version("sharewise"),
    }


def main_measures(measures: Mapping[str, Any]) -> dict[str, str]:
    """Return the measure that stands for each task, "" where it has none."""
    return {name: next((m for m in MAIN if m in own), "") for name, own in measures["tasks"].items()}


def swatches(names: Sequence[str] | Mapping[str, Any]) -> list[tuple[str, Markup]]:
    """Return names with the lines that stand for them in plots."""
    return [(name, plots.swatch(place)) for place, name in enumerate(names)]


def _measured(evidence: Evidence, read: Read) -> list[float | None]:
    """Return a value a partition, None for those that were not measured."""
    return [None if r["measured"] is None else read(r["measured"]) for r in evidence["history"]]


def _cells(evidence: Evidence) -> Iterator[tuple[str, str, tuple[str, ...], dict[str, float]]]:
    """Yield task, cohort, where its measures stand, and the measures."""
    measures = evidence["metrics"]["measures"]
    start = ("metrics", "measures")
    for task in measures["tasks"]:
        for cohort in COHORTS:
            part = {"all": ("tasks",), "placed": ("placed",)}.get(cohort, ("cohorts", cohort))
            found: Any = measures
            for key in (*part, task):
                found = found.get(key, {})
            if found.get("rows"):
                yield task, cohort, (*start, *part, task), found


def over_time(
    evidence: Evidence, main: Mapping[str, str], ident: str = "time"
) -> Iterator[tuple[str, str, Markup]]:
    """Yield task, measure and plot of its course, from ``history``; `ident` begins the names of the plots."""
    for i, (task, measure) in enumerate(list(main.items())[:PLOTTED]):
        if not measure:
            continue
        series = {
            "all": _measured(evidence, lambda m, t=task, k=measure: m["tasks"][t].get(k)),  # type: ignore[misc]
            **{
                cohort: _measured(
                    evidence,
                    lambda m, c=cohort, t=task, k=measure: m.get("cohorts", {}).get(c, {}).get(t, {}).get(k),  # type: ignore[misc]
                )
                for cohort in COHORTS[1:3]
            },
        }
        series = {name: own for name, own in series.items() if any(value is not None for value in own)}
        title = f"{numbers.metric(measure)} of {task} over time"
        places = {name: COHORTS.index(name) for name in series}
        yield (
            task,
            measure,
            plots.course(f"{ident}-{i}", title, numbers.metric(measure), series, places=places),
        )


def _ratios(evidence: Evidence, tasks: Sequence[str]) -> Markup:
    series = {task: _measured(evidence, lambda m, t=task: m["tasks"][t].get("ratio")) for task in tasks}  # type: ignore[misc]
    places = {task: place for place, task in enumerate(tasks)}
    title = "Mean prediction over mean label"
    return plots.course("ratios", title, "ratio", series, places=places, level=(1.0, ""))


def _calibrations(measures: Mapping[str, Any]) -> list[tuple[str, Markup]]:
    return [
        (task, plots.calibration(f"calibration-{i}", task, {"type": "probability", "bins": bins}))
        for i, (task, bins) in enumerate(list(measures.get("calibration", {}).items())[:PLOTTED])
        if bins
    ]


def _lists(evidence: Evidence) -> Iterator[tuple[str, Markup]]:
    for i, name in enumerate(evidence["metrics"]["measures"]["lists"]):
        values = _measured(evidence, lambda m, n=name: m["lists"].get(n))  # type: ignore[misc]
        shown = name.replace("ndcg", "NDCG").replace("gauc.", "AUC within lists, ")
        yield shown, plots.course(f"lists-{i}", f"{shown} over time", "", {name: values}, places={name: 0})


def _true_lists(evidence: Evidence) -> tuple[Markup, list[tuple[str, Markup]]] | None:
    if evidence["truth"] is None:
        return None
    known = {one["partition"]: one["ndcg"] for one in evidence["truth"]["over_time"]}
    gains = list(next(iter(known.values())))
    series = {
        gain: [known.get(record["partition"], {}).get(gain) for record in evidence["history"]]
        for gain in gains
    }
    places = {gain: place for place, gain in enumerate(gains)}
    title = f"NDCG@{evidence['truth']['k']} of the score against the truth"
    return plots.course("true-lists", title, "NDCG", series, places=places), swatches(gains)


def gates_of(evidence: Evidence, tasks: Sequence[str], ident: str = "gates") -> tuple[Markup, Markup] | None:
    """Return plots of gates over time and in the last partition, from ``history`` and ``alarm``."""
    found = [record["gates"] for record in evidence["history"]]
    last = next((own for own in reversed(found) if own is not None), None)
    if last is None:
        return None
    series = {task: [None if own is None else max(own["weights"][task]) for own in found] for task in tasks}
    places = {task: place for place, task in enumerate(tasks)}
    level = (evidence["alarm"], "alarm")
    largest = plots.course(
        f"{ident}-time", "Largest weight of a gate", "weight", series, places=places, level=level
    )
    names = list(last["weights"])[:PLOTTED]
    return largest, plots.heat(f"{ident}-last", "Gates", names, [last["weights"][name] for name in names])


def _places(evidence: Evidence) -> Iterator[tuple[str, int, Markup]]:
    for i, curve in enumerate(evidence["places"]):
        series = {
            name: [Point(float(x), y, y, y) for x, y in zip(curve["positions"], curve[name], strict=True)]
            for name in ("learned", "true")
            if name in curve
        }
        device = curve["device"] or "all devices"
        plot = plots.lines(
            f"places-{i}",
            f"Position on {device}",
            ("position", "logit" if "true" not in curve else "logit, log of the chance"),
            series,
            places={"learned": 0, "true": 1},
        )
        yield device, i, plot


def _fronts(evidence: Evidence) -> Iterator[tuple[str, Markup]]:
    found = evidence["front"]
    if found is None:
        return
    named = {**found["named"], "even": found["even"]}
    titles = {"logged": "By logged feedback", "truth": "By the truth"}
    for kind, title in titles.items():
        if kind in found:
            points = list(zip(found[kind]["engagement"], found[kind]["satisfaction"], strict=True))
            axes = (f"engagement, NDCG@{found['k']}", f"satisfaction, NDCG@{found['k']}")
            yield title, plots.trade_off(f"front-{kind}", title, axes, points, found["front"], named)


def _front_rows(found: Mapping[str, Any] | None) -> list[tuple[str, int]]:
    if found is None:
        return []
    best = found["front"]
    every = -(-len(best) // LISTED)
    shown = sorted({*best[::every], found["even"]}, key=best.index)
    rows = [("the even point" if at == found["even"] else "front", at) for at in shown]
    return rows + [
        ("the run's score" if n == "score" else f"{n} alone", at) for n, at in found["named"].items()
    ]
