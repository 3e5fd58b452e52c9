"""What is measured: how many episodes, at which shots and after how many steps."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from sharewise.data.episodes import Condition
from sharewise.data.episodes.condition import Range, ends
from sharewise.errors import ConfigError


@dataclass(frozen=True)
class FewShotPlan:
    """How learners are tested.

    Args:
        episodes: test episodes at every number of shots.
        shots: numbers of support examples (of every class, for classification) to test with; empty for those
            of training. With 0, learners that have no prediction before they see an example are left out.
        steps: of adaptation to test after, for learners that take steps; empty for none but their own.
        seed: of the test episodes.
        ways: classes of a test task; by default as in training.
        queries: of a test episode; by default as in training.
        examples: episodes to draw a picture of.

    Raises:
        ConfigError: for a number that cannot be one.
    """

    episodes: int = 600
    shots: tuple[int, ...] = ()
    steps: tuple[int, ...] = (0, 1, 5, 10)
    seed: int = 0
    ways: int | None = None
    queries: int | None = None
    examples: int = 3

    def __post_init__(self) -> None:
        for name in ("shots", "steps"):
            values = tuple(getattr(self, name))
            if any(not isinstance(value, int) or value < 0 for value in values):
                raise ConfigError(f"The test's {name} are {list(values)}.", "Use numbers from 0 on.")
            object.__setattr__(self, name, tuple(sorted(set(values))))
        if self.episodes < 2:
            raise ConfigError(
                f"A test of {self.episodes} episodes gives no interval.", "Use at least 2; 600 are usual."
            )
        if self.examples < 0:
            raise ConfigError(f"The test has {self.examples} examples.", "Use a number from 0 on.")

    def conditions(self, trained: Condition) -> tuple[Condition, ...]:
        """Return the conditions to test under, one a number of shots, rising."""
        shots = self.shots or tuple(sorted(set(ends(trained.shots))))
        ways: Range | None = trained.ways if self.ways is None else self.ways
        queries = self.queries or trained.queries
        return tuple(replace(trained, shots=count, queries=queries, ways=ways) for count in shots)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def reference(conditions: tuple[Condition, ...], trained: Condition) -> int:
    """Return the place of the condition most like training: its shots are nearest, by their ratio.

    No shots at all are like training only where that has none either, and then come last.
    """
    low, high = ends(trained.shots)

    def distance(condition: Condition) -> float:
        shots = ends(condition.shots)[0]
        if shots == 0 or high == 0:
            return 0.0 if low <= shots <= high else math.inf
        return math.log(max(low / shots, shots / high, 1.0))

    def order(place: int) -> tuple[float, bool]:
        return distance(conditions[place]), ends(conditions[place].shots)[0] == 0

    return min(range(len(conditions)), key=order)
