"""A small module and a small table with the interfaces of the real ones, to test the loop by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sharewise.data.batches import Batch
from sharewise.nn.dropout import Dropout
from sharewise.tasks import Task, TaskSet


class Net(nn.Module):
    """Two layers with drop-out; joint, or disjoint with one head for all tasks and a bias for each."""

    def __init__(
        self,
        tasks: TaskSet,
        features: int = 5,
        *,
        disjoint: bool = False,
        dropout: float = 0.2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = nn.Sequential(nn.Linear(features, 16), nn.ReLU(), Dropout(dropout))
            self.head = nn.Linear(16, tasks.width if disjoint else tasks.columns)
            self.bias = nn.Parameter(0.1 * torch.randn(len(tasks), tasks.width)) if disjoint else None

    def forward(
        self, inputs: Mapping[str, Tensor], task: Tensor | None = None, descriptor: Tensor | None = None
    ) -> Tensor:
        outputs: Tensor = self.head(self.body(inputs["numeric"]))
        return outputs if self.bias is None or task is None else outputs + self.bias[task]

    def penalty(self) -> Tensor:
        return 1e-3 * self.head.weight.square().sum()

    def shared_parameters(self) -> list[nn.Parameter]:
        return list(self.body.parameters())

    def task_parts(self) -> None:
        return None

    @contextmanager
    def parted(self) -> Iterator[None]:
        yield

    def parting(self, losses: Tensor) -> None:
        return None

    def own_parameters(self) -> list[nn.Parameter]:
        return [p for name, p in self.named_parameters() if not name.startswith("body")]

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [
            {"params": list(self.body.parameters()), "lr_factor": 1.0, "decay": True},
            {
                "params": [p for n, p in self.named_parameters() if not n.startswith("body")],
                "lr_factor": 0.5,
                "decay": False,
            },
        ]


@dataclass(frozen=True)
class Data:
    """Splits with a digest."""

    tasks: TaskSet
    train: Batch
    valid: Batch

    def digest(self) -> str:
        return str(float(self.train.targets.sum()))


TASKS = TaskSet(
    [
        Task("number", "regression", mean=100.0, scale=10.0),
        Task("yes", "binary"),
        Task("three", "multiclass", classes=("a", "b", "c")),
        Task("howmany", "count", weight=0.5),
        Task("no", "binary"),
    ]
)


def joint(rows: int, seed: int = 0, tasks: TaskSet = TASKS, missing: float = 0.2) -> Batch:
    """Rows whose labels follow from the features, some of them missing."""
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 5, generator=chance)
    columns = []
    for i, task in enumerate(tasks):
        signal = x[:, i % 5] + 0.3 * torch.randn(rows, generator=chance)
        columns.append(_label(task.kind.name, signal))
    mask = torch.rand(rows, len(tasks), generator=chance) >= missing
    targets = torch.where(mask, torch.stack(columns, 1), 0.0)
    return Batch({"numeric": x}, targets, mask, weight=torch.rand(rows, generator=chance) + 0.5)


def disjoint(rows: int, seed: int = 0, tasks: TaskSet = TASKS) -> Batch:
    """Rows of one task each."""
    whole = joint(rows, seed, tasks, missing=0.0)
    task = torch.randint(len(tasks), (rows,), generator=torch.Generator().manual_seed(seed + 1))
    here = torch.arange(rows)
    return Batch(whole.inputs, whole.targets[here, task], whole.mask[here, task], task, whole.weight)


def _label(kind: str, signal: Tensor) -> Tensor:
    if kind == "regression":
        return signal
    if kind == "binary":
        return (signal > 0.3).float()
    if kind == "multiclass":
        return (signal > -0.5).float() + (signal > 0.5).float()
    return signal.exp().floor()


def make(rows: int = 200, tasks: TaskSet = TASKS) -> Data:
    """A joint table."""
    return Data(tasks, joint(rows, 0, tasks), joint(60, 1, tasks))
