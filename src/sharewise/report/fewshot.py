"""The page of a few-shot measurement, made from its evidence and the configuration alone."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from markupsafe import Markup

from sharewise import files
from sharewise.report import numbers, plots
from sharewise.report.numbers import Numbers
from sharewise.report.page import make_environment, mark
from sharewise.report.plots.lines import Point

#: How verdicts are drawn.
LOOKS = {"better": "helps", "worse": "hurts", "can't tell": "can't tell"}
#: Learners with calibration plots.
PLOTTED = 6

Evidence = dict[str, Any]


def write_fewshot_page(path: str | Path, evidence: Evidence, config_text: str) -> None:
    """Write the page of a measurement.

    Args:
        path: the file to write.
        evidence: what `sharewise.study.fewshot.measure` returned.
        config_text: the resolved configuration, shown as it is; "" if there was none.
    """
    files.write_bytes(Path(path), render_fewshot(evidence, config_text).encode())


def render_fewshot(evidence: Evidence, config_text: str) -> str:
    """Return the page as HTML."""
    return make_environment().get_template("fewshot.html.j2").render(context(evidence, config_text))


def context(evidence: Evidence, config_text: str) -> dict[str, Any]:
    """Return what the template reads."""
    share = evidence["metric"] == "accuracy"
    names = [one["name"] for one in evidence["learners"]]
    return {
        "evidence": evidence,
        "number": Numbers(evidence),
        "names": names,
        "baselines": names[1:],
        "takes_steps": any("rate" in one for one in evidence["learners"]),
        "how": "percent" if share else "brief",
        "how_difference": "points" if share else "change",
        "metric": _metric(evidence),
        "metric_difference": f"percentage points of {_metric(evidence)}" if share else _metric(evidence),
        "marks": {word: mark(look) for word, look in LOOKS.items()},
        "difference_at": {(d["baseline"], d["shots"]): i for i, d in enumerate(evidence["differences"])},
        "swatches": [(name, plots.swatch(i)) for i, name in enumerate(names)],
        "by_shots": _by_shots(evidence, names),
        "by_steps": _by_steps(evidence, names),
        "forests": _forests(evidence),
        "calibrations": list(_calibrations(evidence)),
        "episodes": _episodes(evidence),
        "config": config_text,
        "version": version("sharewise"),
    }


def _metric(evidence: Evidence) -> str:
    unit = f" ({evidence['unit']}²)" if evidence["unit"] and evidence["metric"] == "mse" else ""
    return numbers.metric(evidence["metric"]) + unit


def _by_shots(evidence: Evidence, names: list[str]) -> Markup:
    series = {
        name: [
            _point(entry["shots"], entry["learners"][name])
            for entry in evidence["by_shots"]
            if name in entry["learners"]
        ]
        for name in names
    }
    return _lines("by-shots", evidence, "shots", series, names, spread_x=True)


def _by_steps(evidence: Evidence, names: list[str]) -> Markup | None:
    if not evidence["by_steps"]:
        return None
    series = {
        name: [_point(entry["steps"], entry) for entry in own] for name, own in evidence["by_steps"].items()
    }
    return _lines("by-steps", evidence, "steps of adaptation", series, names, spread_x=False)


def _lines(
    ident: str,
    evidence: Evidence,
    across: str,
    series: dict[str, list[Point]],
    names: list[str],
    spread_x: bool,
) -> Markup:
    return plots.lines(
        ident,
        f"{_metric(evidence)} by {across}",
        (across, _metric(evidence)),
        series,
        places={name: i for i, name in enumerate(names)},
        spread_x=spread_x,
        spread_y=not evidence["higher_is_better"],
    )


def _point(x: float, found: dict[str, Any]) -> Point:
    return Point(x, found["mean"], found["low"], found["high"])


def _forests(evidence: Evidence) -> list[tuple[int, Markup]]:
    share = evidence["metric"] == "accuracy"
    show, factor = (_two_digits, 100.0) if share else (numbers.change, 1.0)
    drawn = []
    for entry in evidence["by_shots"]:
        shots = entry["shots"]
        effects = [
            {
                "structure": one["baseline"],
                "verdict": LOOKS[one["verdict"]],
                **{key: factor * one[key] for key in ("difference", "low", "high")},
            }
            for one in evidence["differences"]
            if one["shots"] == shots
        ]
        if effects:
            drawn.append((shots, plots.forest(f"forest-{shots}", f"{shots} shots", effects, show)))
    return drawn


def _two_digits(value: float | None) -> str:
    return numbers.signed(value, 2)


def _calibrations(evidence: Evidence) -> Iterator[tuple[str, Markup]]:
    shots = evidence["reference"]["shots"]
    seen = {
        name: one for name, found in evidence["calibration"].items() for one in found if one["shots"] == shots
    }
    for i, (name, one) in enumerate(list(seen.items())[:PLOTTED]):
        if one["type"] == "probability":
            yield name, plots.calibration(f"calibration-{i}", name, one)
        else:
            yield f"{name}: intervals", plots.coverage(f"coverage-{i}", name, one["levels"])
            yield f"{name}: where labels fall", plots.transform(f"transform-{i}", name, one["transform"])


def _episodes(evidence: Evidence) -> list[tuple[str, Markup]]:
    shown = evidence["examples"]
    if shown is None:
        return []
    drawn = []
    for i, episode in enumerate(shown["episodes"]):
        ident, title = f"episode-{i}", f"Test episode {i + 1}"
        if shown["type"] == "curves":
            plot = plots.fits(ident, title, episode, shown["learners"])
        elif shown["type"] == "images":
            plot = plots.cards(ident, title, episode)
        else:
            plot = plots.guesses(ident, title, episode)
        drawn.append((title, plot))
    return drawn
