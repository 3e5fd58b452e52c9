"""A measure over the partitions of a log, a line a series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from sharewise.report.plots.axes import Axes
from sharewise.report.plots.svg import COLOURS, DASHES, QUIET, element, label, line, path, picture, scale

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 232, 52, 366, 30, 190
#: Points drawn of one line.
MOST = 120

Values = Sequence[float | None]


def course(
    ident: str,
    title: str,
    y_title: str,
    series: Mapping[str, Values],
    *,
    places: Mapping[str, int],
    level: tuple[float, str] | None = None,
) -> Markup:
    """Return the plot.

    Args:
        ident: unlike any other on the page.
        title: of the plot.
        y_title: what is measured.
        series: by name, a value a partition from the log's first on; None where nothing was measured.
        places: numbers of the names, which give colours and dashes.
        level: a height to draw a line at, and what it is.
    """
    points = {name: _points(values) for name, values in series.items()}
    every = [point for own in points.values() for point in own]
    heights = [y for _, y in every] + ([level[0]] if level else [])
    across = [float(x) for x, _ in every] or [1.0, 2.0]
    axes = Axes(scale(across, LEFT, RIGHT, 0.03), scale(heights, BOTTOM, TOP))
    drawn = [part for name, own in points.items() for part in _line(own, axes, places[name])]
    words = "; ".join(f"{name} {own[-1][1]:.3g}" for name, own in points.items() if own)
    return picture(
        ident,
        (WIDTH, HEIGHT),
        title,
        f"{y_title} of the last partition: {words}",
        *axes.draw("partition", y_title),
        *([] if level is None else _level(axes, *level)),
        *drawn,
    )


def _points(values: Values) -> list[tuple[int, float]]:
    points = [(place + 1, value) for place, value in enumerate(values) if value is not None]
    every = -(-len(points) // MOST) or 1
    return [*points[:-1:every], *points[-1:]]


def _line(points: list[tuple[int, float]], axes: Axes, place: int) -> list[Markup]:
    colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)] or None
    at = [(axes.x(x), axes.y(y)) for x, y in points]
    if len(at) == 1:
        return [element("circle", cx=at[0][0], cy=at[0][1], r=3, fill=colour)]
    return [path(at, stroke=colour, stroke_width=2.2, stroke_dasharray=dash)] if at else []


def _level(axes: Axes, height: float, text: str) -> list[Markup]:
    y = axes.y(height)
    return [
        line(LEFT, y, RIGHT, y, stroke=QUIET, stroke_dasharray="4 4"),
        label(RIGHT, y - 5, text, fill=QUIET, font_size=12, text_anchor="end"),
    ]
