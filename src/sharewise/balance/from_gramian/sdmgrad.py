"""Direction-oriented multi-objective gradients."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from sharewise.balance.options import counted, not_negative, positive, share
from sharewise.balance.solvers import Array, project_onto_simplex
from sharewise.balance.weighting import EXACT, Needs, Remembering, Signals, exact, like


class SDMGrad(Remembering):
    """SDMGrad (Xiao, Ban, Ji 2023, NeurIPS, algorithm 1): MGDA pulled towards the mean gradient.

    min over the simplex of ½ ‖g_w + λ g₀‖², by some projected steps from the last weights; the direction is
    (g_w + λ g₀) / (1 + λ). As in the authors' code G is divided by the squared mean length first.

    Deviation: the paper multiplies gradients of two independent batches. Here G is that of one batch, unless
    `signals.gramian` is such a product, which it may be.

    Args:
        strength: λ.
        rate, momentum, iterations: of the projected steps.
    """

    needs: ClassVar[Needs] = Needs.GRAMIAN

    def __init__(
        self, *, strength: float = 0.3, rate: float = 10.0, momentum: float = 0.5, iterations: int = 20
    ) -> None:
        super().__init__()
        self.strength = not_negative("SDMGrad", "strength", strength)
        self.rate = positive("SDMGrad", "rate", rate)
        self.momentum = share("SDMGrad", "momentum", momentum)
        self.iterations = counted("SDMGrad", "iterations", iterations)

    def __call__(self, signals: Signals) -> Tensor:
        g = exact(signals.given_gramian)
        tasks = len(g)
        mean = torch.full((tasks,), 1 / tasks, dtype=EXACT)
        length = g.diagonal().clamp(min=0).sqrt().mean()
        weights = self._recall("weights", mean)
        if float(length) > 0:
            weights = torch.from_numpy(self._descend((g / length / length).numpy(), weights.numpy()))
        self._memory["weights"] = weights
        return like((weights + self.strength * mean) / (1 + self.strength), signals.losses)

    def _descend(self, g: Array, weights: Array) -> Array:
        velocity = np.zeros_like(weights)
        for _ in range(self.iterations):
            velocity = self.momentum * velocity + g @ (weights + self.strength / len(g))
            weights = project_onto_simplex(weights - self.rate * velocity)
        return weights
