"""Small sources whose inputs are the numbers of their rows, so that a test sees which rows were drawn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sharewise.data.episodes import LabelledExamples, TaskRows
from sharewise.tasks import InputSpec, Kind, Regression

NUMBER = InputSpec(bins=((0.0, 1.0),))


def labelled(
    counts: Sequence[int], groups: Sequence[int] | None = None, within: float = 0.0
) -> LabelledExamples:
    """Return classes of these sizes; rows of the classes are mixed."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(3))]
    return LabelledExamples(
        NUMBER,
        {"numeric": torch.arange(float(len(labels))).unsqueeze(1)},
        labels,
        [f"class {i}" for i in range(len(counts))],
        None if groups is None else torch.tensor(groups),
        within,
    )


def rows_of_tasks(
    counts: Sequence[int], ordered: bool = False, kind: Kind | None = None, targets: Tensor | None = None
) -> TaskRows:
    """Return tasks of these sizes, rows mixed; a row's number says when it was."""
    task = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    task = task[torch.randperm(len(task), generator=torch.Generator().manual_seed(4))]
    return TaskRows(
        NUMBER,
        {"numeric": torch.arange(float(len(task))).unsqueeze(1)},
        task.float() if targets is None else targets,
        task,
        [f"task {i}" for i in range(len(counts))],
        kind or Regression(),
        ordered=ordered,
    )


def numbers(inputs: Tensor) -> Tensor:
    """Return the rows' numbers, `[tasks, rows]`."""
    return inputs[..., 0].long()
