"""What the page at ``/`` shows: lists beside each other and why, experiments, and what answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from sharewise.errors import DataError, SharewiseError
from sharewise.ranking.service.context import EITHER, Asking
from sharewise.ranking.service.lineup import Lineup
from sharewise.ranking.service.service import Service

#: Fields of a context begin so, to tell them from those of the page.
CONTEXT = "context."
#: Lists beside each other, and the fields that say which.
SIDES = ("left", "right")
#: Items of a list, if nothing is said.
COUNT = 10


def page_state(service: Service, asked: Mapping[str, str], most: int) -> dict[str, Any]:
    """Return all that the page shows, as plain values.

    Args:
        service: answers.
        asked: the page's own fields: user, query, count, left, right and those of the context; empty before
            anything was asked.
        most: items of a list.
    """
    lineup = service.versions.current
    arms = [f"{plan.name}={arm}" for plan in lineup.plans for arm in plan.arm_names]
    lists, error = [], None
    if "user" in asked:
        try:
            lists = _lists(service, lineup.asking, asked, most)
        except SharewiseError as problem:
            error = {"problem": problem.problem, "remedy": problem.remedy}
    return {
        "form": {"user": "", "query": "", "count": str(COUNT), "left": "", "right": "", **asked},
        "must": list(lineup.asking.must),
        "may": list(lineup.asking.may),
        "arms": arms,
        "lists": lists,
        "error": error,
        "health": service.health(),
        "changes": service.changes(),
        "experiments": service.watching.evidence(),
        "training": _training(lineup),
    }


def _training(lineup: Lineup) -> list[dict[str, Any]]:
    """Return what every ranker that answers, and is no export, has to say of its training."""
    versions = {one.folders["ranker"].name: one for one in lineup.variants.values() if one.history}
    return [
        {
            "ranker": name,
            "sharing": version.ranker.plan.model.sharing,
            "alarm": version.ranker.plan.measure.alarm,
            "history": list(version.history),
        }
        for name, version in versions.items()
    ]


def _lists(service: Service, asking: Asking, asked: Mapping[str, str], most: int) -> list[dict[str, Any]]:
    user, query = (
        _value("user", asked["user"], asking.user),
        _value("query", asked.get("query", ""), asking.item),
    )
    count = _value("count", asked.get("count", "") or str(COUNT), pl.Int64())
    if not 1 <= count <= most:
        raise DataError(f"There are no lists of {count} items.", f"Ask for 1 to {most}.")
    known = {**asking.must, **asking.may}
    given = {name: asked.get(f"{CONTEXT}{name}", "") for name in known}
    context = {
        name: _value(name, text, known[name]) for name, text in given.items() if text or name in asking.must
    }
    sides = dict.fromkeys(asked.get(side, "") for side in SIDES)
    return [service.preview(user, query, context, count, arm) for arm in sides]


def _value(name: str, text: str, dtype: pl.DataType) -> Any:
    """Return what a field says, in the type of its column; nothing written is nothing known."""
    text = text.strip()
    if not text:
        return None
    if dtype == pl.String:
        return text
    try:
        return float(text) if dtype == pl.Float64 else int(text)
    except ValueError:
        if dtype == EITHER:
            return text
        raise DataError(f"'{name}' is '{text:.60}'.", "Write a number.") from None
