"""A quantity against another, a line a learner, with an interval at every point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from sharewise.report.plots.axes import Axes
from sharewise.report.plots.svg import (
    COLOURS,
    DASHES,
    Scale,
    element,
    line,
    log_scale,
    path,
    picture,
    scale,
)

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 262, 52, 366, 30, 220
#: From this ratio of the largest to the smallest value on, the axis is logarithmic.
LOGARITHMIC = 20
#: Pixels between the same point of two lines, so that their intervals do not hide each other.
ASIDE = 2.5


class Point(NamedTuple):
    """A mean at a place, with its interval."""

    x: float
    mean: float
    low: float
    high: float


def lines(
    ident: str,
    title: str,
    titles: tuple[str, str],
    series: Mapping[str, Sequence[Point]],
    *,
    places: Mapping[str, int],
    spread_x: bool = False,
    spread_y: bool = False,
) -> Markup:
    """Return the plot.

    Args:
        ident: unlike any other on the page.
        title: of the plot.
        titles: of the two axes.
        series: by name; may be empty.
        places: numbers of the names, which give colours and dashes.
        spread_x: the x axis is logarithmic, with ticks at the points; 0 stands at its left end.
        spread_y: the y axis is logarithmic where the values ask for it.
    """
    axes = _axes([point for own in series.values() for point in own], spread_x, spread_y)
    middle = (len(series) - 1) / 2
    drawn = [
        part
        for i, (name, own) in enumerate(series.items())
        for part in _line(own, axes, places[name], ASIDE * (i - middle))
    ]
    words = "; ".join(f"{name} {_words(own)}" for name, own in series.items())
    return picture(ident, (WIDTH, HEIGHT), title, f"{titles[1]}: {words}", *axes.draw(*titles), *drawn)


def _axes(points: Sequence[Point], spread_x: bool, spread_y: bool) -> Axes:
    across = sorted({point.x for point in points})
    x: Scale = scale(across, LEFT, RIGHT, 0.05)
    if spread_x:
        room = [min(filter(None, across), default=1.0) / 3] if 0 in across else []
        x = log_scale([*room, *across], LEFT, RIGHT, 0.08, tuple(across))
    means = [point.mean for point in points]
    if spread_y and means and min(means) > 0 and max(means) > LOGARITHMIC * min(means):
        lows = [max(point.low, 0.5 * point.mean) for point in points]
        return Axes(x, log_scale([*lows, *(point.high for point in points)], BOTTOM, TOP))
    ends = [value for point in points for value in (point.low, point.high)]
    return Axes(x, scale(ends, BOTTOM, TOP))


def _line(points: Sequence[Point], axes: Axes, place: int, aside: float) -> list[Markup]:
    colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)] or None
    at = [(axes.x(point.x) + aside, axes.y(point.mean)) for point in points]
    bars = [
        line(x, axes.y(point.low), x, axes.y(point.high), stroke=colour, stroke_width=1.6)
        for (x, _), point in zip(at, points, strict=True)
    ]
    dots = [element("circle", cx=x, cy=y, r=3.2, fill=colour) for x, y in at]
    return [path(at, stroke=colour, stroke_width=2.2, stroke_dasharray=dash), *bars, *dots]


def _words(points: Sequence[Point]) -> str:
    return ", ".join(f"{point.mean:.3g} at {point.x:g}" for point in points)
