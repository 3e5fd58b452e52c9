"""How a descriptor z enters a layer: beside its input (concat), as a bias (add), or as a scale (multiply).

z is an index (one-hot, never built: its product with a matrix is a row of it) or a vector. Joint rows are for
every task, so what comes out has a leading dimension of tasks; a disjoint row has the one descriptor of its
task, or one of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sharewise.nn.initial import Initial
from sharewise.nn.picks import Picks


class Project(nn.Module):
    """A linear map of z.

    Args:
        tasks: the tasks' names: columns of the one-hot descriptor.
        size: length of z if it is a vector, None if it is the index.
        out: outputs.
        initial: source of initial values.
        bound: initial values are from U(-bound, bound).
    """

    def __init__(
        self, tasks: Sequence[str], size: int | None, out: int, initial: Initial, bound: float
    ) -> None:
        super().__init__()
        self.by_index = size is None
        rows = initial.uniform(bound, (out,), tasks) if size is None else initial.uniform(bound, (size, out))
        self.table = nn.Parameter(rows)

    def forward(self, z: Float[Tensor, "n size"] | None, picks: Picks | None) -> Tensor:
        """Return ``[tasks, 1, out]`` for joint rows, ``[rows, out]`` for disjoint ones."""
        if picks is None:
            return (self.table if z is None or self.by_index else z @ self.table).unsqueeze(1)
        if self.by_index or z is None:
            return self.table.index_select(0, picks.copy)
        return z @ self.table


class Condition(nn.Module, ABC):
    """A way for z to enter a layer with inputs `features` and outputs `out`."""

    @abstractmethod
    def __init__(
        self, tasks: Sequence[str], size: int | None, features: int, out: int, initial: Initial
    ) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, h: Tensor, z: Tensor | None, picks: Picks | None) -> Tensor:
        """Return the pre-activations h, ``[rows, out]`` or ``[tasks, rows, out]``, changed by z."""


class Concat(Condition):
    """[h; z] at a layer's input, by the part of the layer's weights that meets z: W [h; z] = Wh h + Wz z."""

    def __init__(
        self, tasks: Sequence[str], size: int | None, features: int, out: int, initial: Initial
    ) -> None:
        super().__init__(tasks, size, features, out, initial)
        length = len(tasks) if size is None else size
        self.project = Project(tasks, size, out, initial, (features + length) ** -0.5)

    def forward(self, h: Tensor, z: Tensor | None, picks: Picks | None) -> Tensor:
        bias: Tensor = self.project(z, picks)
        return h + bias


class Add(Condition):
    """h + U z before the activation: with the index a bias for every task. U starts at zero."""

    def __init__(
        self, tasks: Sequence[str], size: int | None, features: int, out: int, initial: Initial
    ) -> None:
        super().__init__(tasks, size, features, out, initial)
        self.project = Project(tasks, size, out, initial, 0.0)

    def forward(self, h: Tensor, z: Tensor | None, picks: Picks | None) -> Tensor:
        bias: Tensor = self.project(z, picks)
        return h + bias


class Gating(Condition):
    """h * (1 + G z) before the activation: each task weighs, or switches off, the units. Starts at 1."""

    def __init__(
        self, tasks: Sequence[str], size: int | None, features: int, out: int, initial: Initial
    ) -> None:
        super().__init__(tasks, size, features, out, initial)
        self.scale = Project(tasks, size, out, initial.at("scale"), 0.0)

    def forward(self, h: Tensor, z: Tensor | None, picks: Picks | None) -> Tensor:
        scale: Tensor = self.scale(z, picks)
        return h * (1 + scale)


class FiLM(Condition):
    """h * (1 + G z) + B z before the activation (Perez et al. 2018, eq. 2; scales kept as offsets from 1)."""

    def __init__(
        self, tasks: Sequence[str], size: int | None, features: int, out: int, initial: Initial
    ) -> None:
        super().__init__(tasks, size, features, out, initial)
        self.project = Project(tasks, size, 2 * out, initial, 0.0)

    def forward(self, h: Tensor, z: Tensor | None, picks: Picks | None) -> Tensor:
        both: Tensor = self.project(z, picks)
        scale, shift = both.chunk(2, -1)
        return torch.addcmul(h + shift, h, scale)
