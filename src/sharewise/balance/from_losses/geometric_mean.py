"""Geometric mean of the losses."""

from __future__ import annotations

from torch import Tensor

from sharewise.balance.from_losses.floor import above_zero
from sharewise.balance.weighting import Signals, Weighting, exact, like


class GeometricMean(Weighting):
    """Geometric loss strategy (Chennupati et al. 2019, CVPR workshops, eq. 3): minimises (Π Lᵢ)^(1/T).

    The weights are its gradient, (Π Lⱼ)^(1/T) / (T Lᵢ): relative progress counts alike, whatever the scale.
    Losses must not be negative; one of 0 counts as 1e-30.
    """

    def __call__(self, signals: Signals) -> Tensor:
        losses = above_zero("The geometric mean", exact(signals.losses))
        mean = losses.log().mean()
        return like((mean - losses.log()).exp().clamp(max=1e30) / len(losses), signals.losses)
