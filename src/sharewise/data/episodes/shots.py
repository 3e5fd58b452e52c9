"""Shots and Episodes: support and query sets of many tasks, stacked over a leading dimension of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sharewise.errors import DataError


@dataclass(frozen=True)
class Shots:
    """Examples of some tasks.

    Attributes:
        inputs: by the keys of `InputSpec`, each ``[tasks, rows, ...]``.
        targets: float32 ``[tasks, rows]``; class indices 0 to ways - 1 for classification.
        mask: True where a row is one; ``[tasks, rows]``. None where all are. Rows that are none pad tasks
            with fewer examples, and change nothing.
    """

    inputs: Mapping[str, Tensor]
    targets: Float[Tensor, "tasks rows"]
    mask: Bool[Tensor, "tasks rows"] | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.targets.shape)
        if len(shape) != 2:
            raise DataError(
                f"Targets should have the shape [tasks, rows]; found {list(shape)}.", "Stack the tasks."
            )
        for key, value in self.inputs.items():
            if tuple(value.shape[:2]) != shape:
                raise DataError(
                    f"The inputs '{key}' have the shape {list(value.shape)}, the targets {list(shape)}.",
                    "Give one row of inputs for every target.",
                )
        if self.mask is not None and tuple(self.mask.shape) != shape:
            raise DataError(
                f"The mask has the shape {list(self.mask.shape)}, the targets {list(shape)}.",
                "Give them the same shape.",
            )

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def rows(self) -> int:
        """Rows of every task, padding included."""
        return self.targets.shape[1]

    @property
    def weights(self) -> Float[Tensor, "tasks rows"]:
        """What each row weighs in its task's mean: 1 / rows, 0 where there is none."""
        if self.mask is None:
            return torch.full_like(self.targets, 1.0 / max(self.rows, 1))
        present = self.mask.to(self.targets.dtype)
        return present / present.sum(1, keepdim=True).clamp(min=1.0)

    @property
    def known(self) -> Float[Tensor, "tasks rows"]:
        """The targets, 0 where there is no row: what stands there may be anything."""
        return self.targets if self.mask is None else self.targets.masked_fill(~self.mask, 0.0)

    def beside(self, other: Shots) -> Shots:
        """Return the rows of both, these first."""
        mask = None
        if self.mask is not None or other.mask is not None:
            masks = [
                torch.ones_like(part.targets, dtype=torch.bool) if part.mask is None else part.mask
                for part in (self, other)
            ]
            mask = torch.cat(masks, 1)
        return Shots(
            {key: torch.cat([value, other.inputs[key]], 1) for key, value in self.inputs.items()},
            torch.cat([self.targets, other.targets], 1),
            mask,
        )

    def take(self, tasks: slice | Int[Tensor, " picked"]) -> Shots:
        """Return some of the tasks."""
        return Shots(
            {key: value[tasks] for key, value in self.inputs.items()},
            self.targets[tasks],
            None if self.mask is None else self.mask[tasks],
        )

    def first(self, rows: int) -> Shots:
        """Return the first rows of every task."""
        return Shots(
            {key: value[:, :rows] for key, value in self.inputs.items()},
            self.targets[:, :rows],
            None if self.mask is None else self.mask[:, :rows],
        )

    def to(self, device: torch.device | str) -> Shots:
        """Return them on a device."""
        return Shots(
            {key: value.to(device) for key, value in self.inputs.items()},
            self.targets.to(device),
            None if self.mask is None else self.mask.to(device),
        )

    def tensors(self) -> list[Tensor]:
        """Return all tensors."""
        own = [] if self.mask is None else [self.mask]
        return list(chain(self.inputs.values(), [self.targets], own))


@dataclass(frozen=True)
class Episodes:
    """Tasks to learn from a few examples, with others to judge what was learned.

    Attributes:
        support: what a learner adapts to.
        query: what its predictions are judged by; never rows of the support.
        ways: classes of every task; 0 where labels are no classes.
        classes: int64 ``[tasks, ways]``: which class of the split stands behind each label; None without.
        tasks: int64 ``[tasks]``: which task of the split each is, where the split has a list of them; two
            episodes of one task are not independent.
    """

    support: Shots
    query: Shots
    ways: int = 0
    classes: Int[Tensor, "tasks ways"] | None = None
    tasks: Int[Tensor, " tasks"] | None = None

    def __len__(self) -> int:
        return len(self.support)

    def take(self, tasks: slice | Int[Tensor, " picked"]) -> Episodes:
        """Return some of the tasks."""
        return Episodes(
            self.support.take(tasks),
            self.query.take(tasks),
            self.ways,
            None if self.classes is None else self.classes[tasks],
            None if self.tasks is None else self.tasks[tasks],
        )

    def to(self, device: torch.device | str) -> Episodes:
        """Return them on a device."""
        return Episodes(
            self.support.to(device),
            self.query.to(device),
            self.ways,
            None if self.classes is None else self.classes.to(device),
            None if self.tasks is None else self.tasks.to(device),
        )
