"""Forest plot: every structure's difference from the baseline on one task, with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from sharewise.report.numbers import signed
from sharewise.report.plots.svg import (
    HELPS,
    HURTS,
    INK,
    QUIET,
    RULE,
    UNKNOWN,
    Scale,
    element,
    label,
    line,
    picture,
    scale,
    shortened,
    tick_text,
)

WIDTH, LEFT, RIGHT, ROW, TOP = 380, 122, 318, 27, 8
COLOUR = {"helps": HELPS, "hurts": HURTS, "can't tell": UNKNOWN}
#: How a difference is written.
Show = Callable[[float | None], str]


def forest(ident: str, task: str, effects: Sequence[dict[str, Any]], show: Show = signed) -> Markup:
    """Return the plot of one task's effects (entries of ``effects`` in ``metrics.json``).

    Args:
        ident: unlike any other on the page.
        task: what the effects are on.
        effects: one a row.
        show: how a difference is written.
    """
    bounds = [v for e in effects for v in (e["difference"], e["low"], e["high"]) if v is not None]
    x = scale([0.0, *bounds], LEFT, RIGHT)
    bottom = TOP + ROW * len(effects)
    rows = [part for i, e in enumerate(effects) for part in _row(e, x, TOP + ROW * (i + 0.5), show)]
    return picture(
        ident,
        (WIDTH, bottom + 30),
        f"Differences on {task}",
        "; ".join(f"{e['structure']}: {_words(e, show)}" for e in effects),
        *_axis(x, bottom),
        *rows,
    )


def marker(verdict: str, x: float, y: float) -> Markup:
    """Return the mark of a verdict: a full circle helps, a full diamond hurts, an empty circle can't tell."""
    if verdict == "hurts":
        points = f"{x:.2f},{y - 6:.2f} {x + 6:.2f},{y:.2f} {x:.2f},{y + 6:.2f} {x - 6:.2f},{y:.2f}"
        return element("polygon", points=points, fill=HURTS)
    full = verdict == "helps"
    return element(
        "circle", cx=x, cy=y, r=5, fill=HELPS if full else "#fff", stroke=COLOUR[verdict], stroke_width=2
    )


def _axis(x: Scale, bottom: float) -> list[Markup]:
    ticks = x.ticks(3)
    marks = [line(x(t), TOP, x(t), bottom, stroke=RULE) for t in ticks if t]
    texts = [
        label(x(t), bottom + 18, tick_text(t), fill=QUIET, font_size=12, text_anchor="middle") for t in ticks
    ]
    return [*marks, line(x(0), TOP, x(0), bottom + 4, stroke=INK), *texts]


def _row(effect: dict[str, Any], x: Scale, y: float, show: Show) -> list[Markup]:
    name, difference = effect["structure"], effect["difference"]
    drawn = [label(LEFT - 10, y + 4, shortened(name, 16), fill=INK, font_size=12, text_anchor="end")]
    if effect["low"] is not None:
        colour = COLOUR[effect["verdict"]]
        drawn.append(line(x(effect["low"]), y, x(effect["high"]), y, stroke=colour, stroke_width=2.5))
    if difference is not None:
        drawn.append(marker(effect["verdict"], x(difference), y))
        drawn.append(label(WIDTH - 2, y + 4, show(difference), fill=INK, font_size=13, text_anchor="end"))
    return drawn


def _words(effect: dict[str, Any], show: Show) -> str:
    if effect["low"] is None:
        return str(effect["verdict"])
    interval = f"{show(effect['low'])} to {show(effect['high'])}"
    return f"{effect['verdict']}, {show(effect['difference'])}, interval {interval}"
