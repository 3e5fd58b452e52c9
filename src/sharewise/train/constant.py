"""The constant predictor: what a model must beat, and the unit in which mixed kinds of tasks compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sharewise.data.batches import Batch
from sharewise.tasks import TaskSet

#: The logit of a class that the training split never showed.
NEVER = -20.0


class Constant(nn.Module):
    """The best constant outputs for every task, fitted on a training split; a model like any other.

    Args:
        outputs: `[tasks, width]`, in order of the tasks, what is right of a narrower one without meaning.
        tasks: the tasks.
    """

    outputs: Tensor
    flat: Tensor

    def __init__(self, outputs: Float[Tensor, "tasks width"], tasks: TaskSet) -> None:
        super().__init__()
        flat = [outputs[list(group.index), : group.width].flatten() for group in tasks.groups]
        self.register_buffer("outputs", outputs)
        self.register_buffer("flat", torch.cat(flat))

    def forward(
        self, inputs: Mapping[str, Tensor], task: Tensor | None = None, descriptor: Tensor | None = None
    ) -> Tensor:
        if task is not None:
            return self.outputs[task]
        return self.flat.expand(len(next(iter(inputs.values()))), -1)


def fit_constant(train: Batch, tasks: TaskSet) -> Constant:
    """Return the constant predictor of a training split; zeros for a task that it never observes."""
    outputs = torch.full((len(tasks), tasks.width), NEVER)
    for task, (targets, weights) in enumerate(labels_by_task(train, len(tasks))):
        seen = weights > 0
        kind = tasks[task].kind
        own = condensed(targets[seen], weights[seen])
        best = kind.constant(*own) if seen.any() else torch.zeros(tasks[task].width)
        outputs[task, : len(best)] = best
    return Constant(outputs, tasks)


def condensed(targets: Tensor, weights: Tensor, most: int = 4096) -> tuple[Tensor, Tensor]:
    """Return few values with weights that stand for many labels, since kinds may fit them iteratively.

    Equal labels become one value with their weight: exact. More than `most` different ones become that many
    means of neighbours, which keeps the mean and moves a median by less than their distance.
    """
    if len(targets) <= most:
        return targets, weights
    values, place = torch.unique(targets, return_inverse=True)
    if len(values) > most:
        place = place * most // len(values)
    exact = weights.double()
    total = torch.zeros(min(most, len(values)), dtype=torch.float64).index_add(0, place, exact)
    sums = torch.zeros_like(total).index_add(0, place, exact * targets)
    return (sums / total).float(), total.float()


def labels_by_task(batch: Batch, tasks: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (targets, weights) of the observed labels, task by task; on the CPU."""
    targets = batch.targets.cpu()
    weight = torch.ones(len(targets)) if batch.weight is None else batch.weight.cpu()
    for task, rows in enumerate(rows_by_task(batch, tasks)):
        own = targets[rows] if batch.task is not None else targets[rows, task]
        yield own, weight[rows]


def rows_by_task(batch: Batch, tasks: int) -> Iterator[Tensor]:
    """Yield the rows where each task is observed, increasing, on the CPU."""
    mask = batch.mask.cpu()
    if batch.task is None:
        yield from (mask[:, task].nonzero().squeeze(1) for task in range(tasks))
        return
    observed = mask.nonzero().squeeze(1)
    own = batch.task.cpu()[observed]
    order = torch.argsort(own, stable=True)
    yield from torch.split(observed[order], torch.bincount(own, minlength=tasks).tolist())
