"""Courses over partitions, and two goals against each other."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from sharewise.report import plots
from sharewise.report.plots.course import MOST
from sharewise.report.plots.front import APART

SVG = "{http://www.w3.org/2000/svg}"


def drawn(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def test_a_course_has_a_line_a_series_and_skips_what_was_not_measured() -> None:
    series = {"all": [None, 0.5, None, 0.7], "new": [None, None, None, 0.2], "never": [None] * 4}
    places = {"all": 0, "new": 1, "never": 2}
    made = drawn(plots.course("c", "AUC", "AUC", series, places=places, level=(0.9, "alarm")))
    (line,) = made.findall(f"{SVG}path")
    assert line.attrib["d"].count("L") == 1
    assert len(made.findall(f"{SVG}circle")) == 1
    assert "alarm" in [text.text for text in made.findall(f"{SVG}text")]
    description = made.find(f"{SVG}desc")
    assert description is not None
    assert description.text == "AUC of the last partition: all 0.7; new 0.2"


def test_a_long_course_is_thinned_and_keeps_its_end() -> None:
    values = [float(i) for i in range(1000)]
    made = drawn(plots.course("c", "AUC", "AUC", {"all": values}, places={"all": 0}))
    (line,) = made.findall(f"{SVG}path")
    heights = [float(point.split()[-1]) for point in line.attrib["d"].split(" L")]
    assert MOST / 2 < len(heights) <= MOST + 1
    assert heights == sorted(heights, reverse=True)
    ends = drawn(plots.course("c", "AUC", "AUC", {"all": [0.0, 999.0]}, places={"all": 0}))
    expected = ends.findall(f"{SVG}path")[0].attrib["d"].split()[-1]
    assert heights[-1] == float(expected)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=7, max_size=7))
def test_names_beside_points_do_not_lie_on_each_other(points: list[tuple[float, float]]) -> None:
    named = {f"name{i}": i for i in range(7)}
    made = drawn(plots.trade_off("f", "front", ("a", "b"), points, [0, 1], named))
    texts = [t for t in made.findall(f"{SVG}text") if (t.text or "").startswith("name")]
    assert len(texts) == 7
    places = [(float(t.attrib["x"]), float(t.attrib["y"]), t.attrib["text-anchor"]) for t in texts]
    for i, (x, y, side) in enumerate(places):
        for other_x, other_y, other_side in places[:i]:
            if side == other_side and abs(x - other_x) < 40:
                assert abs(y - other_y) >= APART - 0.02
    assert len(made.findall(f"{SVG}rect")) == 7
