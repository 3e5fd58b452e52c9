"""A quantity over the looks at an experiment, with its interval as a band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from sharewise.report.plots.axes import Axes
from sharewise.report.plots.svg import COLOURS, DASHES, INK, element, line, path, picture, scale

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 232, 52, 366, 30, 190
#: Points drawn of one line.
MOST = 120


class Estimate(NamedTuple):
    """A quantity at a look, counted from 1, with its interval."""

    look: int
    value: float
    low: float
    high: float


def band(
    ident: str,
    title: str,
    y_title: str,
    series: Mapping[str, Sequence[Estimate]],
    *,
    places: Mapping[str, int],
) -> Markup:
    """Return the plot, with a line at 0.

    The first intervals are far wider than the last, so heights follow the values, and the intervals of the
    later half; what reaches out is cut.

    Args:
        ident: unlike any other on the page.
        title: of the plot.
        y_title: what is estimated.
        series: by name, in the order of looks.
        places: numbers of the names, which give colours and dashes.
    """
    drawn = {name: _thinned(own) for name, own in series.items() if own}
    every = [estimate for own in drawn.values() for estimate in own]
    late = [e for own in drawn.values() for e in own[len(own) // 2 :]]
    heights = [0.0, *(e.value for e in every), *(v for e in late for v in (e.low, e.high))]
    across = [float(e.look) for e in every] or [1.0, 2.0]
    axes = Axes(scale(across, LEFT, RIGHT, 0.03), scale(heights, BOTTOM, TOP))
    words = "; ".join(
        f"{name} {own[-1].value:.3g}, {own[-1].low:.3g} to {own[-1].high:.3g}" for name, own in drawn.items()
    )
    bands = [_band(own, axes, places[name]) for name, own in drawn.items()]
    courses = [part for name, own in drawn.items() for part in _line(own, axes, places[name])]
    zero = line(LEFT, axes.y(0.0), RIGHT, axes.y(0.0), stroke=INK, stroke_dasharray="4 4")
    return picture(
        ident,
        (WIDTH, HEIGHT),
        title,
        f"{y_title} at the last look: {words}",
        *bands,
        *axes.draw("look", y_title),
        zero,
        *courses,
    )


def _thinned(estimates: Sequence[Estimate]) -> list[Estimate]:
    every = -(-len(estimates) // MOST) or 1
    return [*estimates[:-1:every], *estimates[-1:]]


def _band(estimates: Sequence[Estimate], axes: Axes, place: int) -> Markup:
    def height(value: float) -> float:
        return min(max(axes.y(value), TOP), BOTTOM)

    upper = [f"{axes.x(e.look):.2f},{height(e.high):.2f}" for e in estimates]
    lower = [f"{axes.x(e.look):.2f},{height(e.low):.2f}" for e in reversed(estimates)]
    colour = COLOURS[place % len(COLOURS)]
    return element("polygon", points=" ".join([*upper, *lower]), fill=colour, fill_opacity=0.16)


def _line(estimates: Sequence[Estimate], axes: Axes, place: int) -> list[Markup]:
    colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)] or None
    at = [(axes.x(e.look), axes.y(e.value)) for e in estimates]
    dot = element("circle", cx=at[-1][0], cy=at[-1][1], r=3, fill=colour)
    return [*([path(at, stroke=colour, stroke_width=2.2, stroke_dasharray=dash)] if len(at) > 1 else []), dot]
