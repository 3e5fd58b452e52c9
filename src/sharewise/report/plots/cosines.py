"""Matrix of cosines: how the gradients of every two tasks agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from sharewise.report.plots.svg import INK, QUIET, element, label, picture, shortened

LEFT, TOP, ROW, MOST_WIDTH = 122, 26, 28, 380
#: Numbers fit into cells of this width.
READABLE = 34
AGREE, DISAGREE, NEITHER = (11, 98, 164), (179, 71, 0), (244, 245, 246)

Cell = Mapping[str, float | None]


def cosines(ident: str, title: str, tasks: Sequence[str], cells: Sequence[Sequence[Cell]]) -> Markup:
    """Return the matrix: blue where gradients agree, orange where they oppose; faint where 0 is possible.

    Args:
        ident: unlike any other on the page.
        title: of the plot.
        tasks: names of rows and columns.
        cells: for each pair the mean cosine and its interval.
    """
    size = min(44.0, (MOST_WIDTH - LEFT) / len(tasks))
    columns = [
        label(LEFT + size * (j + 0.5), TOP - 8, str(j + 1), fill=QUIET, font_size=12, text_anchor="middle")
        for j in range(len(tasks))
        if size >= 16 or j % 5 == 0
    ]
    rows = [
        part
        for i, (task, own) in enumerate(zip(tasks, cells, strict=True))
        for part in _row(i, task, own[: len(tasks)], TOP + ROW * i, size)
    ]
    height = TOP + ROW * len(tasks) + 4
    return picture(ident, (MOST_WIDTH, height), title, _words(tasks, cells), *columns, *rows)


def _row(place: int, task: str, cells: Sequence[Cell], y: float, size: float) -> list[Markup]:
    name = f"{place + 1} {shortened(task, 15)}"
    drawn = [label(LEFT - 10, y + ROW / 2 + 4, name, fill=INK, font_size=12, text_anchor="end")]
    for j, cell in enumerate(cells):
        if j == place:
            continue
        x, sure, value = LEFT + size * j, sign(cell) != 0, cell["mean"] or 0.0
        drawn.append(element("rect", x=x, y=y, width=size - 1.5, height=ROW - 1.5, fill=shade(value, sure)))
        if size >= READABLE:
            ink = "#fff" if sure and abs(value) > 0.5 else INK
            text = f"{value:+.2f}".replace("0.", ".").replace("-", "\N{MINUS SIGN}")
            centre = x + (size - 1.5) / 2
            drawn.append(label(centre, y + ROW / 2 + 4, text, fill=ink, font_size=11, text_anchor="middle"))
    return drawn


def sign(cell: Cell) -> int:
    """Return 1 or -1 if the interval excludes 0, else 0; also where too few looks give no interval."""
    low, high = cell["low"], cell["high"]
    if low is None or high is None:
        return 0
    return (low > 0) - (high < 0)


def shade(value: float, sure: bool) -> str:
    """Return a colour from orange (-1) over nearly white (0) to blue (1); half as strong if not sure."""
    share = min(abs(value), 1.0) ** 0.6 * (1.0 if sure else 0.35)
    end = AGREE if value > 0 else DISAGREE
    mixed = (round(a + share * (b - a)) for a, b in zip(NEITHER, end, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _words(tasks: Sequence[str], cells: Sequence[Sequence[Cell]]) -> str:
    pairs = [(i, j) for i in range(len(tasks)) for j in range(i + 1, len(tasks)) if sign(cells[i][j]) < 0]
    against = [f"{tasks[i]} and {tasks[j]} {cells[i][j]['mean']:.2f}" for i, j in pairs]
    return f"Pairs whose gradients oppose each other: {'; '.join(against) or 'none for sure'}."
