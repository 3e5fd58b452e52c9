"""MoDo: weights that follow G a, which needs no Gramian."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.options import not_negative, positive
from sharewise.balance.solvers import project_onto_simplex
from sharewise.balance.weighting import EXACT, Needs, Remembering, Signals, exact, like


class MoDo(Remembering):
    """Multi-objective gradient with double sampling (Chen, Fernando, Ying, Chen 2023, NeurIPS; eq. 6).

    λ ← Π(λ - γ (∇F(x; z)ᵀ ∇F(x; z') λ + ρ λ)) with z and z' the two halves of a batch and Π the projection
    onto the simplex; the parameters follow ∇F λ on both halves. One backward pass and one pass of forward
    differentiation give the product, whatever the number of tasks.

    Deviation: the step takes the weights from before the update, so that both share one backward pass. The
    weights sum to 1, and start equal.

    Args:
        rate: γ.
        decay: ρ, which pulls the weights together.
    """

    needs: ClassVar[Needs] = Needs.PRODUCT

    def __init__(self, *, rate: float = 0.1, decay: float = 0.0) -> None:
        super().__init__()
        self.rate, self.decay = positive("MoDo", "rate", rate), not_negative("MoDo", "decay", decay)

    def __call__(self, signals: Signals) -> Tensor:
        tasks = len(signals.losses)
        return like(self._recall("weights", torch.full((tasks,), 1 / tasks, dtype=EXACT)), signals.losses)

    def hear(self, product: Tensor) -> None:
        weights = self._memory["weights"]
        slope = exact(product) + self.decay * weights
        if bool(slope.isfinite().all()):
            moved = project_onto_simplex((weights - self.rate * slope).numpy())
            self._memory["weights"] = torch.from_numpy(moved)
