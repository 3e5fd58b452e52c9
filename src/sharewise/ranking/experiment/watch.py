"""Watch: an experiment looked at again and again, and what the looks together allow to say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sharewise.ranking.experiment.compare import compare
from sharewise.ranking.experiment.mismatch import mismatch_p
from sharewise.ranking.experiment.outcomes import MORE, Outcome
from sharewise.ranking.experiment.plan import ExperimentPlan
from sharewise.ranking.experiment.sequential import always_valid_bound, always_valid_p
from sharewise.ranking.experiment.sums import UserSums

#: What can be said of an arm by an outcome.
BETTER, WORSE, OPEN = "better", "worse", "can't tell yet"
#: What can be done: advice of a look.
GO_ON, WINNER, NO_WINNER, GUARD, MISMATCH = "go on", "winner", "worse", "guard", "mismatch"
#: Chance of a false alarm of the mismatch of counts.
MISMATCH_LEVEL = 0.001
#: Of the usual 95 % interval.
NORMAL = 1.959964


@dataclass(frozen=True)
class Reading:
    """An arm beside the control by one outcome, at one look.

    Attributes:
        outcome, arm: which.
        control, treatment: the outcome of each.
        change: of the treatment, as a share of the control's, adjusted for what users did before.
        low, high: its interval, which holds at all looks together.
        low_once, high_once: its 95 % interval if this were the only look.
        saved: share of the variance that what users did before took away.
        p: always-valid, over the looks so far.
        verdict: "better", "worse" or "can't tell yet"; once it is found it stays.
        breached: whether the outcome is guarded, and surely worse than the guard allows.
    """

    outcome: str
    arm: str
    control: float
    treatment: float
    change: float
    low: float
    high: float
    low_once: float
    high_once: float
    saved: float
    p: float
    verdict: str
    breached: bool


@dataclass(frozen=True)
class Look:
    """An experiment at one time.

    Attributes:
        time: what of the log has been seen: the name of its last partition.
        users: of each arm.
        crossed: users who were in more than one arm, and count in none.
        mismatch_p: of the arms' sizes, over the looks so far.
        readings: of every arm but the control, by every outcome, as far as there are enough users.
        advice: "go on", "winner", "worse", "guard" or "mismatch".
        winner: the arm that the advice is about; "" if it is about none.
    """

    time: str
    users: dict[str, int]
    crossed: int
    mismatch_p: float
    readings: tuple[Reading, ...]
    advice: str
    winner: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


class Watch:
    """Looks at one experiment; the order of looks counts, since p-values are the least so far.

    Args:
        plan: of the experiment.
    """

    def __init__(self, plan: ExperimentPlan) -> None:
        self.plan = plan
        self._least: dict[tuple[str, str], tuple[float, str]] = {}
        self._breached: set[tuple[str, str]] = set()
        self._expected: dict[tuple[str, str], float] = {}
        self._mismatch = 1.0

    def look(self, sums: UserSums, time: str) -> Look:
        """Look at what users have done so far."""
        users = sums.users()
        shares = [arm.share for arm in self.plan.arms]
        self._mismatch = min(self._mismatch, mismatch_p(list(users.values()), shares))
        readings = tuple(self._readings(sums, users))
        advice, winner = self._advice(readings)
        return Look(time, users, sums.crossed(), self._mismatch, readings, advice, winner)

    def _readings(self, sums: UserSums, users: dict[str, int]) -> Iterator[Reading]:
        control, *others = self.plan.arm_names
        ready = [arm for arm in others if min(users[arm], users[control]) >= self.plan.fewest]
        arms = sums.arms() if ready else {}
        for place, outcome in enumerate(self.plan.outcomes if ready else ()):
            for arm in ready:
                both = arms[control].by(place), arms[arm].by(place)
                told = min(np.count_nonzero(own.value) for own in both)
                effect = compare(*both) if told >= self.plan.fewest else None
                if effect is not None:
                    estimate = (effect.change, effect.error)
                    values = (effect.control, effect.treatment)
                    yield self._reading(outcome, arm, values, estimate, effect.saved)

    def _reading(
        self,
        outcome: Outcome,
        arm: str,
        values: tuple[float, float],
        estimate: tuple[float, float],
        saved: float,
    ) -> Reading:
        change, error = estimate
        key = (outcome.name, arm)
        expected = self._expected.setdefault(key, math.log1p(self.plan.expected) or error)
        bound = always_valid_bound(error, expected, self.plan.level)
        good = (change > 0) == (outcome.better == MORE)
        now = (always_valid_p(change, error, expected), BETTER if good else WORSE)
        self._least[key] = min(self._least.get(key, (1.0, OPEN)), now)
        p, found = self._least[key]
        low, high = math.expm1(change - bound), math.expm1(change + bound)
        if outcome.name in self.plan.guards:
            margin = self.plan.guards[outcome.name]
            if (high < -margin) if outcome.better == MORE else (low > margin):
                self._breached.add(key)
        return Reading(
            outcome.name,
            arm,
            *values,
            math.expm1(change),
            low,
            high,
            math.expm1(change - NORMAL * error),
            math.expm1(change + NORMAL * error),
            saved,
            p,
            found if p <= self.plan.level else OPEN,
            key in self._breached,
        )

    def _advice(self, readings: tuple[Reading, ...]) -> tuple[str, str]:
        if self._mismatch <= MISMATCH_LEVEL:
            return MISMATCH, ""
        breached = {reading.arm for reading in readings if reading.breached}
        primary = [reading for reading in readings if reading.outcome == self.plan.primary]
        sound = [reading for reading in primary if reading.arm not in breached]
        better = [reading for reading in sound if reading.verdict == BETTER]
        if better:
            sign = 1 if self._better(self.plan.primary) == MORE else -1
            return WINNER, max(better, key=lambda reading: sign * reading.change).arm
        if breached:
            return GUARD, sorted(breached)[0]
        if primary and all(reading.verdict == WORSE for reading in primary):
            return NO_WINNER, self.plan.arm_names[0]
        return GO_ON, ""

    def _better(self, name: str) -> str:
        return next(outcome.better for outcome in self.plan.outcomes if outcome.name == name)
