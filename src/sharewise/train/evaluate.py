"""How good a model is on a split: losses, metrics in the label's unit, and one score fair over mixed kinds.

The score is the mean over tasks of ``1 - loss / loss of the constant predictor``: 0 for no more than
the base rates of the training split, 1 for certainty, whatever the kinds. One task counts -1 at worst: a task
with a handful of rows has a constant's loss near 0, and must not decide alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from sharewise.data.batches import Batch
from sharewise.tasks import TaskSet
from sharewise.tasks.metrics import Array, Effect
from sharewise.train.constant import rows_by_task
from sharewise.train.devices import device_of, part
from sharewise.train.objective import Objective
from sharewise.train.predict import ROWS, frozen, outputs_of, to_predictions


@dataclass(frozen=True)
class TaskResult:
    """One task on one split.

    Attributes:
        name: the task's.
        loss: its mean loss; NaN if no label is observed.
        constant_loss: the constant predictor's; NaN if none was given.
        metrics: in the label's unit, by name.
        effect: the primary metric with the influence of every observed row, for paired statistics.
        rows: the observed rows, `[len(effect.influence)]`, as positions in the split.
    """

    name: str
    loss: float
    constant_loss: float
    metrics: dict[str, float]
    effect: Effect
    rows: NDArray[Any]


@dataclass(frozen=True)
class Evaluation:
    """All tasks on one split; `score` as the module says, NaN where nothing can be said."""

    tasks: tuple[TaskResult, ...]
    score: float

    @property
    def losses(self) -> dict[str, float]:
        """Mean loss by task name."""
        return {task.name: task.loss for task in self.tasks}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without the influences."""
        tasks = {
            t.name: {"loss": t.loss, "constant_loss": t.constant_loss, "rows": len(t.rows), **t.metrics}
            for t in self.tasks
        }
        return {"score": self.score, "tasks": tasks}


def evaluate(
    model: nn.Module,
    batch: Batch,
    tasks: TaskSet,
    *,
    constant: nn.Module | None = None,
    rows_at_once: int = ROWS,
) -> Evaluation:
    """Evaluate a model on a split.

    Args:
        model: a `MultiTaskModel`, or any module with its `forward`; its device is used, its mode kept.
        batch: the split.
        tasks: the fitted tasks.
        constant: from `fit_constant` on the training split; without it there is no score.
        rows_at_once: rows per forward pass.
    """
    objective = Objective(tasks)
    outputs = _outputs(model, tasks, batch, rows_at_once)
    losses = _mean_losses(objective, outputs, batch)
    constants = torch.full_like(losses, torch.nan)
    if constant is not None:
        constants = _mean_losses(objective, _outputs(constant, tasks, batch, rows_at_once), batch)
    predictions = to_predictions(outputs, tasks, batch.task)
    columns = _columns(tasks, disjoint=batch.task is not None)
    results = tuple(
        _result(
            tasks,
            task,
            rows,
            predictions[:, columns[task]],
            batch,
            (losses[task].item(), constants[task].item()),
        )
        for task, rows in enumerate(rows_by_task(batch, len(tasks)))
    )
    return Evaluation(results, score_of(losses, constants, tasks))


def score_of(losses: Float[Tensor, " tasks"], constants: Float[Tensor, " tasks"], tasks: TaskSet) -> float:
    """Return the score; tasks of weight 0, without labels, or constant in the split do not count."""
    gains = (1.0 - losses / constants).clamp(min=-1.0)
    counted = (tasks.weights > 0) & (constants > 0) & ~losses.isnan()
    return gains[counted].mean().item() if counted.any() else float("nan")


def loss_sums(
    model: nn.Module, split: Batch, objective: Objective, rows_at_once: int = ROWS
) -> tuple[Float[Tensor, " tasks"], Float[Tensor, " tasks"]]:
    """Return every task's sums of weighted losses and of weights, float64, on the CPU: all that scores need.

    The split may lie on any device that `objective` was made for; sums of parts of a split add up.
    """
    device, tasks = device_of(model), len(objective.tasks)
    sums = torch.zeros(tasks, dtype=torch.float64, device=device if device.type != "mps" else "cpu")
    totals = torch.zeros_like(sums)
    with frozen(model):
        for start in range(0, len(split), rows_at_once):
            batch = part(split, slice(start, start + rows_at_once)).to(str(device))
            weights = objective.weigh(batch)
            outputs = outputs_of(model, objective.tasks, batch.inputs, batch.task, batch.descriptor)
            sums += objective.sums(outputs, batch, weights).to(sums.device)
            totals += weights.totals.to(sums.device)
    return sums.cpu(), totals.cpu()


def _outputs(model: nn.Module, tasks: TaskSet, batch: Batch, rows_at_once: int) -> Tensor:
    with frozen(model):
        pieces = []
        for start in range(0, max(len(batch), 1), rows_at_once):
            piece = part(batch, slice(start, start + rows_at_once))
            pieces.append(outputs_of(model, tasks, piece.inputs, piece.task, piece.descriptor).cpu())
        return torch.cat(pieces)


def _mean_losses(objective: Objective, outputs: Tensor, batch: Batch) -> Tensor:
    here = batch.to("cpu")
    weights = objective.weigh(here)
    rows = weights.rows.double()
    if here.task is None:
        sums = (objective.joint(outputs, here.targets) * rows).sum(0)
    else:
        losses = objective.disjoint(outputs, here.targets, here.task) * rows
        sums = torch.zeros(len(objective.tasks), dtype=torch.float64).index_add(0, here.task, losses)
    return sums / weights.totals  # 0 / 0 where a task has no label: NaN


def _result(
    tasks: TaskSet, index: int, rows: Tensor, predictions: Tensor, batch: Batch, losses: tuple[float, float]
) -> TaskResult:
    task, kind = tasks[index], tasks[index].kind
    targets = (batch.targets if batch.task is not None else batch.targets[:, index]).cpu()[rows].double()
    if kind.standardised:
        targets = targets * task.scale + task.mean
    own = predictions[rows].double().numpy()
    weights = torch.ones(len(rows)) if batch.weight is None else batch.weight.cpu()[rows]
    given: tuple[Array, Array, Array] = (own, targets.numpy(), weights.double().numpy())
    if not len(rows):
        return TaskResult(task.name, *losses, {}, Effect(float("nan"), given[2]), rows.numpy())
    return TaskResult(task.name, *losses, kind.metrics(*given), kind.effect(*given), rows.numpy())


def _columns(tasks: TaskSet, disjoint: bool) -> list[slice]:
    columns = [slice(0, task.width) for task in tasks]
    for group in () if disjoint else tasks.groups:
        for position, index in enumerate(group.index):
            start = group.columns.start + group.width * position
            columns[index] = slice(start, start + group.width)
    return columns
