"""Mixtures of experts that all tasks share: one gate for all (OMoE), or a gate for every task (MMoE)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sharewise.nn.encoders import Encoder
from sharewise.nn.picks import Picks
from sharewise.nn.routing import Gate, mean_gates, mix
from sharewise.nn.sharing import Setting, Sharing, Traits
from sharewise.nn.stacked import StackedMLP


class Mixture(Sharing):
    """fᵏ(x) = Σₑ gᵏ(x)ₑ fₑ(x) with gates gᵏ(x) = softmax(Wᵏ x + bᵏ).

    Args:
        setting: widths and the number of experts.
        gates: names of the gates.

    Deviation: gates have a bias. With one expert it is the shared bottom, exactly.
    """

    traits: ClassVar[Traits] = Traits(gated=True)

    def __init__(self, setting: Setting, gates: Sequence[str]) -> None:
        super().__init__()
        options, at = setting.options, setting.initial
        names = [str(e) for e in range(options.experts)]
        self.tasks = len(setting.tasks)
        self.experts = StackedMLP(setting.features, options.hidden, names, at.at("expert"), options.dropout)
        self.gate = Gate(setting.features, options.experts, gates, options, at.at("gate"))
        self.width = self.experts.width
        self._kept: tuple[Tensor, Tensor, Tensor] | None = None

    def forward(self, x: Tensor, picks: Picks | None, z: Tensor | None) -> Tensor:
        experts, gates = self.experts(x), self.gate(x, picks)
        experts = experts if experts.dim() == 3 else experts.unsqueeze(0)
        self._kept = (x, experts, gates) if self.keeps else None
        return mix(gates, experts)

    def forget(self) -> None:
        self._kept = None

    def parting(
        self, representation: Tensor, gradients: Float[Tensor, "tasks rows width"]
    ) -> list[tuple[Tensor, Tensor]]:
        if representation.dim() == 2 or self._kept is None:
            return super().parting(representation, gradients)
        x, experts, gates = self._kept
        of_experts = gates.detach().transpose(1, 2).unsqueeze(-1) * gradients.unsqueeze(1)
        of_gates = torch.einsum("trw,erw->tre", gradients, experts.detach())
        return [(experts, of_experts), *self.gate.parting(x, gates, of_gates)]

    def gate_weights(self, x: Tensor, picks: Picks | None) -> Tensor:
        return mean_gates(self.gate(x, picks), self.tasks, picks)

    def penalty(self, encoder: Encoder) -> Tensor | None:
        return self.gate.loss

    def route_parameters(self) -> Iterator[nn.Parameter]:
        return self.gate.parameters()


class OMoE(Mixture):
    """One-gate mixture of experts (Jacobs et al. 1991; Ma et al. 2018, eq. 5): all tasks read one mixture."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, ("",))


class MMoE(Mixture):
    """Multi-gate mixture of experts (Ma et al. 2018, eq. 6-7): a gate for every task."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, setting.tasks)

    def own_parameters(self) -> Iterator[nn.Parameter]:
        return self.gate.parameters()
