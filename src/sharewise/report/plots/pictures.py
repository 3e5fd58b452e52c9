"""An episode of images: the support set by ways, and query images with what was predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from sharewise.report.plots.svg import HURTS, INK, QUIET, RULE, element, label, picture

WIDTH, GAP, NOTE = 380, 8, 18
#: Images beside each other.
ACROSS, ASKED = 10, 5
SUPPORT, QUERY = 56, 50


def cards(ident: str, title: str, episode: dict[str, Any]) -> Markup:
    """Return one episode (an entry of ``examples`` of type "images"); ways are numbered from 1."""
    support, height = _support(episode["support"], 18)
    asked, bottom = _query(episode["query"], height + 28)
    right = sum(one["predicted"] == one["way"] for one in episode["query"])
    words = f"{len(episode['support'])} support images; {right} of {len(episode['query'])} query images right"
    heads = [
        label(0, y, text, fill=QUIET, font_size=12)
        for y, text in ((10, "support, by way"), (height + 18, "query, and which way was predicted"))
    ]
    return picture(ident, (WIDTH, bottom), title, words, *heads, *support, *asked)


def _support(images: Sequence[dict[str, Any]], top: float) -> tuple[list[Markup], float]:
    ordered = sorted(images, key=lambda one: int(one["way"]))
    ways = sorted({one["way"] for one in ordered})
    across = min(len(ways), ACROSS)
    size = min(float(SUPPORT), WIDTH / across - GAP)
    drawn: list[Markup] = []
    y = top
    for start in range(0, len(ways), across):
        columns = [[one for one in ordered if one["way"] == way] for way in ways[start : start + across]]
        for j, (way, column) in enumerate(zip(ways[start:], columns, strict=False)):
            x = j * (size + GAP)
            drawn.append(_label(x + size / 2, y + 12, str(way + 1)))
            for i, one in enumerate(column):
                drawn.extend(_image(one["png"], x, y + NOTE + i * (size + 3), size, RULE, 1))
        y += NOTE + max(map(len, columns)) * (size + 3) + 4
    return drawn, y


def _query(images: Sequence[dict[str, Any]], top: float) -> tuple[list[Markup], float]:
    cell, height = WIDTH / ASKED, QUERY + NOTE + 10
    drawn: list[Markup] = []
    for i, one in enumerate(images):
        right = one["predicted"] == one["way"]
        x, y = (i % ASKED) * cell, top + (i // ASKED) * height
        frame = (RULE, 1) if right else (HURTS, 3)
        drawn.extend(_image(one["png"], x + (cell - QUERY) / 2, y, QUERY, *frame))
        text = f"✓ {one['predicted'] + 1}" if right else f"✗ {one['predicted'] + 1}, is {one['way'] + 1}"
        colour = INK if right else HURTS
        drawn.append(_label(x + cell / 2, y + QUERY + 15, text, colour))
    return drawn, top + -(-len(images) // ASKED) * height


def _image(png: str, x: float, y: float, size: float, stroke: str, width: float) -> list[Markup]:
    return [
        element(
            "image",
            href=f"data:image/png;base64,{png}",
            x=x,
            y=y,
            width=size,
            height=size,
            preserveAspectRatio="xMidYMid meet",
        ),
        element("rect", x=x, y=y, width=size, height=size, fill="none", stroke=stroke, stroke_width=width),
    ]


def _label(x: float, y: float, text: str, colour: str = INK) -> Markup:
    return label(x, y, text, fill=colour, font_size=12, text_anchor="middle")
