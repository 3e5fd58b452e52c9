"""Fair resource allocation."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.options import not_negative
from sharewise.balance.solvers import positive_root
from sharewise.balance.weighting import Needs, Signals, Weighting, exact, like


class FairGrad(Weighting):
    """FairGrad (Ban & Ji 2024, ICML, eq. 6): α-fair progress of all tasks, G w = w^(-1/α).

    The optimality condition of a strictly convex problem, solved exactly where the paper uses least squares.
    α = 1 is proportional fairness (Nash-MTL), larger α moves towards the worst-off task; α = 0 is the mean.

    Args:
        alpha: kind of fairness.
    """

    needs: ClassVar[Needs] = Needs.GRAMIAN

    def __init__(self, *, alpha: float = 2.0) -> None:
        self.alpha = not_negative("FairGrad", "alpha", alpha)

    def __call__(self, signals: Signals) -> Tensor:
        g = exact(signals.given_gramian)
        there = g.diagonal() > 0
        if self.alpha == 0 or not bool(there.any()):
            return torch.full_like(signals.losses, 1 / len(g))
        weights = torch.zeros(len(g), dtype=g.dtype)
        weights[there] = positive_root(g[there][:, there], 1 / self.alpha)
        return like(weights, signals.losses)
