"""Independent networks: every task has an encoder, hidden layers and a head of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from sharewise.nn.picks import Picks
from sharewise.nn.sharing import Setting, Sharing, Traits
from sharewise.nn.stacked import StackedMLP


class Independent(Sharing):
    """A network for every task: the honest baseline, and the far end of sharing.

    The lecture's y = Σⱼ 1(zᵢ = j) yⱼ: as many experts as tasks and the identity for a gate, so no gate is
    computed. Trained on the sum of losses it is exactly T networks trained alone.
    """

    traits: ClassVar[Traits] = Traits(shares_encoder=False)

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        options = setting.options
        at = setting.initial.at("task")
        self.nets = StackedMLP(setting.features, options.hidden, setting.tasks, at, options.dropout)
        self.width = self.nets.width

    def own_parameters(self) -> Iterator[nn.Parameter]:
        return self.parameters()

    def forward(self, x: Tensor, picks: Picks | None, z: Tensor | None) -> Tensor:
        found: Tensor = self.nets(x, picks)
        return found
