"""Evidence from a study's finished trials, as plain values: everything that a report shows, and no times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sharewise.study.plan import Plan
from sharewise.study.statistics import Difference, Sample, compare_samples
from sharewise.study.trial import Trial
from sharewise.tasks import TaskSet
from sharewise.tasks.metrics import Array


@dataclass(frozen=True)
class Judged:
    """One judged trial.

    Attributes:
        trial: what was trained.
        trained: its ``trial.json``.
        tested: its ``test.json``.
        units: what units of test rows contribute, by task.
    """

    trial: Trial
    trained: dict[str, Any]
    tested: dict[str, Any]
    units: dict[str, Array]

    def gain(self, split: str, task: str) -> float:
        """Return 1 - loss / loss of the constant predictor on "train" or "valid"; NaN if unknown."""
        values = self.trained[split]["tasks"][task]
        loss, constant = number(values["loss"]), number(values["constant_loss"])
        return 1 - loss / constant if constant > 0 else float("nan")


#: Judged trials by structure, in order of their seeds.
Runs = Mapping[str, Sequence[Judged]]


def differences(runs: Runs, tasks: TaskSet, baseline: str, level: float) -> list[Difference]:
    """Compare every structure with the baseline on every task."""
    samples = {
        structure: {task.name: _sample(own, task.name) for task in tasks} for structure, own in runs.items()
    }
    return compare_samples(samples, baseline, level)


def _sample(runs: Sequence[Judged], task: str) -> Sample:
    values = np.array([number(run.tested["primary"][task]) for run in runs])
    return Sample(values, np.stack([run.units[task] for run in runs]))


def effects_of(found: Sequence[Difference], tasks: TaskSet) -> list[dict[str, Any]]:
    """Return the differences for JSON, each with its task's metric."""
    return [{**asdict(one), "metric": tasks[one.task].kind.primary} for one in found]


def tasks_of(tasks: TaskSet) -> list[dict[str, Any]]:
    """Return the tasks for JSON."""
    return [
        {"name": t.name, "kind": t.kind.name, "metric": t.kind.primary, "label": t.label, "weight": t.weight}
        for t in tasks
    ]


def structures_of(plan: Plan, runs: Runs, rates: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the structures for JSON: options, costs, chosen rate, score on the validation split."""
    return [
        {
            "name": name,
            "options": asdict(options),
            "parameters": runs[name][0].trained["parameters"],
            "multiplications": runs[name][0].trained["multiplications"],
            "learning_rate": rates[name],
            "score": spread([number(run.trained["score"]) for run in runs[name]]),
        }
        for name, options in plan.structures.items()
    ]


def results_of(runs: Runs, tasks: TaskSet) -> dict[str, dict[str, Any]]:
    """Return the table of results by structure and task."""
    return {
        structure: {task.name: _result(own, task.name, task.kind.primary) for task in tasks}
        for structure, own in runs.items()
    }


def _result(runs: Sequence[Judged], task: str, metric: str) -> dict[str, Any]:
    tested = [run.tested["tasks"][task] for run in runs]
    primary = [number(run.tested["primary"][task]) for run in runs]
    others = [key for key in tested[0] if key not in ("loss", "constant_loss", "rows", metric)]
    gaps = [run.gain("train", task) - run.gain("valid", task) for run in runs]
    return {
        **spread(primary),
        "values": primary,
        "rows": tested[0]["rows"],
        "loss": spread([number(values["loss"]) for values in tested]),
        "constant_loss": tested[0]["constant_loss"],
        "other": {key: spread([number(values.get(key)) for values in tested]) for key in others},
        "train_gain": spread([run.gain("train", task) for run in runs]),
        "valid_gain": spread([run.gain("valid", task) for run in runs]),
        "gap": spread(gaps),
    }


def curves_of(runs: Runs) -> dict[str, list[dict[str, Any]]]:
    """Return every judged trial's log by structure."""
    return {
        structure: [{"seed": run.trial.train.seed, "records": run.trained["history"]} for run in own]
        for structure, own in runs.items()
    }


def gates_of(runs: Runs, tasks: TaskSet) -> dict[str, dict[str, Any]]:
    """Return gate use of the structures that have gates: one run's matrix, all runs' largest weights.

    Experts of different seeds have nothing in common but their number, so matrices are not averaged; the one
    shown is of the seed that scored best on the validation split.
    """
    gated = {name: own for name, own in runs.items() if own[0].trained["gates"] is not None}
    return {name: _gates(own, tasks) for name, own in gated.items()}


def _gates(runs: Sequence[Judged], tasks: TaskSet) -> dict[str, Any]:
    shown = best_run(runs)
    largest = [[_largest(row) for row in run.trained["gates"]] for run in runs]
    return {
        "seed": shown.trial.train.seed,
        "weights": shown.trained["gates"],
        "largest": {name: [run[i] for run in largest] for i, name in enumerate(tasks.names)},
    }


def _largest(row: Sequence[float | None]) -> float:
    return max((number(value) for value in row), default=float("nan"))


def best_run(runs: Sequence[Judged]) -> Judged:
    """Return the run with the best score on the validation split; the first of equals."""
    return max(runs, key=lambda run: _or_lowest(run.trained["score"]))


def best_structure(runs: Runs) -> str:
    """Return the structure with the best mean score on the validation split; the first of equals."""
    return max(
        runs, key=lambda name: float(np.mean([_or_lowest(run.trained["score"]) for run in runs[name]]))
    )


def _or_lowest(score: float | None) -> float:
    return float("-inf") if score is None else score


def number(value: float | None) -> float:
    """Return what JSON wrote as null as the NaN that it was."""
    return float("nan") if value is None else float(value)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return mean and standard deviation over seeds (NaN for one seed)."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return {"mean": float(np.mean(values)), "sd": sd}
