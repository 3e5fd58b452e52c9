"""The page of an experiment: what its looks allow to say, effects over time with intervals, alarms."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from markupsafe import Markup

from sharewise import files
from sharewise.report import plots
from sharewise.report.numbers import Numbers
from sharewise.report.page import make_environment
from sharewise.report.plots.band import Estimate

Evidence = dict[str, Any]

#: What a verdict looks like, as a mark of a plot.
LOOKS = {"better": "helps", "worse": "hurts", "can't tell yet": "can't tell"}
#: Advice in a sentence; "{}" is the arm.
ADVICE = {
    "go on": "nothing is decided yet: let it run on",
    "winner": "{} is better: it can take all traffic",
    "worse": "no arm is better than {}, and all are worse: end it",
    "guard": "{} makes a guarded outcome worse than it may: end it",
    "mismatch": "arms do not have the users that they should have: find out why, and believe nothing else",
}


def write_experiment_page(path: str | Path, evidence: Evidence, config_text: str) -> Path:
    """Write the page of an experiment, and what it shows as JSON beside it.

    Args:
        path: the page to write.
        evidence: ``plan``, ``same`` (whether its arms answer alike), ``looks`` and ``set_aside``, as plain
            values.
        config_text: the experiment's file.

    Returns:
        The path of the JSON file.
    """
    path = Path(path)
    beside = path.with_suffix(".json")
    page = render_experiment(evidence, config_text, beside.name)
    files.write_json(beside, evidence)
    files.write_bytes(path, page.encode())
    return beside


def render_experiment(evidence: Evidence, config_text: str, beside: str) -> str:
    """Return the page as HTML; `beside` is the name of the JSON file with its numbers."""
    page = make_environment().get_template("experiment.html.j2")
    board = dashboard(evidence, "experiment")
    return page.render(
        **board,
        board=board,
        config=config_text,
        beside=beside,
        version=version("sharewise"),
        marks=marks(),
    )


def marks() -> dict[str, Markup]:
    """Return the mark of every verdict."""
    return {word: _mark(look) for word, look in LOOKS.items()}


def dashboard(evidence: Evidence, ident: str) -> dict[str, Any]:
    """Return what the template's dashboard reads of one experiment.

    Args:
        evidence: of it.
        ident: begins the names of its plots, unlike any other's on the page.
    """
    looks = evidence["looks"]
    last = looks[-1] if looks else None
    arms = [arm["name"] for arm in evidence["plan"]["arms"]]
    return {
        "evidence": evidence,
        "number": Numbers(evidence),
        "ident": ident,
        "last": last,
        "advice": said(evidence),
        "readings": list(enumerate(last["readings"])) if last else [],
        "arms": [(name, plots.swatch(place)) for place, name in enumerate(arms) if place],
        "effects": _effects(evidence, arms, ident),
    }


def said(evidence: Evidence) -> str:
    """Return what the last look advises, in a sentence without its full stop."""
    looks = evidence["looks"]
    if not looks:
        return "nobody has been seen in it yet"
    sentence = ADVICE[looks[-1]["advice"]].format(looks[-1]["winner"])
    if evidence["same"] and looks[-1]["advice"] not in ("go on", "mismatch"):
        return f"a false alarm, since all arms answer alike ({sentence})"
    return sentence


def _effects(evidence: Evidence, arms: list[str], ident: str) -> list[tuple[str, Markup]]:
    found = []
    for place, outcome in enumerate(evidence["plan"]["outcomes"]):
        series: dict[str, list[Estimate]] = {arm: [] for arm in arms[1:]}
        for look, one in enumerate(evidence["looks"]):
            for reading in one["readings"]:
                if reading["outcome"] == outcome["name"]:
                    values = (100 * reading[name] for name in ("change", "low", "high"))
                    series[reading["arm"]].append(Estimate(look + 1, *values))
        if any(series.values()):
            places = {arm: number for number, arm in enumerate(arms)}
            title = f"{outcome['name']} against {arms[0]}"
            plot = plots.band(f"{ident}-{place}", title, "change, %", series, places=places)
            found.append((outcome["name"], plot))
    return found


def _mark(look: str) -> Markup:
    drawn = plots.marker(look, 7, 7)
    return Markup('<svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">{}</svg>').format(drawn)
