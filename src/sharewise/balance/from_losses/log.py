"""The log transform."""

from __future__ import annotations

from torch import Tensor

from sharewise.balance.from_losses.floor import above_zero
from sharewise.balance.weighting import Signals, Weighting, exact, like


class Log(Weighting):
    """Minimises Σ log(Lᵢ + 1e-8), DB-MTL's balance of loss scales alone (Lin et al. 2023, eq. 2).

    Weights 1 / (Lᵢ + 1e-8). Losses must not be negative.
    """

    def __call__(self, signals: Signals) -> Tensor:
        return like(1 / (above_zero("The log transform", exact(signals.losses)) + 1e-8), signals.losses)
