"""Small tools to draw with: SVG elements as escaped text, scales with round ticks, colours."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup, escape

#: Told apart by people with any colour vision, and dark enough on white (after Okabe & Ito 2008).
COLOURS = ("#4d4d4d", "#0072b2", "#c04a00", "#007a5a", "#a3487f", "#1f88c9", "#8f6a00", "#5b3ea8")
#: Beside the colour, so that no line is known by colour alone.
DASHES = ("", "7 3", "2 3", "9 3 2 3", "5 2", "1 2", "12 3", "4 4 1 4")
INK, QUIET, RULE = "#1d2329", "#59626b", "#d5dade"
HELPS, HURTS, UNKNOWN = "#0b62a4", "#b34700", "#6a737b"

Value = str | float | int | None


def element(name: str, *children: str, **attributes: Value) -> Markup:
    """Return ``<name key="value">children</name>``, escaped; underscores become dashes, None is left out."""
    pairs = "".join(
        f' {key.strip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{pairs}>{''.join(escape(child) for child in children)}</{name}>")


def picture(ident: str, size: tuple[float, float], title: str, description: str, *children: str) -> Markup:
    """Return a drawing that scales with its place, with a title and a description for screen readers."""
    width, height = size
    return element(
        "svg",
        element("title", title, id=f"{ident}-title"),
        element("desc", description, id=f"{ident}-description"),
        *children,
        role="img",
        aria_labelledby=f"{ident}-title {ident}-description",
        viewBox=f"0 0 {_text(width)} {_text(height)}",
        xmlns="http://www.w3.org/2000/svg",
    )


def label(x: float, y: float, text: str, **attributes: Value) -> Markup:
    """Return a text at a point; anchor and size by attributes."""
    return element("text", text, x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **attributes: Value) -> Markup:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def path(points: list[tuple[float, float]], **attributes: Value) -> Markup:
    """Return a line through points."""
    steps = " ".join(f"{'L' if i else 'M'}{_text(x)} {_text(y)}" for i, (x, y) in enumerate(points))
    return element("path", d=steps, fill="none", **attributes)


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


@dataclass(frozen=True)
class Scale:
    """Maps values from `low` to `high` onto pixels from `start` to `stop`."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self, about: int = 4) -> list[float]:
        """Return round values inside, about so many and at least two."""
        step = _round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)] if last > first else self.ticks(2 * about)


@dataclass(frozen=True)
class LogScale(Scale):
    """The same for logarithms; values below `low` are put there. Ticks are at `marks`, if there are any."""

    marks: tuple[float, ...] = ()

    def __call__(self, value: float) -> float:
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self, about: int = 4) -> list[float]:
        if self.marks:
            return self._apart()
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        every = -(-(last - first) // (2 * about)) or 1
        decades = [10.0**power for power in range(first, last + 1, every)]
        wide = self.high / self.low > 1e3
        found = [step * decade for decade in decades for step in ((1,) if wide else (1, 2, 5))]
        return [tick for tick in found if self.low <= tick <= self.high]

    def _apart(self) -> list[float]:
        kept: list[float] = []
        for mark in self.marks:
            if not kept or abs(self(mark) - self(kept[-1])) >= 18:
                kept.append(mark)
        return kept


def log_scale(
    values: list[float], start: float, stop: float, margin: float = 0.06, marks: tuple[float, ...] = ()
) -> LogScale:
    """Return the logarithmic scale that spans the positive ones of some values, with a margin."""
    logs = [math.log(value) for value in values if 0 < value < math.inf] or [0.0]
    room = (max(logs) - min(logs)) * margin or 0.5
    return LogScale(math.exp(min(logs) - room), math.exp(max(logs) + room), start, stop, marks)


def scale(values: list[float], start: float, stop: float, margin: float = 0.06) -> Scale:
    """Return the scale that spans the finite ones of some values, with a margin."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    room = (high - low) * margin or abs(high) * 0.1 or 1.0
    return Scale(low - room, high + room, start, stop)


def tick_text(value: float) -> str:
    """Return a round number as short as it goes."""
    if value and (abs(value) >= 1e5 or abs(value) < 1e-4):
        return f"{value:.0e}".replace("e+0", "e").replace("e-0", "e−").replace("-", "−")
    return f"{value:.6g}".replace("-", "−")


def _round_step(step: float) -> float:
    size = 10 ** math.floor(math.log10(step)) if step > 0 else 1.0
    return size * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * size >= step * 0.999)


def _text(value: Value) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
