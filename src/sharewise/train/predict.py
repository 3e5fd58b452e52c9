"""Outputs and predictions of a trained model, batch after batch, without gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sharewise.tasks import TaskSet
from sharewise.train.devices import device_of
from sharewise.train.ensemble import pool

#: Rows computed at once: enough to fill the cores, little enough to stay in the caches.
ROWS = 8192


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; the mode from before comes back afterwards."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)


def outputs_of(
    model: nn.Module,
    tasks: TaskSet,
    inputs: Mapping[str, Tensor],
    task: Int[Tensor, " rows"] | None = None,
    descriptor: Float[Tensor, "rows size"] | None = None,
) -> Float[Tensor, "rows columns"]:
    """Return the outputs of one batch, on the model's device; those of an ensemble's members are pooled."""
    device = device_of(model)

    def moved(value: Tensor | None) -> Tensor | None:
        return None if value is None else value.to(device)

    task = moved(task)
    outputs: Tensor = model({key: value.to(device) for key, value in inputs.items()}, task, moved(descriptor))
    outputs = outputs.float()
    return pool(outputs, tasks, task) if outputs.ndim > 2 else outputs


def predict(
    model: nn.Module,
    inputs: Mapping[str, Tensor],
    tasks: TaskSet,
    task: Int[Tensor, " rows"] | None = None,
    descriptor: Float[Tensor, "rows size"] | None = None,
    *,
    rows_at_once: int = ROWS,
) -> Float[Tensor, "rows columns"]:
    """Return predictions in the label's unit: probabilities, rates, means. On the CPU.

    Args:
        model: a `MultiTaskModel`, or any module with its `forward`.
        inputs: as in a `Batch`, any number of rows.
        tasks: the fitted tasks of the training data.
        task: for disjoint data, the task of every row.
        descriptor: descriptors of rows whose task the model was not trained on; their `task`, or the first if
            there is none, says kind and scale.
        rows_at_once: rows per forward pass.

    Returns:
        Joint: all tasks side by side, as `TaskSet.groups` lays them out (`split_by_task` names them).
        Disjoint: each row's own task, `[rows, tasks.width]`, zeros to the right of a narrower one.
    """
    rows = len(next(iter(inputs.values())))
    if task is None and descriptor is not None:
        task = torch.zeros(rows, dtype=torch.long)
    pieces = []
    with frozen(model):
        for start in range(0, max(rows, 1), rows_at_once):
            here = slice(start, start + rows_at_once)
            own = None if task is None else task[here]
            piece = {key: value[here] for key, value in inputs.items()}
            outputs = outputs_of(model, tasks, piece, own, None if descriptor is None else descriptor[here])
            pieces.append(to_predictions(outputs.cpu(), tasks, own))
    return torch.cat(pieces)


def to_predictions(
    outputs: Float[Tensor, "rows columns"], tasks: TaskSet, task: Int[Tensor, " rows"] | None = None
) -> Float[Tensor, "rows columns"]:
    """Apply links to outputs and undo the standardisation of labels; same layout, on the CPU."""
    return _joint(outputs, tasks) if task is None else _disjoint(outputs, tasks, task.cpu())


def split_by_task(predictions: Float[Tensor, "rows columns"], tasks: TaskSet) -> dict[str, Tensor]:
    """Return joint predictions by task name, each `[rows, width]`."""
    found = {}
    for group in tasks.groups:
        own = predictions[:, group.columns].view(len(predictions), len(group.index), group.width)
        found.update({tasks[i].name: own[:, position] for position, i in enumerate(group.index)})
    return {name: found[name] for name in tasks.names}


def _joint(outputs: Tensor, tasks: TaskSet) -> Tensor:
    predictions = torch.empty_like(outputs)
    for group in tasks.groups:
        own = group.kind.link(outputs[:, group.columns].view(len(outputs), len(group.index), group.width))
        if group.kind.standardised:
            index = list(group.index)
            own = own * tasks.scales[index, None] + tasks.means[index, None]
        predictions[:, group.columns] = own.flatten(1)
    return predictions


def _disjoint(outputs: Tensor, tasks: TaskSet, task: Tensor) -> Tensor:
    predictions = torch.zeros_like(outputs)
    group_of = torch.empty(len(tasks), dtype=torch.long)
    for number, group in enumerate(tasks.groups):
        group_of[list(group.index)] = number
    for number, group in enumerate(tasks.groups):
        rows = (group_of[task] == number).nonzero().squeeze(1)
        own = group.kind.link(outputs[rows, : group.width])
        if group.kind.standardised:
            own = own * tasks.scales[task[rows], None] + tasks.means[task[rows], None]
        predictions[rows, : group.width] = own
    return predictions
