"""Calibration: mean prediction against mean label, by tenths of the predictions; and a strip of residuals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from sharewise.report.plots.axes import Axes
from sharewise.report.plots.svg import (
    COLOURS,
    INK,
    QUIET,
    RULE,
    element,
    label,
    line,
    path,
    picture,
    scale,
    tick_text,
)

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 380, 62, 366, 30, 260
STRIP = 74
LINE = COLOURS[1]


def calibration(ident: str, task: str, found: dict[str, Any]) -> Markup:
    """Return the plot of one task (an entry of ``calibration`` in ``metrics.json``)."""
    pairs = [(one["predicted"], one["observed"]) for one in found["bins"]]
    values = [value for pair in pairs for value in pair]
    axes = Axes(scale(values, LEFT, RIGHT), scale(values, BOTTOM, TOP))
    residuals = found.get("residuals")
    height = BOTTOM + 42 + (STRIP if residuals else 0)
    what = "probability" if found["type"] == "probability" else "mean"
    return picture(
        ident,
        (WIDTH, height),
        f"Calibration of {task}",
        "; ".join(f"predicted {p:.3g}, observed {o:.3g}" for p, o in pairs),
        *axes.draw(f"predicted {what}", "observed"),
        *_line(axes, pairs, [one["rows"] for one in found["bins"]]),
        *(_strip(residuals, BOTTOM + 42) if residuals else []),
    )


def _line(axes: Axes, pairs: list[tuple[float, float]], rows: list[int]) -> list[Markup]:
    ends = [(axes.x(v), axes.y(v)) for v in (axes.x.low, axes.x.high)]
    points = [(axes.x(p), axes.y(o)) for p, o in pairs]
    mean = sum(rows) / max(len(rows), 1)  # a dot's area is its share of the rows, within reason
    sizes = [min(max(4 * (count / mean) ** 0.5, 1.5), 8.0) for count in rows]
    dots = [element("circle", cx=x, cy=y, r=r, fill=LINE) for (x, y), r in zip(points, sizes, strict=True)]
    return [
        path(ends, stroke=QUIET, stroke_dasharray="4 4"),
        path(points, stroke=LINE, stroke_width=2),
        *dots,
    ]


def _strip(residuals: Mapping[str, float], top: float) -> list[Markup]:
    """A box: half of the residuals inside, nine tenths inside the whiskers."""
    x = scale([0.0, *residuals.values()], LEFT, RIGHT)
    low, q1, median, q3, high = (x(residuals[q]) for q in ("0.05", "0.25", "0.5", "0.75", "0.95"))
    y = top + 28
    ticks = [
        label(x(t), y + 32, tick_text(t), fill=QUIET, font_size=12, text_anchor="middle") for t in x.ticks(4)
    ]
    return [
        label(LEFT - 6 - 50, top + 6, "label minus prediction", fill=QUIET, font_size=12),
        line(x(0), y - 14, x(0), y + 16, stroke=QUIET, stroke_dasharray="4 4"),
        line(LEFT, y + 16, RIGHT, y + 16, stroke=RULE),
        line(low, y, high, y, stroke=LINE, stroke_width=2),
        element("rect", x=q1, y=y - 9, width=max(q3 - q1, 1.0), height=18, fill="#dbe9f4", stroke=LINE),
        line(median, y - 9, median, y + 9, stroke=INK, stroke_width=2.5),
        *ticks,
    ]
