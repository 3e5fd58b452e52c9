"""Fast adaptive multitask optimisation, with and without its second forward pass."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.adam import adam_step
from sharewise.balance.from_losses.floor import above_zero
from sharewise.balance.options import not_negative, positive
from sharewise.balance.weighting import Remembering, Signals, exact, like

EPSILON = 1e-8


class FAMO(Remembering):
    """FAMO (Liu, Feng, Stone, Liu 2023, NeurIPS, algorithm 1): losses are to fall at one relative rate.

    Minimises c Σ zᵢ log(Lᵢ + 1e-8) with z = softmax(w), so the weights are c zᵢ / (Lᵢ + 1e-8), c such that
    they sum to 1. After the step the same batch's losses are computed again, and w follows what the step did
    to log L, by Adam with weight decay, as in the authors' code. Losses must not be negative.

    Args:
        rate: learning rate of w.
        decay: γ, weight decay of w.
    """

    looks_back: ClassVar[bool] = True

    def __init__(self, *, rate: float = 0.025, decay: float = 1e-3) -> None:
        super().__init__()
        self.rate = positive("FAMO", "rate", rate)
        self.decay = not_negative("FAMO", "decay", decay)

    def __call__(self, signals: Signals) -> Tensor:
        losses = above_zero("FAMO", exact(signals.losses)) + EPSILON
        logits = self._recall("logits", torch.zeros_like(losses))
        self._memory["before"] = losses.log()
        weights = torch.softmax(logits, 0) / losses
        return like(weights / weights.sum(), signals.losses)

    def look_back(self, losses: Tensor) -> None:
        self._follow((above_zero("FAMO", exact(losses)) + EPSILON).log())

    def _follow(self, after: Tensor) -> None:
        logits, fell = self._memory["logits"], self._memory["before"] - after
        shares = torch.softmax(logits, 0)
        gradient = shares * (fell - torch.dot(shares, fell)) + self.decay * logits
        self._memory["logits"] = adam_step(self._memory, logits, gradient, self.rate)


class FAMOFree(FAMO):
    """FAMO without the second forward pass: w follows the change from one batch's losses to the next's.

    Not the paper's algorithm: what differs between two batches is added to what the step did. It costs
    nothing beyond the plain sum.
    """

    looks_back: ClassVar[bool] = False

    def __call__(self, signals: Signals) -> Tensor:
        if "before" in self._memory:
            self._follow((above_zero("FAMO", exact(signals.losses)) + EPSILON).log())
        return super().__call__(signals)
