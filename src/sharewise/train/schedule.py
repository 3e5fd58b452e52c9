"""Learning-rate schedules: a factor of the peak as a function of the step, without state."""

from __future__ import annotations

import math
from collections.abc import Callable

#: Share of the steps done, 0 to 1 -> factor.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.5 + 0.5 * math.cos(math.pi * done),
    "linear": lambda done: 1.0 - done,
}


def factor(schedule: str, step: int, steps: int, warmup: int) -> float:
    """Return the factor for the step with this number, counted from 0, of `steps`.

    Over the first `warmup` steps it rises evenly to just below the peak; the schedule spans the rest.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return SCHEDULES[schedule]((step - warmup) / max(steps - warmup, 1))
