"""Calibration of intervals: what they hold against what they should, and where labels fall within them."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from sharewise.report.plots.axes import Axes
from sharewise.report.plots.svg import COLOURS, QUIET, Scale, element, line, path, picture, scale

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 300, 52, 366, 30, 258
LINE, FILL = COLOURS[1], "#dbe9f4"


def coverage(ident: str, name: str, levels: Sequence[dict[str, float]]) -> Markup:
    """Return the plot of one learner (``levels`` of an entry of ``calibration``)."""
    axes = Axes(Scale(0.4, 1.0, LEFT, RIGHT), scale(_ends(levels), BOTTOM, TOP))
    low, high = max(axes.x.low, axes.y.low), min(axes.x.high, axes.y.high)
    diagonal = [(axes.x(value), axes.y(value)) for value in (low, high)]
    points = [(axes.x(one["level"]), axes.y(one["mean"])) for one in levels]
    bars = [
        line(x, axes.y(one["low"]), x, axes.y(one["high"]), stroke=LINE, stroke_width=2)
        for (x, _), one in zip(points, levels, strict=True)
    ]
    return picture(
        ident,
        (WIDTH, HEIGHT),
        f"What the intervals of {name} hold",
        "; ".join(f"{one['level']:.0%} interval holds {one['mean']:.1%}" for one in levels),
        *axes.draw("level of the interval", "share of rows inside"),
        path(diagonal, stroke=QUIET, stroke_dasharray="4 4"),
        path(points, stroke=LINE, stroke_width=2),
        *bars,
        *(element("circle", cx=x, cy=y, r=4, fill=LINE) for x, y in points),
    )


def _ends(levels: Sequence[dict[str, float]]) -> list[float]:
    return [0.4, 1.0, *(one[key] for one in levels for key in ("low", "high"))]


def transform(ident: str, name: str, shares: Sequence[float]) -> Markup:
    """Return the histogram of the probability integral transform (``transform`` there); flat is right."""
    bins = len(shares)
    axes = Axes(Scale(0.0, 1.0, LEFT, RIGHT), Scale(0.0, max(*shares, 2 / bins) * 1.06, BOTTOM, TOP))
    width = (RIGHT - LEFT) / bins
    bars = [
        element(
            "rect",
            x=LEFT + width * i + 1,
            y=axes.y(share),
            width=width - 2,
            height=BOTTOM - axes.y(share),
            fill=FILL,
            stroke=LINE,
        )
        for i, share in enumerate(shares)
    ]
    return picture(
        ident,
        (WIDTH, HEIGHT),
        f"Where labels fall in the predictions of {name}",
        "Shares of rows by tenths of the predicted distribution: " + ", ".join(f"{s:.1%}" for s in shares),
        *axes.draw("place in the predicted distribution", "share of rows"),
        *bars,
        line(LEFT, axes.y(1 / bins), RIGHT, axes.y(1 / bins), stroke=QUIET, stroke_dasharray="4 4"),
    )
