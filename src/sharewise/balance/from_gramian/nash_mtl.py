"""Multi-task learning as a bargaining game."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.options import not_negative
from sharewise.balance.solvers import positive_root
from sharewise.balance.weighting import Needs, Signals, Weighting, exact, like


class NashMTL(Weighting):
    """Nash-MTL (Navon et al. 2022, ICML, eq. 2): the Nash bargaining solution, G α = 1 / α.

    The equation is the optimality condition of a strictly convex problem, which is solved exactly where the
    paper linearises. As in the authors' code G is divided by its norm first, and a direction longer than
    `max_norm` is cut to it. Keep the weights for some steps by `every` of the balancer.

    Args:
        max_norm: greatest length of the direction; 0 for any.
    """

    needs: ClassVar[Needs] = Needs.GRAMIAN

    def __init__(self, *, max_norm: float = 1.0) -> None:
        self.max_norm = not_negative("Nash-MTL", "max_norm", max_norm)

    def __call__(self, signals: Signals) -> Tensor:
        g = exact(signals.given_gramian)
        there = g.diagonal() > 0
        weights = torch.zeros(len(g), dtype=g.dtype)
        if not bool(there.any()):
            return torch.ones_like(signals.losses)
        part = g[there][:, there]
        norm = float((part / part.abs().max()).norm()) * float(part.abs().max())
        found = positive_root(part) * norm**0.5
        length = max(float(found @ (part / norm) @ found), 0.0) ** 0.5 * norm**0.5
        weights[there] = found * self.max_norm / length if 0 < self.max_norm < length else found
        return like(weights, signals.losses)
