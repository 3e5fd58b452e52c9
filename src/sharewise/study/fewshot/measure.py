"""measure: a learner and its baselines on the same test episodes, as plain values.

The evidence, where "interval" means ``{"mean", "low", "high"}``, of 95 % over tasks:

* ``format``, ``kind`` ("few-shot"), ``candidate``, ``level``, ``plan``, ``unit``
* ``metric`` ("accuracy", "mse" or "loss"), ``higher_is_better``, ``label`` (its kind)
* ``tasks``: how many stand behind the episodes, 0 for no end of them; ``tasks_are``: what they are
* ``learners``: each ``name``, ``type``, ``trained``, ``stepwise``, ``transductive``, ``parameters``;
  of those that take steps ``steps`` and ``rate``, which learned rates start from
* ``trained``: condition of training; ``tested``: those of the test; ``reference``: ``shots`` (of
  those, most like training) and its ``place`` in ``by_shots``
* ``by_shots``: each ``shots``, ``tasks`` (how many different ones the episodes are of, where there is a list
  of tasks; those with too few rows are not among them) and ``learners``: name -> interval of the metric, with
  ``loss`` and, where there is a variance, ``covered`` (share of rows inside the 90 % interval); without
  learners that cannot predict from 0 shots
* ``by_steps``: stepwise learner -> at the reference's shots, each ``steps`` with an interval
* ``differences``: see `study.fewshot.paired`: candidate minus baseline
* ``calibration``: learner -> by shots, see `study.fewshot.calibration`; absent where there is none
* ``examples``: see `study.fewshot.examples`
* ``left_out``: each ``name`` of a baseline that cannot read such episodes or be trained, and ``why``
* ``conditions``: each ``shots``, ``what`` differs from training, and ``why`` it matters
* ``verdict``: ``headline``, ``sentences``, ``notes``
* ``seconds``: that the measurement took
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from sharewise import files
from sharewise.data.episodes import Condition, EpisodeSource
from sharewise.data.episodes.condition import ends
from sharewise.errors import ConfigError, DataError
from sharewise.meta import Learner
from sharewise.meta.gradient import GradientLearner
from sharewise.study.fewshot import words
from sharewise.study.fewshot.examples import examples
from sharewise.study.fewshot.paired import compare_pairs
from sharewise.study.fewshot.plan import FewShotPlan, reference
from sharewise.study.fewshot.sweep import Measured, Sweep
from sharewise.study.progress import StudyProgress
from sharewise.study.statistics import LEVEL
from sharewise.train.meta_evaluate import EpisodeScores

#: Results by learner, the candidate first.
Results = Mapping[str, Measured]


def measure(
    learners: Mapping[str, Learner],
    source: EpisodeSource,
    plan: FewShotPlan = FewShotPlan(),
    *,
    trained: Condition,
    scale: float = 1.0,
    mean: float = 0.0,
    unit: str = "",
    failed: Mapping[str, str] | None = None,
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
        failed: baselines that could not be trained, and why; named among those left out.
        progress: told of every evaluation; silent by default.

    Returns:
        The evidence as plain values for JSON: see the top of this file.

    Raises:
        ConfigError: if there are no learners.
        DataError: if the tasks have not enough examples, or the candidate cannot read such episodes.
    """
    began = perf_counter()
    if not learners:
        raise ConfigError("There is no learner to measure.", "Give at least one.")
    tested = plan.conditions(trained)
    for condition in tested:
        source.check(condition)
    place = reference(tested, trained)
    sweep = Sweep(source, plan, tested, place, scale, progress or StudyProgress())
    results, left_out = _run(sweep, learners)
    kept = {name: learners[name] for name in results}
    found = {
        **_facts(sweep, kept, trained),
        **_results(results),
        "unit": unit,
        "left_out": [*({"name": name, "why": why} for name, why in (failed or {}).items()), *left_out],
        "examples": _examples(sweep, kept, results, mean),
        "conditions": words.conditions(trained, tested),
    }
    shown = [entry["shots"] for entry in found["by_shots"]]
    found["reference"]["place"] = shown.index(found["reference"]["shots"])
    plain: dict[str, Any] = json.loads(files.to_json(found))  # numbers that are not finite become None
    return {**plain, "verdict": words.verdict(plain), "seconds": round(perf_counter() - began, 3)}


