"""Do the tasks' gradients agree? What the trials' logs say, pooled over seeds and epochs, with intervals.

Every look is at one batch; the intervals are for the mean over looks, as if these were independent. They say
how sure the mean is, not that the next batch is like it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from scipy.stats import t

from sharewise.study.evidence import Runs
from sharewise.tasks import TaskSet


def conflicts_of(runs: Runs, tasks: TaskSet) -> dict[str, dict[str, Any]]:
    """Return what was seen of the gradients, for structures that share parameters and looked."""
    found = {name: conflict_of([run.trained["history"] for run in own], tasks) for name, own in runs.items()}
    return {name: one for name, one in found.items() if one is not None}


def conflict_of(histories: Sequence[Sequence[dict[str, Any]]], tasks: TaskSet) -> dict[str, Any] | None:
    """Return what some runs of one model saw of the gradients, given their logs; None if none looked.

    ``looks``; ``worst``, the mean over looks of the lowest agreement; by task ``norm``, ``hurt`` (share of
    looks where the step went against it), the interval of its mean agreement, and ``left`` (its last training
    loss as a share of the first one logged); ``cosines`` of every pair with intervals, unless there are too
    many; ``words``.
    """
    records = [record["conflict"] for own in histories for record in own if "conflict" in record]
    if not records:
        return None
    found = _pooled(records, tasks)
    for task in tasks:
        found["tasks"][task.name]["left"] = _left(histories, task.name)
    return found


def _pooled(records: Sequence[dict[str, Any]], tasks: TaskSet) -> dict[str, Any]:
    looks = [float(record["looks"]) for record in records]
    by_task = {task.name: _of_task(records, task.name) for task in tasks}
    found: dict[str, Any] = {
        "looks": int(sum(looks)),
        "worst": _mean(looks, [record["worst"] for record in records]),
        "tasks": by_task,
        "words": _words(by_task),
    }
    if "cosines" in records[0]:
        pairs = [[(i, j) for j in range(len(tasks))] for i in range(len(tasks))]
        found["cosines"] = [[_of_pair(records, looks, i, j) for i, j in row] for row in pairs]
    return found


def _of_task(records: Sequence[dict[str, Any]], task: str) -> dict[str, float]:
    seen = [record["seen"][task] for record in records]
    means, squares, norms, hurt = (
        [record[key][task] for record in records]
        for key in ("agreement", "agreement_squares", "norm", "hurt")
    )
    return {**_interval(seen, means, squares), "norm": _mean(seen, norms), "hurt": _mean(seen, hurt)}


def _of_pair(records: Sequence[dict[str, Any]], looks: Sequence[float], i: int, j: int) -> dict[str, float]:
    means, squares = ([record[key][i][j] for record in records] for key in ("cosines", "cosine_squares"))
    return _interval(looks, means, squares)


def _mean(counts: Sequence[float], values: Sequence[float]) -> float:
    total = sum(counts)
    return sum(n * value for n, value in zip(counts, values, strict=True)) / total if total else math.nan


def _interval(counts: Sequence[float], means: Sequence[float], squares: Sequence[float]) -> dict[str, float]:
    """Return the mean over all looks with its Student interval; NaN for fewer than two looks."""
    total, mean = sum(counts), _mean(counts, means)
    if total < 2:
        return {"mean": mean, "low": math.nan, "high": math.nan}
    variance = max(_mean(counts, squares) - mean**2, 0.0) * total / (total - 1)
    reach = float(t.ppf(0.975, total - 1)) * math.sqrt(variance / total)
    return {"mean": mean, "low": max(mean - reach, -1.0), "high": min(mean + reach, 1.0)}


def _left(histories: Sequence[Sequence[dict[str, Any]]], task: str) -> float | None:
    shares = [
        own[-1]["train"][task] / own[0]["train"][task]
        for own in histories
        if own[0]["train"].get(task) and own[-1]["train"].get(task) is not None
    ]
    return sum(shares) / len(shares) if shares else None


def _words(by_task: dict[str, dict[str, float]]) -> str:
    hurt = [name for name, values in by_task.items() if values["high"] < 0]
    unsure = [name for name, values in by_task.items() if not (values["high"] < 0 or values["low"] > 0)]
    if hurt:
        names = _listed(hurt)
        return f"On average the step went against {names}: its own gradient points away from it."
    if unsure:
        return f"On average the step went against no task for sure; for {_listed(unsure)} it cannot be told."
    return "On average the step went along with every task."


def _listed(names: Sequence[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
