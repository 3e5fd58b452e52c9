"""An episode and what was predicted for it: curves over one input, or predictions against labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from sharewise.report.plots.axes import Axes
from sharewise.report.plots.svg import COLOURS, INK, QUIET, element, line, path, picture, scale

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 262, 52, 366, 30, 220
LINE, BAND = COLOURS[1], "#c9ddee"
#: Standard deviations on either side that hold 90 % of a Gaussian.
REACH = 1.645


def fits(ident: str, title: str, episode: dict[str, Any], learners: Sequence[str]) -> Markup:
    """Return one episode over its one input (an entry of ``examples`` of type "curves").

    The first learner is a full line, with its 90 % band if it has one; the others are dashed and grey.
    """
    first = episode["predicted"][learners[0]]
    points = [*episode["support"], *episode["query"]]
    heights = [y for _, y in points] + first["mean"]
    axes = Axes(scale([x for x, _ in points] + first["x"], LEFT, RIGHT, 0.02), scale(heights, BOTTOM, TOP))
    inside = element(
        "clipPath", element("rect", x=LEFT, y=TOP, width=RIGHT - LEFT, height=BOTTOM - TOP), id=f"{ident}-in"
    )
    lines = [
        path(
            _at(axes, found["x"], found["mean"]),
            stroke=LINE if name == learners[0] else QUIET,
            stroke_width=2.4 if name == learners[0] else 1.6,
            stroke_dasharray=None if name == learners[0] else "5 4",
        )
        for name, found in reversed(episode["predicted"].items())
    ]
    drawn = element("g", *_band(axes, first), *lines, clip_path=f"url(#{ident}-in)")
    words = f"{len(episode['support'])} support points, {len(episode['query'])} query points"
    return picture(
        ident,
        (WIDTH, HEIGHT),
        title,
        words,
        *axes.draw("input", "label"),
        inside,
        drawn,
        *_points(axes, episode),
    )


def _at(axes: Axes, xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
    return [(axes.x(x), axes.y(y)) for x, y in zip(xs, ys, strict=True)]


def _band(axes: Axes, found: dict[str, Any]) -> list[Markup]:
    if found["sd"] is None:
        return []
    pairs = list(zip(found["mean"], found["sd"], strict=True))
    upper = _at(axes, found["x"], [mean + REACH * sd for mean, sd in pairs])
    lower = _at(axes, found["x"], [mean - REACH * sd for mean, sd in pairs])
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*upper, *reversed(lower)])
    return [element("polygon", points=corners, fill=BAND)]


def _points(axes: Axes, episode: dict[str, Any]) -> list[Markup]:
    query = [
        element("circle", cx=axes.x(x), cy=axes.y(y), r=3.4, fill="#fff", stroke=INK, stroke_width=1.3)
        for x, y in episode["query"]
    ]
    support = [
        element("rect", x=axes.x(x) - 4, y=axes.y(y) - 4, width=8, height=8, fill=INK)
        for x, y in episode["support"]
    ]
    return [*query, *support]


def guesses(ident: str, title: str, episode: dict[str, Any]) -> Markup:
    """Return predictions against labels of one episode (an entry of ``examples`` of type "rows")."""
    if episode["of"] == "probability":
        return _probabilities(ident, title, episode["points"])
    points, spreads = episode["points"], episode["sd"] or []
    bars = [(p - REACH * sd, p + REACH * sd, y) for (p, y), sd in zip(points, spreads, strict=False)]
    across = [*(p for p, _ in points), *(end for low, high, _ in bars for end in (low, high))]
    heights = [value for pair in points for value in pair]
    axes = Axes(scale(across, LEFT, RIGHT), scale(heights, BOTTOM, TOP))
    low, high = max(axes.x.low, axes.y.low), min(axes.x.high, axes.y.high)
    reaches = [
        line(axes.x(a), axes.y(y), axes.x(b), axes.y(y), stroke=BAND, stroke_width=3) for a, b, y in bars
    ]
    dots = [element("circle", cx=axes.x(p), cy=axes.y(y), r=3.4, fill=LINE) for p, y in points]
    return picture(
        ident,
        (WIDTH, HEIGHT),
        title,
        f"{len(points)} query rows",
        *axes.draw("predicted", "label"),
        *reaches,
        path([(axes.x(v), axes.y(v)) for v in (low, high)], stroke=QUIET, stroke_dasharray="4 4"),
        *dots,
    )


def _probabilities(ident: str, title: str, points: Sequence[Sequence[float]]) -> Markup:
    axes = Axes(scale([0.0, 1.0], LEFT, RIGHT, 0.02), scale([-0.35, 1.35], BOTTOM, TOP))
    rows = []
    for i, (said, true) in enumerate(points):  # spread a little, so that rows do not hide each other
        x, y = axes.x(said), axes.y(true + 0.06 * (i % 7 - 3))
        rows.append(line(x, y - 5, x, y + 5, stroke=LINE, stroke_width=2))
    right = sum(1 for said, true in points if (said > 0.5) == (true > 0.5))
    words = f"{len(points)} query rows, {right} on the right side of one half"
    drawn = axes.draw("predicted probability", "came true: 1, did not: 0")
    return picture(ident, (WIDTH, HEIGHT), title, words, *drawn, *rows)
