"""Train and test one trial: all that a study asks of networks and training is asked here.

A trial's folder is a run like any other (`sharewise.train.Run`), with ``trial.json`` (what it was, how it
scored on training and validation rows, what its gates do) and, after the test, ``test.json`` and
``test.safetensors``. What is there whole is used again; what was begun goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from sharewise import files
from sharewise.balance import make_balancer
from sharewise.data.batches import Batch
from sharewise.errors import CheckpointError, DivergedError
from sharewise.nn import MultiTaskModel
from sharewise.streams import stream
from sharewise.study.splits import StudyData
from sharewise.study.statistics import contributions
from sharewise.study.trial import Trial
from sharewise.tasks.metrics import Array
from sharewise.train import Progress, Run, evaluate, fit, fit_constant, predict, split_by_task
from sharewise.train.constant import rows_by_task
from sharewise.train.run import TIMING

TRIAL, TEST, UNITS = "trial.json", "test.json", "test.safetensors"
#: Rows that the training split is judged by, and gates are averaged over: enough for two digits of a gap.
ROWS = 32768

Steps = Callable[[float], None]


def build(trial: Trial, data: StudyData) -> MultiTaskModel:
    """Return the trial's model with its first weights."""
    return MultiTaskModel(data.tasks, data.inputs, trial.options, seed=trial.train.seed)


def trained(trial: Trial, data: StudyData, folder: Path) -> MultiTaskModel:
    """Return the model of a finished trial, in evaluation mode."""
    model = build(trial, data)
    Run.open(folder).load_weights(model)
    return model.eval()


def train_trial(
    trial: Trial, data: StudyData, folder: Path, steps: Steps = lambda share: None
) -> dict[str, Any]:
    """Train a trial, or find it finished; return the content of its ``trial.json``, or only ``diverged``.

    Args:
        trial: what to train.
        data: training and validation splits are read, the test split is not.
        folder: the trial's own.
        steps: told the share of steps done.
    """
    done = _finished(folder, TRIAL, trial)
    if done is not None:
        return done
    model = build(trial, data)
    balancer = make_balancer(data.tasks, **trial.balance)
    try:
        result = fit(model, data, trial.train, balancer=balancer, folder=folder, progress=_Steps(steps))
    except DivergedError as error:
        return {"diverged": error.problem}
    values = {
        "digest": trial.digest,
        "trial": trial.to_dict(),
        "score": result.best_score,
        "steps": result.steps,
        "history": result.history,
        **_measure(model, data),
    }
    _keep(folder, {TRIAL: files.to_json(values)})
    files.remove(folder / "checkpoint")
    return _finished(folder, TRIAL, trial) or values


def examine_trial(trial: Trial, data: StudyData, folder: Path) -> dict[str, Any]:
    """Test a finished trial, or find it tested; return the content of its ``test.json``: metrics by task."""
    done = _finished(folder, TEST, trial)
    if done is not None:
        return done
    model = trained(trial, data, folder)
    found = evaluate(model, data.test, data.tasks, constant=fit_constant(data.train, data.tasks))
    clusters = data.clusters
    units = {
        task.name: torch.from_numpy(
            contributions(task.effect.influence, None if clusters is None else clusters[task.rows])
        )
        for task in found.tasks
    }
    primary = {task.name: task.effect.value for task in found.tasks}
    values = {"digest": trial.digest, **found.to_dict(), "primary": primary}
    _keep(folder, {TEST: files.to_json(values), UNITS: safetensors.torch.save(units)})
    return _finished(folder, TEST, trial) or values


def units_of(folder: Path) -> dict[str, Array]:
    """Return what each unit of test rows contributes to each task's metric, from a tested trial's folder."""
    tensors = safetensors.torch.load(Run.open(folder).read(UNITS))
    return {name: value.numpy() for name, value in tensors.items()}


@dataclass(frozen=True)
class Predicted:
    """One task's observed rows: predictions ``[rows, width]``, targets and weights, in the label's unit."""

    predictions: Array
    targets: Array
    weights: Array


def predict_test(model: MultiTaskModel, data: StudyData) -> dict[str, Predicted]:
    """Return predictions for the test rows where each task is observed."""
    batch, tasks = data.test, data.tasks
    found = predict(model, batch.inputs, tasks, batch.task, batch.descriptor)
    by_task = split_by_task(found, tasks) if batch.task is None else {}
    weights = torch.ones(len(batch)) if batch.weight is None else batch.weight
    answers = {}
    for i, (task, rows) in enumerate(zip(tasks, rows_by_task(batch, len(tasks)), strict=True)):
        own = by_task[task.name] if batch.task is None else found[:, : task.width]
        targets = (batch.targets[:, i] if batch.task is None else batch.targets)[rows].double()
        if task.kind.standardised:
            targets = targets * task.scale + task.mean
        answers[task.name] = Predicted(
            own[rows].double().numpy(), targets.numpy(), weights[rows].double().numpy()
        )
    return answers


def timing_of(folder: Path) -> dict[str, float]:
    """Return the seconds that a trial took when it was last begun or resumed, and its rows."""
    values: dict[str, float] = Run.open(folder).read_json(TIMING)
    return values


def _measure(model: MultiTaskModel, data: StudyData) -> dict[str, Any]:
    constant = fit_constant(data.train, data.tasks)
    train, cost = some(data.train), model.cost()
    return {
        "train": evaluate(model, train, data.tasks, constant=constant).to_dict(),
        "valid": evaluate(model, data.valid, data.tasks, constant=constant).to_dict(),
        "gates": _gates(model, some(data.valid)),
        "parameters": cost.parameters,
        "multiplications": cost.multiplications,
    }


def _gates(model: MultiTaskModel, rows: Batch) -> list[list[float]] | None:
    device = next(model.parameters()).device
    here = rows.to(str(device))
    found = model.gates(here.inputs, here.task)
    return None if found is None else found.double().cpu().tolist()


def some(batch: Batch, rows: int = ROWS) -> Batch:
    """Return at most so many of a split's rows, at random but always the same."""
    if len(batch) <= rows:
        return batch
    picked = torch.randperm(len(batch), generator=stream(0, "study", "rows"))[:rows]
    return batch.take(picked.sort().values)


def _finished(folder: Path, name: str, trial: Trial) -> dict[str, Any] | None:
    try:
        run = Run.open(folder)
        values: dict[str, Any] = run.read_json(name)
    except CheckpointError:  # not there yet, or damaged: made again from what is whole
        return None
    return values if values.get("digest") == trial.digest else None


def _keep(folder: Path, contents: dict[str, bytes]) -> None:
    run = Run.open(folder)
    for name, content in contents.items():
        run.write(name, content)
    run.seal()


class _Steps(Progress):
    def __init__(self, told: Steps) -> None:
        self._told, self._all, self._done = told, 1, 0

    def start(self, steps: int, done: int) -> None:
        self._all, self._done = max(steps, 1), done

    def step(self, rows: int) -> None:
        self._done += 1
        self._told(self._done / self._all)
