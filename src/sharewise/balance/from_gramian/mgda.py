"""Multiple gradient descent."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from sharewise.balance.solvers import min_norm_weights
from sharewise.balance.weighting import Needs, Signals, Weighting, like


class MGDA(Weighting):
    """MGDA (Désidéri 2012; Sener & Koltun 2018, NeurIPS, eq. 3): the shortest mixture of gradients.

    min wᵀGw over the simplex, solved exactly, not by the papers' Frank-Wolfe steps. No task is hurt:
    <gᵢ, d> ≥ ‖d‖². A task whose gradient is zero has nothing to gain, so then the direction is zero.
    Weights sum to 1.
    """

    needs: ClassVar[Needs] = Needs.GRAMIAN

    def __call__(self, signals: Signals) -> Tensor:
        return like(min_norm_weights(signals.given_gramian), signals.losses)
