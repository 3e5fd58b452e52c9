"""Robust multi-task learning with excess risks."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.options import counted, positive
from sharewise.balance.weighting import EXACT, Needs, Remembering, Signals, like

TINY = 1e-7


class ExcessMTL(Remembering):
    """ExcessMTL (He et al. 2024, ICML, eq. 6-9): what is far from converged counts more.

    A task's excess risk is gᵢᵀ diag(Σ gᵢ² over steps)^(-1/2) gᵢ (eq. 6-7), as a share of its first one; the
    weights take an exponentiated step along it. Needs the gradients themselves, and keeps a sum of squares as
    large as they are. Weights start at 1 / T and sum to 1.

    Args:
        rate: of the exponentiated step.
        warmup: steps with equal weights, over which the first excess risk is averaged; the authors' code has
            none, the paper three epochs.
    """

    needs: ClassVar[Needs] = Needs.JACOBIAN

    def __init__(self, *, rate: float = 1.0, warmup: int = 0) -> None:
        super().__init__()
        self.rate = positive("ExcessMTL", "rate", rate)
        self.warmup = counted("ExcessMTL", "warmup", warmup, 0)

    def __call__(self, signals: Signals) -> Tensor:
        if signals.jacobian is None:
            raise ValueError("ExcessMTL was not shown the Jacobian")
        squares = signals.jacobian.detach().to("cpu", torch.float32) ** 2
        tasks = len(squares)
        total = self._recall("squares", torch.zeros_like(squares)) + squares
        risk = (squares / (total + TINY).sqrt()).sum(1).to(EXACT)
        steps = self._recall("steps", torch.zeros((), dtype=torch.int64))
        weights = self._recall("weights", torch.full((tasks,), 1 / tasks, dtype=EXACT))
        self._memory |= {"squares": total, "steps": steps + 1}
        if int(steps) < self.warmup:
            self._memory["first"] = self._recall("first", torch.zeros_like(risk)) + risk / self.warmup
            return like(weights, signals.losses)
        if "first" in self._memory:
            risk = risk / (self._memory["first"] + TINY)
        else:
            self._memory["first"] = risk
        weights = torch.softmax(weights.clamp(min=1e-300).log() + self.rate * risk.clamp(max=1e30), 0)
        self._memory["weights"] = weights
        return like(weights, signals.losses)
