"""Impartial multi-task learning from losses."""

from __future__ import annotations

import torch
from torch import Tensor

from sharewise.balance.adam import adam_step
from sharewise.balance.options import positive
from sharewise.balance.weighting import Remembering, Signals, exact, like


class IMTLL(Remembering):
    """IMTL-L (Liu et al. 2021, ICLR, eq. 7): weights exp(sᵢ) that minimise Σᵢ exp(sᵢ) Lᵢ - sᵢ.

    At its minimum every weighted loss is 1. sᵢ is learned by an Adam of its own.

    Args:
        rate: learning rate of sᵢ.
    """

    def __init__(self, *, rate: float = 0.01) -> None:
        super().__init__()
        self.rate = positive("IMTL-L", "rate", rate)

    def __call__(self, signals: Signals) -> Tensor:
        losses = exact(signals.losses)
        s = self._recall("log_scale", torch.zeros_like(losses))
        weights = s.exp()
        self._memory["log_scale"] = adam_step(self._memory, s, weights * losses - 1, self.rate).clamp(-40, 40)
        return like(weights, signals.losses)
