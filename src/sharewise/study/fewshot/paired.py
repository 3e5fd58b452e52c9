"""Paired differences: the candidate minus each baseline, on the same episodes.

Episodes of the same source, condition, seed and name are the same, so a difference is taken episode by
episode, and what makes an episode hard for all cancels. The interval is Student's over tasks (see
`train.meta_evaluate`). It speaks of these trained learners: how another training run would do is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from sharewise.study.statistics import LEVEL, UNKNOWN, holm
from sharewise.tasks.metrics import Array
from sharewise.train.meta_evaluate import EpisodeScores, standard_error

BETTER, WORSE = "better", "worse"


@dataclass(frozen=True)
class Paired:
    """The candidate minus a baseline at one number of shots.

    Attributes:
        shots: of the episodes.
        baseline: which.
        difference: mean over episodes, in the metric's unit.
        low, high: its 95 % interval, not corrected for many comparisons.
        p: two-sided; NaN where episodes do not differ from each other, so that nothing can be said.
        adjusted: p after Holm's correction over all comparisons of the measurement.
        verdict: what the candidate is: "better", "worse", or "can't tell".
    """

    shots: int
    baseline: str
    difference: float
    low: float
    high: float
    p: float
    adjusted: float = float("nan")
    verdict: str = UNKNOWN

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def compare_pairs(
    scores: Mapping[int, Mapping[str, EpisodeScores]], candidate: str, level: float = LEVEL
) -> list[Paired]:
    """Compare the candidate with every other learner at every number of shots.

    Args:
        scores: by shots, then by learner; of the same episodes for every learner.
        candidate: the learner to speak of; shots that it has no scores for are left out.
        level: of the interval and the verdicts.
    """
    found, larger = [], True
    for shots, own in scores.items():
        if candidate not in own:
            continue
        larger = own[candidate].higher_is_better
        for name, other in own.items():
            if name != candidate:
                found.append(
                    _pair(shots, name, own[candidate].metric - other.metric, own[candidate].tasks, level)
                )
    return _judged(found, larger, level)


def _pair(
    shots: int, baseline: str, differences: Array, tasks: NDArray[np.int64] | None, level: float
) -> Paired:
    mean = float(differences.mean())
    error, freedom = standard_error(differences, tasks)
    reach = float(stdtrit(freedom, 1 - level / 2)) * error
    p = float(2 * stdtr(freedom, -abs(mean) / error)) if error > 0 else _certain(mean)
    return Paired(shots, baseline, mean, mean - reach, mean + reach, p)


def _certain(mean: float) -> float:
    # Equal on every episode is no difference; anything else without any spread is no evidence.
    return 1.0 if mean == 0 else float("nan")


def _judged(found: Sequence[Paired], larger: bool, level: float) -> list[Paired]:
    adjusted = holm([one.p for one in found])
    return [
        replace(one, adjusted=p, verdict=_verdict(one.difference, p, larger, level))
        for one, p in zip(found, adjusted, strict=True)
    ]


def _verdict(difference: float, adjusted: float, larger: bool, level: float) -> str:
    if not adjusted < level:  # NaN too
        return UNKNOWN
    return BETTER if (difference > 0) == larger else WORSE
