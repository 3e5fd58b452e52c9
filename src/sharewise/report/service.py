"""The page of a running service: lists and why, arms side by side, experiments, training, what answers."""

from __future__ import annotations

from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

from sharewise.report import experiment
from sharewise.report.numbers import Numbers
from sharewise.report.page import make_environment
from sharewise.report.ranking import COHORTS, gates_of, main_measures, over_time, swatches

_ENVIRONMENT = make_environment()


def render_service(state: dict[str, Any]) -> str:
    """Return the page as HTML.

    Args:
        state: what the service gives of itself and of what was asked, as plain values.
    """
    page = _ENVIRONMENT.get_template("service.html.j2")
    return page.render(
        state=state,
        number=Numbers(state),
        dashboards=[
            experiment.dashboard(evidence, f"experiment-{place}")
            for place, evidence in enumerate(state["experiments"])
        ],
        trainings=[_training(one, f"training-{place}") for place, one in enumerate(state["training"])],
        said=said,
        moment=moment,
        marks=experiment.marks(),
        version=version("sharewise"),
    )


def said(arms: str) -> str:
    """Return what arms are called over a list."""
    return ", ".join(f"{arm} of {name}" for name, _, arm in (one.partition("=") for one in arms.split(";")))


def moment(seconds: float) -> str:
    """Return a time of the clock, UTC."""
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M:%S}"


def _training(one: dict[str, Any], ident: str) -> dict[str, Any]:
    measured = [record["measured"] for record in one["history"] if record["measured"] is not None]
    main = main_measures(measured[-1]) if measured else {}
    return {
        **one,
        "over_time": list(over_time(one, main, f"{ident}-time")),
        "gates": gates_of(one, list(main), f"{ident}-gates"),
        "cohorts": swatches(COHORTS[:3]),
        "tasks": swatches(main),
    }
