"""The terminal shows the same verdicts and results."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from sharewise.report import print_comparison
from sharewise.report.numbers import grouped, measured, plain, probability, signed


def printed(evidence: dict[str, Any], width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_comparison(console, evidence)
    return console.file.getvalue()


def test_verdicts_results_and_words_are_printed(evidence: dict[str, Any]) -> None:
    text = printed(evidence)
    for effect in evidence["effects"]:
        assert f"{effect['verdict']} {signed(effect['difference'], 3)}" in text
    for own in evidence["results"].values():
        for result in own.values():
            assert f"{plain(result['mean'])} ± {plain(result['sd'])}" in text
    assert evidence["verdict"]["headline"][:60] in text


def test_names_that_look_like_markup_are_printed_as_they_are(evidence: dict[str, Any]) -> None:
    evidence["verdict"]["headline"] = "[bold]x[/bold] helps"
    assert "[bold]x[/bold] helps" in printed(evidence)


def test_a_narrow_terminal_is_no_error(evidence: dict[str, Any]) -> None:
    assert max(map(len, printed(evidence, 60).splitlines())) <= 60


def test_numbers() -> None:
    assert [plain(0.12345), plain(-0.0001), plain(None)] == ["0.123", "0.000", "–"]
    assert [signed(0.00004), signed(-0.25, 2)] == ["+0.0000", "−0.25"]
    assert [grouped(1234567), measured(0.001), measured(-44.63), measured(252704.0)] == [
        "1\u202f234\u202f567",
        "0.001",
        "−44.63",
        "252\u202f704",
    ]
    assert [probability(0.0002), probability(0.0312), probability(None)] == ["< 0.001", "0.031", "–"]
