"""Batch: rows of inputs with targets, in one of two shapes, and how a batch is cut from a split.

*Joint*: a row carries the labels of all tasks; targets ``[rows, tasks]`` with a mask of the same shape.
*Disjoint*: a row belongs to one task; targets ``[rows]`` with a mask ``[rows]`` and a task index ``[rows]``.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Rows of a data set. A whole split is a `Batch` too: `take` cuts batches from it.

    Attributes:
        inputs: by the keys of `InputSpec`; first dimension rows.
        targets: float32, ``[rows, tasks]`` or ``[rows]``; standardised where the kind is; 0 where missing.
        mask: True where the label is observed; shape of `targets`.
        task: int64 ``[rows]`` for disjoint data; None for joint.
        weight: float32 ``[rows]`` weights of rows; None means 1.
        descriptor: float32 ``[rows, size]`` task descriptors per row, overriding the tasks' own (for tasks
            that were not trained on); None otherwise.
        draws: how many tasks were drawn to make this batch (disjoint, tasks first); the loss is the sum of
            this many tasks' means. 1 when rows were drawn directly.
    """

    inputs: dict[str, Tensor]
    targets: Float[Tensor, "rows *tasks"]
    mask: Bool[Tensor, "rows *tasks"]
    task: Int[Tensor, " rows"] | None = None
    weight: Float[Tensor, " rows"] | None = None
    descriptor: Float[Tensor, "rows size"] | None = None
    draws: int = 1

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Int[Tensor, " picked"] | slice, draws: int = 1) -> Batch:
        """Return the batch of these rows, in their order."""

        def pick(value: Tensor) -> Tensor:
            # On a CPU `index_select` is three times as fast as indexing.
            return value[rows] if isinstance(rows, slice) else value.index_select(0, rows)

        return Batch(
            {key: pick(value) for key, value in self.inputs.items()},
            pick(self.targets),
            pick(self.mask),
            None if self.task is None else pick(self.task),
            None if self.weight is None else pick(self.weight),
            None if self.descriptor is None else pick(self.descriptor),
            draws,
        )

    def to(self, device: str) -> Batch:
        """Return the batch with every tensor on `device`."""

        def move(value: Tensor | None) -> Tensor | None:
            return None if value is None else value.to(device)

        return Batch(
            {key: value.to(device) for key, value in self.inputs.items()},
            self.targets.to(device),
            self.mask.to(device),
            move(self.task),
            move(self.weight),
            move(self.descriptor),
            self.draws,
        )
