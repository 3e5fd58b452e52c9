"""Uncertainty weighting."""

from __future__ import annotations

import torch
from torch import Tensor

from sharewise.balance.adam import adam_step
from sharewise.balance.options import positive
from sharewise.balance.weighting import Remembering, Signals, exact, like


class Uncertainty(Remembering):
    """Homoscedastic uncertainty (Kendall, Gal, Cipolla 2018, CVPR, eq. 7 and 10): weights exp(-sᵢ).

    Minimises Σᵢ exp(-sᵢ) Lᵢ + sᵢ / 2 over the log-variances sᵢ too. All losses here are negative log
    likelihoods, ½ (y - f)² for a regression, so the minimum is at the task's variance exp(sᵢ) = 2 Lᵢ for all
    kinds alike. sᵢ is learned by an Adam of its own; a negative loss (a density above 1) is allowed.

    Args:
        rate: learning rate of sᵢ.
        start: sᵢ at first; 0 starts from equal weights.
    """

    def __init__(self, *, rate: float = 0.01, start: float = 0.0) -> None:
        super().__init__()
        self.rate, self.start = positive("Uncertainty", "rate", rate), start

    def __call__(self, signals: Signals) -> Tensor:
        losses = exact(signals.losses)
        s = self._recall("log_variance", torch.full_like(losses, self.start))
        weights = torch.exp(-s)
        self._memory["log_variance"] = adam_step(self._memory, s, 0.5 - weights * losses, self.rate).clamp(
            -40, 40
        )
        return like(weights, signals.losses)
