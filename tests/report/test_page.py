"""The page is whole in itself, escapes what users write, and shows the numbers of metrics.json alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sharewise.report import render, write_report
from sharewise.report.numbers import MINUS, Numbers
from sharewise.report.page import PLOTTED

Maker = Callable[..., dict[str, Any]]

CONFIG = '[data]\nsource = "flights"\n'
VOID = {"meta", "wbr", "br", "link"}


class Page(HTMLParser):
    """Reads a page: all tags with attributes, all numbers with their places, and whether tags match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.numbers: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self._at: tuple[str, str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        if tag not in VOID:
            self.open.append(tag)
        if "data-at" in values:
            self._at = (values["data-at"] or "", values["data-value"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._at is not None:
            self.numbers.append((*self._at, data))
            self._at = None


def lookup(evidence: Any, pointer: str) -> Any:
    for key in pointer.split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        evidence = evidence[int(key)] if isinstance(evidence, list) else evidence[key]
    return evidence


def shown_value(text: str) -> float:
    return float(re.sub(r"[\s\u202f+<]", "", text.replace(MINUS, "-")))


def test_numbers_are_those_of_the_metrics(evidence: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(evidence, CONFIG, path)
    numbers = Page(path.read_text(encoding="utf-8")).numbers
    assert len(numbers) > 300
    for pointer, value, text in numbers:
        stored = lookup(evidence, pointer)
        assert json.loads(value) == stored, pointer
        if text.startswith("<"):
            assert stored < shown_value(text)
        else:
            assert shown_value(text) == pytest.approx(stored, rel=1e-3, abs=0.00051), pointer


def test_every_effect_result_and_cost_is_on_the_page(evidence: dict[str, Any]) -> None:
    places = {pointer for pointer, _, _ in Page(render(evidence, CONFIG)).numbers}
    for i in range(len(evidence["effects"])):
        for key in ("difference", "low", "high", "p", "adjusted"):
            assert f"/effects/{i}/{key}" in places
    for structure, own in evidence["results"].items():
        assert {f"/results/{structure}/{task}/{key}" for task in own for key in ("mean", "sd")} <= places
    assert {f"/structures/{i}/parameters" for i in range(len(evidence["structures"]))} <= places


def test_verdicts_are_those_of_the_metrics(evidence: dict[str, Any]) -> None:
    table = render(evidence, CONFIG).split('<table id="effects">')[1].split("</table>")[0]
    words = re.findall(r"</svg>(helps|hurts|can&#39;t tell)</span>", table)
    expected = {(e["task"], e["structure"]): e["verdict"] for e in evidence["effects"]}
    order = [
        expected[task["name"], one["name"]]
        for task in evidence["tasks"]
        for one in evidence["structures"][1:]
    ]
    assert [word.replace("&#39;", "'") for word in words] == order


def test_page_needs_nothing_else_and_is_light(evidence: dict[str, Any]) -> None:
    text = render(evidence, CONFIG)
    page = Page(text)
    assert page.open == []
    assert len(text.encode()) < 1_000_000
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object"}
    for _, attributes in page.tags:
        assert not {"src", "href", "onclick", "onload"} & set(attributes)
    style = text.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in text


def test_page_is_deterministic(evidence: dict[str, Any]) -> None:
    assert render(evidence, CONFIG) == render(json.loads(json.dumps(evidence)), CONFIG)


def test_drawings_are_well_formed_and_described(evidence: dict[str, Any]) -> None:
    text = render(evidence, CONFIG)
    drawings = [ElementTree.fromstring(svg) for svg in re.findall(r'<svg [^>]*role="img".*?</svg>', text)]
    matrices = len(evidence["gates"]) + len(evidence["conflicts"])
    assert len(drawings) == len(evidence["tasks"]) * 4 + 2 + matrices
    names = [drawing.get("aria-labelledby", "") for drawing in drawings]
    assert len(set(names)) == len(names)
    for drawing in drawings:
        title, description = drawing[0], drawing[1]
        assert drawing.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert title.text
        assert description.text


def test_drawings_stay_inside_their_frames(evidence: dict[str, Any]) -> None:
    for svg in re.findall(r'<svg [^>]*role="img".*?</svg>', render(evidence, CONFIG)):
        drawing = ElementTree.fromstring(svg)
        _, _, width, height = map(float, drawing.get("viewBox", "").split())
        for part in drawing.iter():
            for key, limit in (("x", width), ("cx", width), ("x1", width), ("y", height), ("cy", height)):
                assert -1 <= float(part.get(key, 0)) <= limit + 1, (part.tag, key)


def test_tables_have_captions_and_scopes(evidence: dict[str, Any]) -> None:
    text = render(evidence, CONFIG)
    assert text.count("<table") == text.count("<caption>") >= 5
    assert all(
        attributes.get("scope") in ("row", "col") for tag, attributes in Page(text).tags if tag == "th"
    )


def test_names_are_escaped(maker: Maker) -> None:
    bad = '<script>alert("1")</script>&/~'
    evidence = maker(tasks=((bad, "binary", "auc", 0.7), ("b", "count", "d2", 0.1)))
    evidence["data"]["notes"] = [bad]
    text = render(evidence, f"# {bad}")
    assert "<script" not in text
    page = Page(text)
    assert page.open == []
    for pointer, value, _ in page.numbers:
        assert json.loads(value) == lookup(evidence, pointer)


def test_many_tasks_stay_light(maker: Maker) -> None:
    evidence = maker(tasks=tuple((f"task_{i}", "binary", "auc", 0.7) for i in range(1000)), epochs=2)
    text = render(evidence, CONFIG)
    assert len(text.encode()) < 1_000_000
    assert text.count('aria-labelledby="forest-') == PLOTTED


def test_unknown_numbers_are_dashes(maker: Maker) -> None:
    evidence = maker(seeds=1)
    for effect in evidence["effects"]:
        effect.update(dict.fromkeys(("low", "high", "p", "adjusted", "seed_error", "row_error")))
        effect["verdict"] = "can't tell"
    evidence["effects"][0]["difference"] = None
    text = render(evidence, "")
    assert Page(text).open == []
    assert "nan" not in re.sub(r"<[^>]+>", " ", text).lower().split()


def test_pointers_escape_what_json_pointers_must() -> None:
    shown = Numbers({"a/b~": [1.5]})("a/b~", 0)
    assert 'data-at="/a~1b~0/0"' in shown
    assert 'data-value="1.5"' in shown
