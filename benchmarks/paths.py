"""Paths over a landscape as one SVG file: a panel a method, starts as circles, ends as dots."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SIDE, GAP, TITLE, COLUMNS = 150, 14, 18, 5
LOW, HIGH = -12.0, 12.0
CELLS = 48
COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#222222")


def draw(panels: dict[str, Array], objectives: Callable[[Array], tuple[Array, Array]]) -> str:
    """Return the SVG.

    Args:
        panels: paths ``[starts, places, 2]`` by title.
        objectives: values of places; the landscape is the rank of their sum.
    """
    rows = -(-len(panels) // COLUMNS)
    width = COLUMNS * SIDE + (COLUMNS + 1) * GAP
    height = rows * (SIDE + TITLE + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'style="font-family:sans-serif;font-size:12px;background:#fff">',
        f'<defs><g id="land">{_land(objectives)}</g></defs>',
    ]
    for number, (title, paths) in enumerate(panels.items()):
        left = GAP + number % COLUMNS * (SIDE + GAP)
        top = GAP + number // COLUMNS * (SIDE + TITLE + GAP)
        parts.append(f'<g transform="translate({left},{top})"><text y="12">{escape(title)}</text>')
        parts.append(f'<g transform="translate(0,{TITLE})"><use href="#land"/>{_paths(paths)}</g></g>')
    return "\n".join([*parts, "</svg>"])


def _land(objectives: Callable[[Array], tuple[Array, Array]]) -> str:
    edges = np.linspace(LOW, HIGH, CELLS + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    a, b = np.meshgrid(middle, middle[::-1])
    values = objectives(np.stack([a.ravel(), b.ravel()], 1))[0]
    total = (values / np.abs(values).max(0)).sum(1)
    ranks = total.argsort().argsort() / (len(total) - 1)
    shade = (215 + 40 * ranks.reshape(CELLS, CELLS)).astype(int)
    cell = SIDE / CELLS
    found = []
    for row in range(CELLS):
        start = 0
        for column in range(1, CELLS + 1):  # neighbours of one shade in one rectangle
            if column == CELLS or shade[row, column] // 4 != shade[row, start] // 4:
                grey = shade[row, start] // 4 * 4
                length = (column - start) * cell + 0.3
                found.append(
                    f'<rect x="{start * cell:.2f}" y="{row * cell:.2f}" width="{length:.2f}" '
                    f'height="{cell + 0.3:.2f}" fill="rgb({grey},{grey},{min(grey + 6, 255)})"/>'
                )
                start = column
    return "".join(found)


def _paths(paths: Array) -> str:
    found = []
    for path, colour in zip(paths, COLOURS, strict=True):
        places = (path - LOW) / (HIGH - LOW) * SIDE
        places[:, 1] = SIDE - places[:, 1]
        inside = places.clip(0, SIDE)
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in inside)
        (x0, y0), (x1, y1) = inside[0], inside[-1]
        found.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.4"/>'
            f'<circle cx="{x0:.1f}" cy="{y0:.1f}" r="2.5" fill="#fff" stroke="{colour}"/>'
            f'<circle cx="{x1:.1f}" cy="{y1:.1f}" r="2.8" fill="{colour}"/>'
        )
    return "".join(found)
