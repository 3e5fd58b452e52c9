"""Words say what the verdicts say, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from sharewise.study import advice

HELPS, HURTS, UNKNOWN = "helps", "hurts", "can't tell"


def made(verdicts: dict[str, dict[str, str]], *, best: str = "mmoe", gap: float = 0.0) -> dict[str, Any]:
    """Return the parts of ``metrics.json`` that advice reads."""
    tasks = list(next(iter(verdicts.values())))
    effects = [
        {"structure": s, "task": t, "verdict": verdict, "seed_error": 0.02, "row_error": 0.01}
        for s, own in verdicts.items()
        for t, verdict in own.items()
    ]
    return {
        "baseline": "independent",
        "best": {"structure": best},
        "seeds": [0, 1, 2],
        "tasks": [{"name": name} for name in tasks],
        "structures": [{"name": name} for name in ("independent", *verdicts)],
        "effects": effects,
        "results": {"independent": {name: {"gap": {"mean": gap}} for name in tasks}},
        "gates": {},
    }


def topics(evidence: dict[str, Any]) -> dict[str, str]:
    return {one["topic"]: one["text"] for one in advice.advice(evidence)}


def test_headline_counts_the_verdicts_of_the_best() -> None:
    evidence = made(
        {"mmoe": {"a": HELPS, "b": HURTS, "c": UNKNOWN}, "cgc": {"a": HURTS, "b": HURTS, "c": HURTS}}
    )
    assert "mmoe" in advice.headline(evidence)
    assert "helps 1 of 3 tasks and hurts 1" in advice.headline(evidence)
    assert "for 1 the evidence does not decide" in advice.headline(evidence)


def test_headline_claims_nothing_without_verdicts() -> None:
    assert "is not told apart" in advice.headline(made({"mmoe": {"a": UNKNOWN, "b": UNKNOWN}}))
    assert "no structure scored above" in advice.headline(made({"mmoe": {"a": HELPS}}, best="independent"))


def test_sentences_name_the_tasks() -> None:
    evidence = made({"mmoe": {"a": HELPS, "b": HURTS, "c": UNKNOWN}})
    assert advice.sentences(evidence) == ["mmoe: helps a; hurts b; can't tell for c."]


def test_negative_transfer_says_share_less_and_who_helped() -> None:
    found = topics(made({"mmoe": {"a": HURTS, "b": HELPS}, "cgc": {"a": HELPS, "b": HELPS}}))
    assert "a under mmoe (cgc did help it)" in found["negative transfer"]
    assert "Share less" in found["negative transfer"]
    assert "b under" not in found["negative transfer"]


def test_over_fitting_says_share_more_and_names_what_helped() -> None:
    found = topics(made({"mmoe": {"a": HELPS}, "cgc": {"a": UNKNOWN}}, gap=0.3))
    assert "Sharing more is one remedy; mmoe did help there" in found["over-fitting"]
    unhelped = topics(made({"mmoe": {"a": UNKNOWN}}, gap=0.3))
    assert "none compared here was shown to help" in unhelped["over-fitting"]
    assert "over-fitting" not in topics(made({"mmoe": {"a": HELPS}}, gap=0.01))


@pytest.mark.parametrize("by_row, words", [(0.01, "More seeds"), (0.05, "More test rows")])
def test_undecided_studies_say_what_would_decide(by_row: float, words: str) -> None:
    evidence = made({"mmoe": {"a": UNKNOWN, "b": UNKNOWN}})
    for effect in evidence["effects"]:
        effect["row_error"] = by_row
    assert words in topics(evidence)["more evidence"]


def test_polarised_gates_are_told_without_alarm() -> None:
    evidence = made({"mmoe": {"a": HELPS, "b": HELPS}})
    evidence["gates"] = {
        "mmoe": {"weights": [[0.5, 0.5]] * 2, "largest": {"a": [0.99, 0.6], "b": [0.7, None]}}
    }
    assert "the gates of a put more than 90%" in topics(evidence)["gates"]


def test_many_tasks_are_not_all_listed() -> None:
    text = advice.sentences(made({"mmoe": {f"t{i}": HELPS for i in range(100)}}))[0]
    assert len(text) < 80
    assert "95 others" in text
