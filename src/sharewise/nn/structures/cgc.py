"""Customized gate control: experts that all tasks share beside experts of each task's own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sharewise.nn.encoders import Encoder
from sharewise.nn.initial import Initial
from sharewise.nn.picks import Picks
from sharewise.nn.routing import Gate, mean_gates, mix
from sharewise.nn.sharing import Setting, Sharing, Traits
from sharewise.nn.stacked import StackedMLP


class Extraction(nn.Module):
    """One level: `experts` shared experts and `specific` ones for every task, a gate for each task over those
    it may see.

    The mask of the gate over all experts is never built: a task's own experts and the shared ones are mixed
        apart.
    """

    def __init__(self, features: int, setting: Setting, initial: Initial) -> None:
        super().__init__()
        options, tasks = setting.options, setting.tasks
        self.own, self.tasks = options.specific, len(tasks)
        shared = [str(e) for e in range(options.experts)]
        specific = [f"{task}\x1f{e}" for task in tasks for e in range(self.own)]
        drop = options.dropout
        self.names = (*shared, *specific)
        self.shared = StackedMLP(features, options.hidden, shared, initial.at("expert"), drop)
        self.specific = StackedMLP(features, options.hidden, specific, initial.at("specific"), drop)
        self.gate = Gate(features, self.own + options.experts, tasks, options, initial.at("gate"))

    def shared_experts(self, x: Float[Tensor, "rows features"]) -> Float[Tensor, "experts rows out"]:
        """Return what the shared experts say."""
        found: Tensor = self.shared(x)
        return found if found.dim() == 3 else found.unsqueeze(0)

    def own_experts(self, x: Tensor) -> Float[Tensor, "tasks own rows out"]:
        """Return what each task's experts say of ``[rows, features]``, or ``[tasks, rows, features]``."""
        x = x if x.dim() == 2 else x.repeat_interleave(self.own, 0)
        found: Tensor = self.specific(x)
        return found.view(self.tasks, self.own, *found.shape[-2:])

    def picked_experts(
        self, x: Float[Tensor, "rows features"], picks: Picks
    ) -> Float[Tensor, "own rows out"]:
        """Return what the experts of each row's own task say."""
        repeated = x.repeat_interleave(self.own, 0) if self.own > 1 else x
        found: Tensor = self.specific(repeated, picks.spread(self.own))
        return found.view(x.shape[0], self.own, found.shape[-1]).transpose(0, 1)

    def mix(self, gates: Tensor, own: Tensor, shared: Float[Tensor, "experts rows out"]) -> Tensor:
        """Return each task's mixture of its own and the shared experts, ``[tasks, rows, out]``."""
        first = torch.einsum("tre,tero->tro", gates[..., : self.own], own)
        return first + mix(gates[..., self.own :], shared)


class CGC(Sharing):
    """Customized gate control (Tang et al. 2020, eq. 1-4): gates over a task's own and the shared experts.

    `experts` are shared by all tasks, `specific` belong to each. Deviation: gates have a bias.
    """

    traits: ClassVar[Traits] = Traits(gated=True)

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.tasks = len(setting.tasks)
        self.level = Extraction(setting.features, setting, setting.initial.at("level", 0))
        self.width = self.level.shared.width

    def forward(self, x: Tensor, picks: Picks | None, z: Tensor | None) -> Tensor:
        level, gates = self.level, self.level.gate(x, picks)
        if picks is None:
            return level.mix(_joint(gates), level.own_experts(x), level.shared_experts(x))
        first = mix(gates[:, : level.own], level.picked_experts(x, picks))
        return first + mix(gates[:, level.own :], level.shared_experts(x))

    def own_parameters(self) -> Iterator[nn.Parameter]:
        return chain(self.level.specific.parameters(), self.level.gate.parameters())

    def gate_weights(self, x: Tensor, picks: Picks | None) -> Tensor:
        return unmasked(mean_gates(self.level.gate(x, picks), self.tasks, picks), self.level.own)

    def penalty(self, encoder: Encoder) -> Tensor | None:
        return self.level.gate.loss

    def route_parameters(self) -> Iterator[nn.Parameter]:
        return self.level.gate.parameters()


def _joint(gates: Tensor) -> Float[Tensor, "tasks rows experts"]:
    return gates if gates.dim() == 3 else gates.unsqueeze(0)


def unmasked(gates: Float[Tensor, "tasks seen"], own: int) -> Float[Tensor, "tasks experts"]:
    """Widen gates over (own, shared) experts to all: the shared first, then those of task 0, of task 1 ..."""
    tasks = len(gates)
    specific = torch.diag_embed(gates[:, :own].T).permute(1, 2, 0).reshape(tasks, -1)
    return torch.cat([gates[:, own:], specific], 1)
