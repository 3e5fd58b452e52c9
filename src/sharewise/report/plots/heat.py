"""Heat map: how much weight every task's gate gives to every expert."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from sharewise.report.plots.svg import INK, QUIET, element, label, picture, shortened

LEFT, TOP, ROW, MOST_WIDTH = 122, 26, 28, 380
#: Numbers fit into cells of this width.
READABLE = 30


def heat(ident: str, title: str, tasks: Sequence[str], weights: Sequence[Sequence[float | None]]) -> Markup:
    """Return the map; rows are tasks, columns experts, and darker is more."""
    experts = len(weights[0])
    cell = min(44.0, (MOST_WIDTH - LEFT) / experts)
    columns = [
        label(LEFT + cell * (j + 0.5), TOP - 8, str(j + 1), fill=QUIET, font_size=12, text_anchor="middle")
        for j in range(experts)
        if cell >= 16 or j % 5 == 0
    ]
    rows = [
        part
        for i, (task, own) in enumerate(zip(tasks, weights, strict=True))
        for part in _row(task, own, TOP + ROW * i, cell)
    ]
    return picture(
        ident, (MOST_WIDTH, TOP + ROW * len(tasks) + 4), title, _words(tasks, weights), *columns, *rows
    )


def _row(task: str, weights: Sequence[float | None], y: float, cell: float) -> list[Markup]:
    drawn = [
        label(LEFT - 10, y + ROW / 2 + 4, shortened(task, 16), fill=INK, font_size=12, text_anchor="end")
    ]
    for j, weight in enumerate(weights):
        x, value = LEFT + cell * j, weight or 0.0
        drawn.append(element("rect", x=x, y=y, width=cell - 1.5, height=ROW - 1.5, fill=shade(value)))
        if cell >= READABLE and weight is not None:
            ink = "#fff" if value > 0.65 else INK
            text = f"{value:.2f}".removeprefix("0") if value < 1 else "1"
            centre = x + (cell - 1.5) / 2
            drawn.append(label(centre, y + ROW / 2 + 4, text, fill=ink, font_size=12, text_anchor="middle"))
    return drawn


def shade(value: float) -> str:
    """Return a blue from nearly white (0) to dark (1)."""
    low, high = (238, 243, 248), (8, 62, 120)
    share = min(max(value, 0.0), 1.0)
    mixed = (round(a + share * (b - a)) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _words(tasks: Sequence[str], weights: Sequence[Sequence[float | None]]) -> str:
    largest = [max(range(len(own)), key=lambda j, o=own: o[j] or 0.0) for own in weights]  # type: ignore[misc]
    return "; ".join(
        f"{task}: most on expert {j + 1} ({own[j] or 0.0:.2f})"
        for task, own, j in zip(tasks, weights, largest, strict=True)
    )
