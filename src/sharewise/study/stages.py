"""The stages of a study, in an order that keeps the test split out of every choice.

1. *search*: every structure tries every learning rate once; each takes the one that validates best.
2. *train*: every structure trains with every seed at its rate. The best structure, and its best seed, are
   those that validate best too.
3. *test*: every trained model is evaluated on the test split, once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sharewise.errors import DivergedError
from sharewise.study.evidence import Judged, Runs
from sharewise.study.plan import Plan
from sharewise.study.runner import units_of
from sharewise.study.trial import Trial
from sharewise.study.workers import Workers

#: Validation scores by structure and learning rate; None where a trial diverged.
Search = dict[str, dict[float, float | None]]

REMEDY = "Lower the learning rates, clip the gradient, or look for extreme values in the table."


class Stages:
    """Runs a plan's trials.

    Args:
        plan: what to train.
        workers: who does it.
        where: the study's folder; trials lie below ``trials/``.
    """

    def __init__(self, plan: Plan, workers: Workers, where: Path) -> None:
        self._plan, self._workers, self._where = plan, workers, where

    def folder(self, trial: Trial) -> Path:
        """Return where a trial lies."""
        return self._where / "trials" / trial.name

    def search(self) -> tuple[dict[str, float], Search]:
        """Return every structure's learning rate, and the scores of all; no scores if there is one rate."""
        trials = self._plan.search()
        if not trials:
            return dict.fromkeys(self._plan.structures, self._plan.rates[0]), {}
        answers = self._do("search", "train", trials)
        found: Search = {name: {} for name in self._plan.structures}
        for trial in trials:
            found[trial.structure][trial.train.learning_rate] = answers[trial.name].get("score")
        return {name: choose(name, scores) for name, scores in found.items()}, found

    def judge(self, rates: Mapping[str, float]) -> Runs:
        """Train with all seeds, then test.

        Raises:
            DivergedError: if a trial diverges.
        """
        trials = self._plan.judged(rates)
        trained = self._do("train", "train", trials)
        for trial in trials:
            _refuse_diverged(trial, trained[trial.name])
        tested = self._do("test", "test", trials)
        runs: dict[str, list[Judged]] = {name: [] for name in self._plan.structures}
        for trial in trials:
            units = units_of(self.folder(trial))
            runs[trial.structure].append(Judged(trial, trained[trial.name], tested[trial.name], units))
        return runs

    def _do(self, stage: str, action: str, trials: Sequence[Trial]) -> dict[str, dict[str, Any]]:
        return self._workers.do(stage, [(trial.name, self._request(action, trial)) for trial in trials])

    def _request(self, action: str, trial: Trial) -> dict[str, Any]:
        folder = str(self.folder(trial).absolute())
        return {"action": action, "trial": trial.to_dict(), "folder": folder}


def choose(name: str, scores: Mapping[float, float | None]) -> float:
    """Return the learning rate of the best score; the lowest of equals.

    Raises:
        DivergedError: if every trial diverged.
    """
    known = {rate: score for rate, score in scores.items() if score is not None}
    if not known:
        rates = ", ".join(f"{rate:g}" for rate in scores)
        raise DivergedError(f"'{name}' diverged at every learning rate ({rates}).", REMEDY)
    return max(sorted(known), key=lambda rate: known[rate])


def _refuse_diverged(trial: Trial, answer: Mapping[str, Any]) -> None:
    if "diverged" in answer:
        problem = f"'{trial.structure}' with seed {trial.train.seed}: {answer['diverged']}"
        raise DivergedError(problem, REMEDY)
