"""Sweep: all evaluations of one learner, on the episodes that every other learner sees too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharewise.data.episodes import Condition, Episodes, EpisodeSource
from sharewise.data.episodes.condition import ends
from sharewise.meta import Learner
from sharewise.study.fewshot.calibration import watch_for
from sharewise.study.fewshot.plan import FewShotPlan
from sharewise.study.progress import StudyProgress
from sharewise.train.meta_evaluate import TOGETHER, EpisodeScores, Watcher, evaluate_learner

#: The stream that test episodes are drawn from.
STREAM = "test"


@dataclass(frozen=True)
class Measured:
    """What was seen of one learner.

    Attributes:
        scores: by shots; those alone from which it can predict.
        by_steps: each ``steps`` with the interval of the metric; empty for learners that take none.
        calibration: each ``shots`` with what was counted; empty where there is none.
    """

    scores: Mapping[int, EpisodeScores]
    by_steps: Sequence[dict[str, Any]]
    calibration: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Sweep:
    """How learners are evaluated.

    Attributes:
        source: the test tasks.
        plan: how much.
        tested: the conditions, one a number of shots.
        place: of the condition in `tested` at which steps are varied.
        scale: of the label.
        progress: told of every evaluation.
    """

    source: EpisodeSource
    plan: FewShotPlan
    tested: tuple[Condition, ...]
    place: int
    scale: float
    progress: StudyProgress

    def evaluations(self, learner: Learner) -> int:
        """Return how many evaluations the learner takes."""
        return len(self._able(learner)) + len(self._steps(learner))

    def measure(self, name: str, learner: Learner) -> Measured:
        """Evaluate a learner at all shots and steps.

        Raises:
            DataError: if it cannot read such episodes.
        """
        scores, calibration = {}, []
        for condition in self._able(learner):
            shots, watch = ends(condition.shots)[0], watch_for(self.source.kind)
            found = self._evaluate(learner, condition, watch=watch.add if watch else None)
            self.progress.done(f"{name} shots={shots}")
            scores[shots] = found
            counted = watch.result() if watch else None
            if counted is not None:
                calibration.append({"shots": shots, **counted})
        return Measured(scores, self._by_steps(name, learner), calibration)

    def first_episodes(self, count: int) -> Episodes:
        """Return the first of the episodes that every learner was tested on."""
        together = min(TOGETHER, self.plan.episodes)
        drawn = self.source.batches(self.tested[self.place], together, self.plan.seed, STREAM)
        return next(drawn).take(slice(0, min(count, together)))

    def _able(self, learner: Learner) -> tuple[Condition, ...]:
        """Return the conditions, without that of no shots for a learner that must see an example first."""
        able = tuple(one for one in self.tested if learner.from_nothing or ends(one.shots)[0])
        return able or self.tested  # of which the evaluation says that it cannot

    def _steps(self, learner: Learner) -> tuple[int, ...]:
        asked = learner.stepwise and self.tested[self.place] in self._able(learner)
        return self.plan.steps if asked else ()

    def _by_steps(self, name: str, learner: Learner) -> list[dict[str, Any]]:
        found = []
        for steps in self._steps(learner):
            scores = self._evaluate(learner, self.tested[self.place], steps)
            self.progress.done(f"{name} steps={steps}")
            found.append({"steps": steps, **scores.summary()})
        return found

    def _evaluate(
        self,
        learner: Learner,
        condition: Condition,
        steps: int | None = None,
        watch: Watcher | None = None,
    ) -> EpisodeScores:
        return evaluate_learner(
            learner,
            self.source,
            condition,
            episodes=self.plan.episodes,
            steps=steps,
            seed=self.plan.seed,
            name=STREAM,
            scale=self.scale,
            watch=watch,
        )
