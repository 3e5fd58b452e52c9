"""measure: a learner and its baselines on the same test episodes, as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from sharewise import files
from sharewise.data.episodes import Condition, EpisodeSource
from sharewise.data.episodes.condition import ends
from sharewise.errors import ConfigError
from sharewise.meta import Learner
from sharewise.study.fewshot import words
from sharewise.study.fewshot.calibration import watch_for
from sharewise.study.fewshot.examples import examples
from sharewise.study.fewshot.paired import compare_pairs
from sharewise.study.fewshot.plan import FewShotPlan, reference
from sharewise.study.progress import StudyProgress
from sharewise.study.statistics import LEVEL
from sharewise.train.meta_evaluate import TOGETHER, EpisodeScores, Watcher, evaluate_learner

#: The stream that test episodes are drawn from.
STREAM = "test"

Scores = dict[int, dict[str, EpisodeScores]]


def measure(
    learners: Mapping[str, Learner],
    source: EpisodeSource,
    plan: FewShotPlan = FewShotPlan(),
    *,
    trained: Condition,
    scale: float = 1.0,
    mean: float = 0.0,
    unit: str = "",
    progress: StudyProgress | None = None,
) -> dict[str, Any]:
    """Measure a learner beside baselines, all on the same episodes of tasks that none was trained on.

    Args:
        learners: trained, by name: the first is the candidate, the others are what it is compared with.
        source: the test tasks.
        plan: how much to measure.
        trained: the condition of the candidate's training.
        scale, mean: of the label, where targets are (y - mean) / scale; errors and examples are in its unit.
        unit: of the label, in words.
        progress: told of every evaluation; silent by default.

    Returns:
        Plain values for JSON; "interval" means ``{"mean", "low", "high"}``, of 95 % over episodes.

        * ``format``, ``kind`` ("few-shot"), ``candidate``, ``level``, ``plan``, ``unit``
        * ``metric`` ("accuracy", "mse" or "loss"), ``higher_is_better``, ``label`` (its kind)
        * ``tasks``: how many stand behind the episodes, 0 for no end of them; ``tasks_are``: what they are
        * ``learners``: each ``name``, ``type``, ``trained``, ``stepwise``, ``transductive``, ``parameters``
        * ``trained``: condition of training; ``tested``: those of the test; ``reference``: ``shots`` (of
          those, most like training) and its ``place`` in ``by_shots``
        * ``by_shots``: each ``shots`` and ``learners``: name -> interval of the metric, with ``loss`` and,
          where there is a variance, ``covered`` (share of rows inside the 90 % interval)
        * ``by_steps``: stepwise learner -> at the reference's shots, each ``steps`` with an interval
        * ``differences``: see `study.fewshot.paired`: candidate minus baseline
        * ``calibration``: learner -> by shots, see `study.fewshot.calibration`; absent where there is none
        * ``examples``: see `study.fewshot.examples`
        * ``conditions``: each ``shots``, ``what`` differs from training, and ``why`` it matters
        * ``verdict``: ``headline``, ``sentences``, ``notes``
        * ``seconds``: that the measurement took

    Raises:
        ConfigError: if there are no learners.
        DataError: if the tasks have not enough examples, or a learner cannot read such episodes.
    """
    began = perf_counter()
    if not learners:
        raise ConfigError("There is no learner to measure.", "Give at least one.")
    tested = plan.conditions(trained)
    for condition in tested:
        source.check(condition)
    place = reference(tested, trained)
    work = _Work(learners, source, plan, scale, progress or StudyProgress())
    work.announce(len(tested))
    scores, calibration = work.by_shots(tested)
    by_steps = work.by_steps(tested[place])
    work.progress.close()
    found = {
        **_facts(learners, source, plan, trained, tested, place),
        **_results(scores, next(iter(learners))),
        "unit": unit,
        "by_steps": by_steps,
        "calibration": calibration,
        "examples": work.examples(tested[place], scores, mean),
        "conditions": words.conditions(trained, tested),
    }
    plain: dict[str, Any] = json.loads(files.to_json(found))  # numbers that are not finite become None
    plain["verdict"] = {
        "headline": words.headline(plain),
        "sentences": words.sentences(plain),
        "notes": words.notes(plain),
    }
    return {**plain, "seconds": round(perf_counter() - began, 3)}


def _facts(
    learners: Mapping[str, Learner],
    source: EpisodeSource,
    plan: FewShotPlan,
    trained: Condition,
    tested: tuple[Condition, ...],
    place: int,
) -> dict[str, Any]:
    return {
        "format": 1,
        "kind": "few-shot",
        "level": LEVEL,
        "plan": plan.to_dict(),
        "label": source.kind.name,
        "tasks": len(source.names),
        "tasks_are": "classes" if tested[0].ways is not None else "tasks",
        "learners": [_learner(name, learner) for name, learner in learners.items()],
        "trained": trained.to_dict(),
        "tested": [condition.to_dict() for condition in tested],
        "reference": {"shots": ends(tested[place].shots)[0], "place": place},
    }


def _results(scores: Scores, candidate: str) -> dict[str, Any]:
    first = next(iter(scores.values()))[candidate]
    return {
        "candidate": candidate,
        "metric": first.name,
        "higher_is_better": first.higher_is_better,
        "by_shots": [
            {"shots": shots, "learners": {name: one.summary() for name, one in own.items()}}
            for shots, own in scores.items()
        ],
        "differences": [one.to_dict() for one in compare_pairs(scores, candidate)],
    }


def _learner(name: str, learner: Learner) -> dict[str, Any]:
    return {
        "name": name,
        "type": type(learner).__name__,
        "trained": learner.trained,
        "stepwise": learner.stepwise,
        "transductive": learner.transductive,
        "parameters": sum(parameter.numel() for parameter in learner.parameters()),
    }


@dataclass(frozen=True)
class _Work:
    learners: Mapping[str, Learner]
    source: EpisodeSource
    plan: FewShotPlan
    scale: float
    progress: StudyProgress

    @property
    def stepwise(self) -> dict[str, Learner]:
        return {name: learner for name, learner in self.learners.items() if learner.stepwise}

    def announce(self, conditions: int) -> None:
        runs = conditions * len(self.learners) + len(self.plan.steps) * len(self.stepwise)
        self.progress.stage("test", runs)

    def by_shots(self, tested: tuple[Condition, ...]) -> tuple[Scores, dict[str, list[dict[str, Any]]]]:
        """Return the scores by shots and learner, and the calibration by learner."""
        scores: Scores = {}
        calibration: dict[str, list[dict[str, Any]]] = {}
        for condition in tested:
            shots = ends(condition.shots)[0]
            scores[shots] = {}
            for name in self.learners:
                watch = watch_for(self.source.kind)
                scores[shots][name] = self.evaluate(name, condition, watch=watch.add if watch else None)
                counted = watch.result() if watch else None
                if counted is not None:
                    calibration.setdefault(name, []).append({"shots": shots, **counted})
        return scores, calibration

    def by_steps(self, condition: Condition) -> dict[str, list[dict[str, Any]]]:
        """Return the results after so many steps of the learners that take steps."""
        if not self.plan.steps:
            return {}
        return {
            name: [
                {"steps": steps, **self.evaluate(name, condition, steps).summary()}
                for steps in self.plan.steps
            ]
            for name in self.stepwise
        }

    def evaluate(
        self, name: str, condition: Condition, steps: int | None = None, watch: Watcher | None = None
    ) -> EpisodeScores:
        found = evaluate_learner(
            self.learners[name],
            self.source,
            condition,
            episodes=self.plan.episodes,
            steps=steps,
            seed=self.plan.seed,
            name=STREAM,
            scale=self.scale,
            watch=watch,
        )
        self.progress.done(f"{name} shots={condition.shots} steps={steps}")
        return found

    def examples(self, condition: Condition, scores: Scores, mean: float) -> dict[str, Any] | None:
        """Return the first of the test episodes, predicted by the candidate and the best baseline."""
        count = min(self.plan.examples, self.plan.episodes, TOGETHER)
        if not count:
            return None
        drawn = self.source.batches(condition, min(TOGETHER, self.plan.episodes), self.plan.seed, STREAM)
        episodes = next(drawn).take(slice(0, count))
        own = scores[ends(condition.shots)[0]]
        candidate, *others = self.learners
        better = max if own[candidate].higher_is_better else min
        shown = [candidate, *([better(others, key=lambda name: own[name].metric.mean())] if others else [])]
        chosen = {name: self.learners[name] for name in shown}
        return examples(chosen, self.source, episodes, scale=self.scale, mean=mean)
