"""Shared bottom: one network for all tasks up to their heads (or towers)."""

from __future__ import annotations

from torch import Tensor

from sharewise.nn.picks import Picks
from sharewise.nn.sharing import Setting, Sharing
from sharewise.nn.stacked import StackedMLP


class SharedBottom(Sharing):
    """Hard parameter sharing, multi-head (Caruana 1997; Ma et al. 2018, eq. 1: y_k = h^k(f(x))).

    One expert, and nothing to gate: every task reads the same representation.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        options = setting.options
        at = setting.initial.at("expert")
        self.experts = StackedMLP(setting.features, options.hidden, ("0",), at, options.dropout)
        self.width = self.experts.width

    def forward(self, x: Tensor, picks: Picks | None, z: Tensor | None) -> Tensor:
        found: Tensor = self.experts(x)
        return found
