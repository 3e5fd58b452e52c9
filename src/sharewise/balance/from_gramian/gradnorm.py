"""Gradient normalisation."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.adam import adam_step
from sharewise.balance.options import not_negative, positive
from sharewise.balance.weighting import Needs, Remembering, Signals, exact, like


class GradNorm(Remembering):
    """GradNorm (Chen et al. 2018, ICML, algorithm 1): tasks that have learned less get longer gradients.

    The weights minimise Σ |wᵢ ‖gᵢ‖ - mean(w ‖g‖) rᵢ^α| with rᵢ the task's loss, as a share of its first one,
    relative to the tasks' mean; they follow it by an Adam of their own and are rescaled to sum to T. Of the
    Gramian only the diagonal is read; the paper takes the last shared layer's: engine "last_shared".

    Args:
        alpha: how strongly slow tasks are pulled up.
        rate: learning rate of the weights.
    """

    needs: ClassVar[Needs] = Needs.GRAMIAN

    def __init__(self, *, alpha: float = 1.5, rate: float = 0.025) -> None:
        super().__init__()
        self.alpha = not_negative("GradNorm", "alpha", alpha)
        self.rate = positive("GradNorm", "rate", rate)

    def __call__(self, signals: Signals) -> Tensor:
        losses, lengths = exact(signals.losses), exact(signals.given_gramian).diagonal().clamp(min=0).sqrt()
        first = self._recall("first", losses)
        weights = self._recall("weights", torch.ones_like(losses))
        left = torch.where(first > 0, losses / first, 1.0).clamp(min=0)
        relative = torch.where(left.mean() > 0, left / left.mean(), torch.ones_like(left))
        scaled = weights * lengths
        gradient = lengths * torch.sign(scaled - scaled.mean() * relative**self.alpha)
        moved = adam_step(self._memory, weights, gradient, self.rate).clamp(min=1e-6)
        self._memory["weights"] = moved * (len(moved) / moved.sum())
        return like(weights, signals.losses)
