"""Dual balancing."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.from_losses.floor import above_zero
from sharewise.balance.weighting import Needs, Signals, Weighting, exact, like


class DBMTL(Weighting):
    """DB-MTL (Lin et al. 2023, algorithm 1): gradients of log losses, all as long as the longest.

    d = maxᵢ ‖ĝᵢ‖ Σ ĝᵢ / ‖ĝᵢ‖ with ĝᵢ the gradient of log(Lᵢ + 1e-8). Deviation: without the moving average of
    ĝᵢ over steps (the paper's β = 0), which would keep a gradient a task in memory. Losses must not be
    negative.
    """

    needs: ClassVar[Needs] = Needs.GRAMIAN

    def __call__(self, signals: Signals) -> Tensor:
        losses = above_zero("DB-MTL", exact(signals.losses)) + 1e-8
        lengths = exact(signals.given_gramian).diagonal().clamp(min=0).sqrt()
        of_logs = lengths / losses
        return like(torch.where(lengths > 0, of_logs.max() / lengths, 0.0), signals.losses)
