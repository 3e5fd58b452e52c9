"""Two goals against each other: a dot a trial, those of the front larger, and some trials by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from sharewise.report.plots.axes import Axes
from sharewise.report.plots.svg import COLOURS, INK, element, label, picture, scale, shortened

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 312, 56, 366, 30, 270
#: Dots that are drawn; the others are left out evenly.
MOST = 400
#: Pixels from one name to the next below it.
APART = 14.0

Point = tuple[float, float]


def trade_off(
    ident: str,
    title: str,
    titles: tuple[str, str],
    points: Sequence[Point],
    best: Sequence[int],
    named: Mapping[str, int],
) -> Markup:
    """Return the plot.

    Args:
        ident: unlike any other on the page.
        title: of the plot.
        titles: of the two axes.
        points: all trials.
        best: numbers of those on the front.
        named: numbers of those that have a name.
    """
    axes = Axes(scale([x for x, _ in points], LEFT, RIGHT), scale([y for _, y in points], BOTTOM, TOP))
    at = [(axes.x(x), axes.y(y)) for x, y in points]
    every = -(-len(at) // MOST) or 1
    dots = [element("circle", cx=x, cy=y, r=2, fill="#b9c2ca") for x, y in at[::every]]
    front = [element("circle", cx=x, cy=y, r=3.6, fill=COLOURS[1]) for x, y in (at[i] for i in best)]
    names = {name: at[i] for name, i in named.items()}
    words = "; ".join(f"{name} {points[i][0]:.3f}, {points[i][1]:.3f}" for name, i in named.items())
    return picture(
        ident,
        (WIDTH, HEIGHT),
        title,
        f"{titles[0]} and {titles[1]}: {words}",
        *axes.draw(*titles),
        *dots,
        *front,
        *_names(names),
    )


def _names(places: Mapping[str, Point]) -> list[Markup]:
    """Return marks with their names beside them, moved down where they would lie on another."""
    drawn, written = [], list[Point]()
    for name, (x, y) in sorted(places.items(), key=lambda one: (one[1][1], one[0])):
        left = x > (LEFT + RIGHT) / 2
        text, height = shortened(name, 14), y + 4
        for other, above in written:
            if abs(other - x) < 110 and abs(height - above) < APART:
                height = above + APART
        written.append((x, height))
        drawn.append(element("rect", x=x - 4, y=y - 4, width=8, height=8, fill=COLOURS[2], stroke="#fff"))
        drawn.append(
            label(
                x - 8 if left else x + 8,
                height,
                text,
                fill=INK,
                font_size=12,
                text_anchor="end" if left else "start",
                paint_order="stroke",
                stroke="#fff",
                stroke_width=3,
            )
        )
    return drawn
