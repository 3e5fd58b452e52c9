"""Evidence in words, by a rule of thumb: negative transfer, share less; over-fitting, share more.

Every sentence is a function of the evidence alone, and claims no more than its verdicts: "no verdict against
it" is not "does no harm".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sharewise.study.statistics import HELPS, HURTS, UNKNOWN

#: A larger gap between training and validation, as a share of a constant's loss, is called over-fitting.
GAP = 0.1
#: A mean gate weight above this is called polarised.
POLARISED = 0.9
#: Names in one sentence.
MOST = 6

Evidence = dict[str, Any]


def headline(evidence: Evidence) -> str:
    """Return the study's answer in one sentence."""
    best, baseline, tasks = evidence["best"]["structure"], evidence["baseline"], len(evidence["tasks"])
    if best == baseline:
        return f"On the validation split no structure scored above a network for each task ({baseline})."
    found = {verdict: len(_tasks(evidence, best, verdict)) for verdict in (HELPS, HURTS, UNKNOWN)}
    named = f"{best}, the best structure on the validation split,"
    if found[UNKNOWN] == tasks:
        return f"{named} is not told apart from a network for each task, on any of {_count(tasks)}."
    decided = f"{named} helps {found[HELPS]} of {_count(tasks)} and hurts {found[HURTS]}"
    rest = f"; for {found[UNKNOWN]} the evidence does not decide" if found[UNKNOWN] else ""
    return f"{decided}, compared with a network for each task{rest}."


def sentences(evidence: Evidence) -> list[str]:
    """Return one sentence for every structure but the baseline."""
    names = [one["name"] for one in evidence["structures"] if one["name"] != evidence["baseline"]]
    return [_sentence(evidence, name) for name in names]


def advice(evidence: Evidence) -> list[dict[str, str]]:
    """Return what the evidence suggests, most important first: ``{"topic", "text"}``."""
    found = [
        *_negative_transfer(evidence),
        *_over_fitting(evidence),
        *_polarised(evidence),
        *_undecided(evidence),
    ]
    return [{"topic": topic, "text": text} for topic, text in found]


def _sentence(evidence: Evidence, structure: str) -> str:
    parts = [
        f"{verdict} {_list(_tasks(evidence, structure, verdict))}"
        for verdict in (HELPS, HURTS)
        if _tasks(evidence, structure, verdict)
    ]
    unknown = _tasks(evidence, structure, UNKNOWN)
    if unknown:
        parts.append(f"can't tell for {_list(unknown) if len(unknown) < 4 else f'{len(unknown)} tasks'}")
    return f"{structure}: {'; '.join(parts)}."


def _negative_transfer(evidence: Evidence) -> Iterable[tuple[str, str]]:
    cases = []
    for task in _names(evidence["tasks"]):
        hurting, helping = _structures(evidence, task, HURTS), _structures(evidence, task, HELPS)
        if hurting:
            but = f" ({_list(helping)} did help it)" if helping else ""
            cases.append(f"{task} under {_list(hurting)}{but}")
    if cases:
        yield (
            "negative transfer",
            f"Worse than in a network of its own: {_list(cases, '; ')}. Share less for such a task: leave it "
            f"out of the shared network, or give it more parameters of its own.",
        )


def _over_fitting(evidence: Evidence) -> Iterable[tuple[str, str]]:
    baseline = evidence["results"][evidence["baseline"]]
    gaps = {task: values["gap"]["mean"] for task, values in baseline.items()}
    over = sorted((t for t, gap in gaps.items() if gap is not None and gap > GAP), key=lambda t: -gaps[t])
    if not over:
        return
    helping = [
        s for s in _names(evidence["structures"]) if any(_verdict(evidence, s, t) == HELPS for t in over)
    ]
    more = (
        f"; {_list(helping)} did help there" if helping else ", though none compared here was shown to help"
    )
    yield (
        "over-fitting",
        f"Networks of their own fit the training rows much better than the validation rows on {_list(over)} "
        f"(by up to {gaps[over[0]]:.2f} of a constant predictor's loss; rows that differ by time or group "
        f"widen this gap too). Sharing more is one remedy{more}; drop-out, weight decay and fewer epochs "
        "are others.",
    )


def _polarised(evidence: Evidence) -> Iterable[tuple[str, str]]:
    for structure, gates in evidence["gates"].items():
        peaked = [
            task for task, largest in gates["largest"].items() if any((w or 0) > POLARISED for w in largest)
        ]
        if peaked and len(gates["weights"][0]) > 1:
            yield (
                "gates",
                f"In {structure} the gates of {_list(peaked)} put more than {POLARISED:.0%} of their weight "
                "on one expert in at least one run. That is no fault in itself; if results differ between "
                "seeds, an importance loss or a lower gate learning rate is worth a try.",
            )


def _undecided(evidence: Evidence) -> Iterable[tuple[str, str]]:
    open_ones = [effect for effect in evidence["effects"] if effect["verdict"] == UNKNOWN]
    if len(evidence["seeds"]) < 2:
        yield (
            "more evidence",
            "One seed shows no spread between runs: use at least two, better three or more.",
        )
    elif open_ones and len(open_ones) * 2 >= len(evidence["effects"]):
        by_seed = sum((e["seed_error"] or 0) > (e["row_error"] or 0) for e in open_ones) * 2 > len(open_ones)
        part, remedy = ("seeds", "More seeds") if by_seed else ("test rows", "More test rows")
        yield (
            "more evidence",
            f"{len(open_ones)} of {len(evidence['effects'])} comparisons are undecided, and most of their "
            f"uncertainty comes from the {part}. {remedy} would narrow the intervals.",
        )


def _tasks(evidence: Evidence, structure: str, verdict: str) -> list[str]:
    return [e["task"] for e in evidence["effects"] if e["structure"] == structure and e["verdict"] == verdict]


def _structures(evidence: Evidence, task: str, verdict: str) -> list[str]:
    return [e["structure"] for e in evidence["effects"] if e["task"] == task and e["verdict"] == verdict]


def _verdict(evidence: Evidence, structure: str, task: str) -> str | None:
    pairs = {(e["structure"], e["task"]): str(e["verdict"]) for e in evidence["effects"]}
    return pairs.get((structure, task))


def _names(entries: Sequence[dict[str, Any]]) -> list[str]:
    return [entry["name"] for entry in entries]


def _count(tasks: int) -> str:
    return f"{tasks} task" if tasks == 1 else f"{tasks} tasks"


def _list(names: Sequence[str], separator: str = ", ") -> str:
    if len(names) > MOST:
        names = [*names[: MOST - 1], f"{len(names) - MOST + 1} others"]
    last = " and " if separator == ", " else separator
    return names[0] if len(names) == 1 else f"{separator.join(names[:-1])}{last}{names[-1]}"
