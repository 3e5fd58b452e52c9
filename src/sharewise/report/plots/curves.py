"""Learning curves: validation score or loss against epochs, all structures in one plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from sharewise.report.plots.axes import Axes
from sharewise.report.plots.svg import COLOURS, DASHES, element, line, path, picture, scale

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 262, 52, 366, 30, 220
#: Points drawn of one line.
MOST = 60

Runs = Sequence[dict[str, Any]]
Points = list[tuple[float, float]]
Read = Callable[[dict[str, Any]], float | None]


def curves(ident: str, title: str, y_title: str, runs: Mapping[str, Runs], read: Read) -> Markup:
    """Return the plot.

    Args:
        ident: unlike any other on the page.
        title: of the plot.
        y_title: what `read` reads.
        runs: ``curves`` of ``metrics.json``; thin lines are seeds, the thick one is their mean.
        read: a record of the log -> the value to draw, or None.
    """
    drawn = {name: [_points(run["records"], read) for run in own] for name, own in runs.items()}
    every = [point for own in drawn.values() for points in own for point in points]
    axes = Axes(scale([x for x, _ in every], LEFT, RIGHT, 0.03), scale([y for _, y in every], BOTTOM, TOP))
    lines = [
        part
        for i, own in enumerate(drawn.values())
        for part in _lines(own, axes, COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)])
    ]
    ends = "; ".join(f"{name} {_end(own)}" for name, own in drawn.items())
    return picture(
        ident, (WIDTH, HEIGHT), title, f"{y_title} at the end: {ends}", *axes.draw("epoch", y_title), *lines
    )


def swatch(index: int) -> Markup:
    """Return a short piece of the line of the structure with this number, for a legend."""
    stroke = {
        "stroke": COLOURS[index % len(COLOURS)],
        "stroke_dasharray": DASHES[index % len(DASHES)] or None,
    }
    return element(
        "svg",
        line(0, 5, 34, 5, stroke_width=3, **stroke),
        viewBox="0 0 34 10",
        width=34,
        height=10,
        aria_hidden="true",
    )


def _points(records: Sequence[dict[str, Any]], read: Read) -> Points:
    found = [(record["epoch"], read(record)) for record in records]
    points = [(x, y) for x, y in found if y is not None]
    step = -(-len(points) // MOST) or 1
    return [*points[:-1:step], *points[-1:]]


def _lines(own: list[Points], axes: Axes, colour: str, dash: str) -> list[Markup]:
    thin = [_line(points, axes, stroke=colour, stroke_width=1, opacity=0.35) for points in own if points]
    mean = _mean(own)
    thick = [_line(mean, axes, stroke=colour, stroke_width=2.6, stroke_dasharray=dash or None)]
    dots = [element("circle", cx=axes.x(x), cy=axes.y(y), r=3, fill=colour) for x, y in mean]
    return [*thin, *thick, *(dots if len(mean) <= 12 else [])]


def _line(points: Points, axes: Axes, **attributes: str | float | None) -> Markup:
    return path([(axes.x(x), axes.y(y)) for x, y in points], **attributes)


def _mean(own: list[Points]) -> Points:
    # As far as all seeds go: a mean over fewer would jump where one stops early.
    return [
        (together[0][0], sum(y for _, y in together) / len(together)) for together in zip(*own, strict=False)
    ]


def _end(own: list[Points]) -> str:
    ends = [points[-1][1] for points in own if points]
    return f"{sum(ends) / len(ends):.3f}" if ends else "unknown"