def _run(sweep: Sweep, learners: Mapping[str, Learner]) -> tuple[Results, list[dict[str, str]]]:
    results: dict[str, Measured] = {}
    left_out: list[dict[str, str]] = []
    sweep.progress.stage("test", sum(map(sweep.evaluations, learners.values())))
    try:
        for name, learner in learners.items():
            try:
                results[name] = sweep.measure(name, learner)
            except DataError as error:  # nothing to compare with, but no reason to lose the rest
                if not results:
                    raise
                left_out.append({"name": name, "why": error.problem})
                sweep.progress.note(f"{name} is left out: {error.problem}")
    finally:
        sweep.progress.close()
    return results, left_out


def _facts(sweep: Sweep, learners: Mapping[str, Learner], trained: Condition) -> dict[str, Any]:
    tested, place, source = sweep.tested, sweep.place, sweep.source
    return {
        "format": 1,
        "kind": "few-shot",
        "level": LEVEL,
        "plan": sweep.plan.to_dict(),
        "label": source.kind.name,
        "tasks": len(source.names),
        "tasks_are": "classes" if tested[0].ways is not None else "tasks",
        "learners": [_learner(name, learner) for name, learner in learners.items()],
        "trained": trained.to_dict(),
        "tested": [condition.to_dict() for condition in tested],
        "reference": {"shots": ends(tested[place].shots)[0]},
    }


def _learner(name: str, learner: Learner) -> dict[str, Any]:
    found = {
        "name": name,
        "type": type(learner).__name__,
        "trained": learner.trained,
        "stepwise": learner.stepwise,
        "transductive": learner.transductive,
        "parameters": sum(parameter.numel() for parameter in learner.parameters()),
    }
    if learner.stepwise and isinstance(learner, GradientLearner):
        found |= {"steps": learner.steps, "rate": learner.rate}
    return found


def _results(results: Results) -> dict[str, Any]:
    candidate = next(iter(results))
    shots = sorted({count for one in results.values() for count in one.scores})
    scores: dict[int, dict[str, EpisodeScores]] = {
        count: {name: one.scores[count] for name, one in results.items() if count in one.scores}
        for count in shots
    }
    first = next(iter(results[candidate].scores.values()))
    return {
        "candidate": candidate,
        "metric": first.name,
        "higher_is_better": first.higher_is_better,
        "by_shots": [
            {
                "shots": count,
                "tasks": _tasks(next(iter(own.values()))),
                "learners": {name: one.summary() for name, one in own.items()},
            }
            for count, own in scores.items()
        ],
        "by_steps": {name: one.by_steps for name, one in results.items() if one.by_steps},
        "differences": [one.to_dict() for one in compare_pairs(scores, candidate)],
        "calibration": {name: one.calibration for name, one in results.items() if one.calibration},
    }


def _tasks(scores: EpisodeScores) -> int | None:
    return None if scores.tasks is None else len(set(scores.tasks.tolist()))


def _examples(
    sweep: Sweep, learners: Mapping[str, Learner], results: Results, mean: float
) -> dict[str, Any] | None:
    """Return the first of the test episodes, predicted by the candidate and the best baseline."""
    if not sweep.plan.examples:
        return None
    shots = ends(sweep.tested[sweep.place].shots)[0]
    scores = {name: one.scores[shots] for name, one in results.items() if shots in one.scores}
    candidate, *others = scores
    better = max if scores[candidate].higher_is_better else min
    best = [better(others, key=lambda name: scores[name].metric.mean())] if others else []
    chosen = {name: learners[name] for name in (candidate, *best)}
    episodes = sweep.first_episodes(sweep.plan.examples)
    return examples(chosen, sweep.source, episodes, scale=sweep.scale, mean=mean)
