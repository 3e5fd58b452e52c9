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
    lines = printed(evidence).splitlines()
    names = [one["name"] for one in evidence["structures"]]
    shared = [name for name in names if name != evidence["baseline"]]
    effects = {(e["structure"], e["task"]): e for e in evidence["effects"]}
    for task in (one["name"] for one in evidence["tasks"]):
        results, verdicts = (i for i, line in enumerate(lines) if line.startswith(f"{task} "))
        own = [evidence["results"][name][task] for name in names]
        assert lines[results].split()[1:] == [plain(result["mean"]) for result in own]
        assert lines[results + 1].split()[1:] == [f"±{plain(result['sd'])}" for result in own]
        differences = [signed(effects[name, task]["difference"], 3) for name in shared]
        assert [effects[name, task]["verdict"] in lines[verdicts] for name in shared] == [True] * len(shared)
        assert lines[verdicts + 1].split() == differences
    assert evidence["verdict"]["headline"][:60] in " ".join(lines)


def test_no_name_is_cut_in_80_columns(evidence: dict[str, Any]) -> None:
    text = printed(evidence, 80)
    assert "…" not in text
    assert all(f"{task['name']} " in text for task in evidence["tasks"])


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
