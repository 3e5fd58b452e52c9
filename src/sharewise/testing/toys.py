"""Small made-up data of every kind and shape, and the loss written out plainly, for the contract suites."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.streams import stream
from sharewise.tasks import InputSpec, Kind, Task, TaskSet
from sharewise.tasks.kinds import make_kind

ROWS = 24
SPEC = InputSpec(cardinalities=(4, 3), bins=((-1.0, 0.0, 1.0), (-2.0, 2.0), (-1.0, -0.5, 0.5, 1.0)))
SMALL = ModelOptions(
    hidden=(6, 4), tower=(3,), experts=3, embedding=3, numeric="piecewise", numeric_embedding=2
)


@dataclass(frozen=True)
class Case:
    """A structure, a kind of task, a shape of data ("joint", "disjoint"), and whether labels are missing."""

    structure: str
    kind: str
    shape: str
    missing: bool

    def __str__(self) -> str:
        return f"{self.structure}-{self.kind}-{self.shape}-{'missing' if self.missing else 'full'}"


@dataclass(frozen=True)
class Toy:
    """Rows with labels; `task` is None for joint rows."""

    tasks: TaskSet
    inputs: dict[str, Tensor]
    targets: Tensor
    mask: Tensor
    task: Tensor | None


def make_tasks(kind: str, count: int = 3) -> TaskSet:
    """Return tasks of one kind, with attributes and texts to be described by."""
    made = make_kind(kind)
    return TaskSet(
        Task(
            f"{kind}{i}",
            made,
            classes="xyz" if made.categorical else "",
            attributes=(float(i), float(i * i)),
            text=f"the task number {i}",
        )
        for i in range(count)
    )


def make_inputs(rows: int = ROWS, seed: int = 0) -> dict[str, Tensor]:
    """Return inputs by `SPEC`."""
    generator = stream(seed, "toy", "inputs")
    ids = [torch.randint(0, size, (rows,), generator=generator) for size in SPEC.cardinalities]
    numbers = torch.randn(rows, len(SPEC.bins), generator=generator)
    return {"categorical": torch.stack(ids, 1), "numeric": numbers}


def make_labels(kind: Kind, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Return labels that the kind accepts: numbers, else counts, else zeros and ones."""
    generator = stream(seed, "toy", "labels")
    numbers = torch.randn(shape, generator=generator)
    counts = torch.poisson(torch.full(shape, 1.5), generator=generator)
    if kind.categorical:
        return counts.clamp(max=2)
    accepted = (x for x in (numbers, counts) if kind.problem(x.double().flatten().numpy()) is None)
    return next(accepted, counts.clamp(max=1))


def make_toy(case: Case, seed: int = 0) -> Toy:
    """Return the data of a case."""
    tasks, inputs = make_tasks(case.kind), make_inputs(seed=seed)
    generator = stream(seed, "toy", "mask")
    shape = (ROWS, len(tasks)) if case.shape == "joint" else (ROWS,)
    mask = torch.rand(shape, generator=generator) > (0.4 if case.missing else -1.0)
    targets = torch.where(mask, make_labels(tasks[0].kind, shape, seed), 0.0)
    task = torch.randint(0, len(tasks), (ROWS,), generator=generator) if case.shape == "disjoint" else None
    return Toy(tasks, inputs, targets, mask, task)


def row_losses(model: MultiTaskModel, toy: Toy) -> Tensor:
    """Return every label's loss in the shape of the targets, 0 where it is missing; tasks are of one kind."""
    outputs = model(toy.inputs, toy.task)
    kind, width = toy.tasks[0].kind, toy.tasks.width
    losses = kind.loss(outputs.view(*toy.targets.shape, width), toy.targets)
    return torch.where(toy.mask, losses, 0.0)


def plain_loss(model: MultiTaskModel, toy: Toy) -> Tensor:
    """Return the sum over tasks of the mean loss of observed labels, and the model's penalty."""
    losses = row_losses(model, toy)
    observed = toy.mask.sum(0).clamp(min=1)
    return (losses.sum(0) / observed).sum() + model.penalty()
