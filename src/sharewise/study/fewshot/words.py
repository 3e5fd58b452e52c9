"""The measurement in words, each a function of the evidence that claims no more than its verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sharewise.data.episodes import Condition, differences
from sharewise.study.fewshot.calibration import OVER, SPOKEN, UNDER
from sharewise.study.fewshot.paired import BETTER, WORSE
from sharewise.study.statistics import UNKNOWN

#: Why a difference between the conditions of training and test matters, by its name.
WHY = {
    "ways": "More ways are harder, and a learner of a fixed number of classes was never asked for others; "
    "results at another number of ways are not those that it was trained for.",
    "shots": "A meta-learner learns how far to trust a support set of the size it was trained with; with "
    "more it often gains less than it could, with fewer it often trusts too much.",
    "queries": "The number of query rows changes the noise of the result, and the predictions of learners "
    "that look at queries together (transductive ones); others are not touched by it.",
}
#: With fewer classes than this, the episodes of a test are much alike.
FEW = 30
#: With fewer tasks than this, intervals over tasks are rough.
FEW_TASKS = 10

Evidence = dict[str, Any]


def conditions(trained: Condition, tested: Iterable[Condition]) -> list[dict[str, Any]]:
    """Return where each test condition differs from training: ``shots``, ``what`` and ``why``."""
    return [
        {"shots": condition.shots, "what": what, "why": WHY[what.split(":")[0]]}
        for condition in tested
        for what in differences(trained, condition)
    ]


def verdict(evidence: Evidence) -> dict[str, Any]:
    """Return all words for JSON: ``headline``, ``sentences`` and ``notes``."""
    return {
        "headline": headline(evidence),
        "sentences": sentences(evidence),
        "notes": notes(evidence),
    }


def headline(evidence: Evidence) -> str:
    """Return the answer in one sentence, at the number of shots most like training."""
    return _sentence(evidence, _shots(evidence))


def sentences(evidence: Evidence) -> list[str]:
    """Return a sentence for every other number of shots, and what the verdicts do not say."""
    compared = {one["shots"] for one in evidence["differences"]}
    others = [entry["shots"] for entry in evidence["by_shots"] if entry["shots"] != _shots(evidence)]
    found = [_sentence(evidence, shots) for shots in others if shots in compared]
    return [*found, *_calibrated(evidence)]


def notes(evidence: Evidence) -> list[str]:
    """Return what a reader should know before believing the verdicts."""
    found = [_reach(evidence)]
    for one in evidence["left_out"]:
        found.append(f"{one['name']} is left out: {one['why']}")
    transductive = [one["name"] for one in evidence["learners"] if one["transductive"]]
    if transductive:
        found.append(
            f"{_list(transductive)}: predictions for a query row depend on the other query rows "
            "(transductive), which is help that the others do not have."
        )
    return found


def _reach(evidence: Evidence) -> str:
    episodes, tasks = evidence["plan"]["episodes"], evidence["tasks"]
    once = "Learners were trained once: how far another training run would differ is not in them."
    if evidence["tasks_are"] == "tasks" and tasks:
        return f"{_over_tasks(evidence)} {once}"
    few = (
        f" All of them are made of {tasks} classes, so they are less sure of other classes."
        if 0 < tasks < FEW
        else ""
    )
    return f"Intervals are over {episodes} test episodes.{few} {once}"


def _over_tasks(evidence: Evidence) -> str:
    """Return over how many tasks intervals are: those that were drawn, of those with rows enough."""
    episodes, entries = evidence["plan"]["episodes"], evidence["by_shots"]
    drawn = {entry["shots"]: entry["tasks"] for entry in entries}
    fewest = min(drawn.values())
    if len(set(drawn.values())) == 1:
        found = f"Intervals are over {_tasks(fewest)} of {episodes} episodes."
    else:
        each = _list([f"{count} with {_count(shots)}" for shots, count in drawn.items()])
        found = (
            f"Intervals are over the test tasks that {episodes} episodes drew: {each}; a task that has too "
            "few rows takes no part."
        )
    if fewest == 1:
        return f"{found} One task says nothing about others."
    return f"{found} So few tasks say little about others." if fewest < FEW_TASKS else found


def _tasks(count: int) -> str:
    return "one test task" if count == 1 else f"the {count} test tasks"


def _sentence(evidence: Evidence, shots: int) -> str:
    candidate = evidence["candidate"]
    own = [one for one in evidence["differences"] if one["shots"] == shots]
    if not own:
        return f"{candidate} was measured without anything to compare it with."
    found = {
        verdict: [one["baseline"] for one in own if one["verdict"] == verdict]
        for verdict in (BETTER, WORSE, UNKNOWN)
    }
    if len(found[UNKNOWN]) == len(own):
        return f"With {_count(shots)}, {candidate} is not told apart from {_list(found[UNKNOWN])}."
    parts = [f"{verdict} than {_list(found[verdict])}" for verdict in (BETTER, WORSE) if found[verdict]]
    rest = f"; against {_list(found[UNKNOWN])} the evidence does not decide" if found[UNKNOWN] else ""
    return f"With {_count(shots)}, {candidate} is {', and '.join(parts)}{rest}."


def _calibrated(evidence: Evidence) -> Iterable[str]:
    found = evidence["calibration"].get(evidence["candidate"])
    if not found:
        return
    one = next((entry for entry in found if entry["shots"] == _shots(evidence)), None)
    if one is None or "word" not in one:
        return
    who, where = evidence["candidate"], f"With {_count(_shots(evidence))}"
    if one["type"] == "coverage":
        share = next(entry["mean"] for entry in one["levels"] if entry["level"] == SPOKEN)
        fact = f"{100 * SPOKEN:.0f} % intervals of {who} hold {100 * share:.1f} % of the query rows"
    else:
        gap = 100 * one["gap"]["mean"]
        side = "above" if gap > 0 else "below"
        fact = f"the confidence of {who} is {abs(gap):.1f} percentage points {side} its accuracy"
    end = {OVER: ": it is overconfident", UNDER: ": it is underconfident"}.get(one["word"], "")
    yield f"{where}, {fact}{end}."


def _shots(evidence: Evidence) -> int:
    return int(evidence["reference"]["shots"])


def _count(shots: int) -> str:
    return f"{shots} {'shot' if shots == 1 else 'shots'}"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
