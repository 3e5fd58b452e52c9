"""Scales and elements that the drawings are made of."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sharewise.report.plots.heat import shade
from sharewise.report.plots.svg import element, scale, shortened, tick_text

numbers = st.floats(-1e6, 1e6)


@given(st.lists(numbers, min_size=1, max_size=5))
def test_ticks_are_inside_and_a_few(values: list[float]) -> None:
    assume(max(values) - min(values) == 0 or max(values) - min(values) > 1e-6)
    axis = scale(values, 0.0, 100.0)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 12
    assert all(-1e-6 <= axis(tick) <= 100 + 1e-6 for tick in ticks)
    assert all(0 <= axis(value) <= 100 for value in values)


def test_a_scale_of_nothing_finite_is_still_a_scale() -> None:
    assert scale([float("nan")], 0.0, 1.0).ticks()


def test_elements_escape_texts_and_attributes() -> None:
    made = element("text", '<b>&"', title='"><script>', data_x=None)
    parsed = ElementTree.fromstring(made)
    assert parsed.text == '<b>&"'
    assert parsed.attrib == {"title": '"><script>'}


@pytest.mark.parametrize("value, text", [(0.025, "0.025"), (-0.5, "−0.5"), (0.0, "0"), (200000.0, "2e5")])
def test_tick_texts_are_short(value: float, text: str) -> None:
    assert tick_text(value) == text


def test_names_are_shortened_and_shades_grow_dark() -> None:
    assert shortened("arrival_delay_in_minutes", 10) == "arrival_d…"
    assert shade(0.0) > shade(0.5) > shade(1.0)
