"""A frame with ticks, for plots of one quantity against another."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from sharewise.report.plots.svg import QUIET, RULE, Scale, label, line, tick_text


@dataclass(frozen=True)
class Axes:
    """Two scales; `y` runs upwards."""

    x: Scale
    y: Scale

    def draw(self, x_title: str, y_title: str) -> list[Markup]:
        """Return grid lines, tick labels and the titles of both axes."""
        left, right, bottom, top = self.x.start, self.x.stop, self.y.start, self.y.stop
        drawn = []
        for tick in self.y.ticks(5):
            y = self.y(tick)
            drawn.append(line(left, y, right, y, stroke=RULE))
            drawn.append(_text(left - 6, y + 4, tick_text(tick), "end"))
        for tick in self.x.ticks(5):
            x = self.x(tick)
            drawn.append(line(x, bottom, x, bottom + 4, stroke=QUIET))
            drawn.append(_text(x, bottom + 17, tick_text(tick), "middle"))
        drawn.append(line(left, bottom, right, bottom, stroke=QUIET))
        drawn.append(_text(right, bottom + 34, x_title, "end"))
        drawn.append(_text(left - 6 if left < 60 else left, top - 10, y_title, "start"))
        return drawn


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return label(x, y, text, fill=QUIET, font_size=12, text_anchor=anchor)
