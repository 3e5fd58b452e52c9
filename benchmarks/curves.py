"""Curves with bands as one SVG file, without a plotting library: panels side by side, a legend below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, MARGIN, GAP = 260, 200, 46, 24
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
STYLE = "font-family:sans-serif;font-size:11px"


@dataclass(frozen=True)
class Curve:
    """A line with a band around it; all of one length."""

    name: str
    x: Sequence[float]
    middle: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class Scale:
    """From data to pixels within a panel."""

    x_max: float
    y_max: float
    left: float

    def point(self, x: float, y: float) -> str:
        across = self.left + WIDTH * x / self.x_max
        down = MARGIN / 2 + HEIGHT * (1 - min(y, self.y_max) / self.y_max)
        return f"{across:.1f},{down:.1f}"


def draw(panels: dict[str, Sequence[Curve]], x_label: str, y_label: str) -> str:
    """Return the SVG: a panel a title, one vertical scale for all, one colour for a name in all."""
    curves = [curve for panel in panels.values() for curve in panel]
    y_max = max(max(curve.high) for curve in curves)
    x_max = max(max(curve.x) for curve in curves)
    names = list(dict.fromkeys(curve.name for curve in curves))
    colours = dict(zip(names, COLOURS, strict=False))
    width = MARGIN + len(panels) * (WIDTH + GAP)
    height = HEIGHT + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" style="{STYLE}">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text transform="translate(12,{MARGIN / 2 + HEIGHT / 2}) rotate(-90)" '
        f'text-anchor="middle">{y_label}</text>',
    ]
    for i, (title, panel) in enumerate(panels.items()):
        scale = Scale(x_max, y_max, MARGIN + i * (WIDTH + GAP))
        parts += _frame(scale, title, x_label, ticks=i == 0)
        parts += [part for curve in panel for part in _curve(curve, scale, colours[curve.name])]
    return "\n".join([*parts, *_legend(names, height - 8), "</svg>\n"])


def _frame(scale: Scale, title: str, x_label: str, ticks: bool) -> list[str]:
    top, bottom, middle = MARGIN / 2, MARGIN / 2 + HEIGHT, scale.left + WIDTH / 2
    parts = [
        f'<path d="M{scale.left},{top}V{bottom}H{scale.left + WIDTH}" fill="none" stroke="#888"/>',
        f'<text x="{middle}" y="{top - 8}" text-anchor="middle">{title}</text>',
        f'<text x="{middle}" y="{bottom + 16}" text-anchor="middle">{x_label} (to {scale.x_max:g})</text>',
    ]
    for tick in range(5) if ticks else ():
        value = scale.y_max * tick / 4
        _, y = scale.point(0, value).split(",")
        parts.append(f'<text x="{scale.left - 4}" y="{y}" dy="4" text-anchor="end">{value:.2g}</text>')
    return parts


def _curve(curve: Curve, scale: Scale, colour: str) -> list[str]:
    line = " ".join(map(scale.point, curve.x, curve.middle))
    upper = list(map(scale.point, curve.x, curve.high))
    lower = list(map(scale.point, curve.x, curve.low))
    return [
        f'<polygon points="{" ".join(upper + lower[::-1])}" fill="{colour}" opacity="0.2"/>',
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>',
    ]


def _legend(names: Sequence[str], y: float) -> list[str]:
    return [
        f'<text x="{MARGIN + 130 * i}" y="{y}" fill="{COLOURS[i]}">■ {name}</text>'
        for i, name in enumerate(names)
    ]
