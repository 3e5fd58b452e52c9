"""Impartial multi-task learning from gradients."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.solvers import normalised
from sharewise.balance.weighting import Needs, Signals, Weighting, like


class IMTLG(Weighting):
    """IMTL-G (Liu et al. 2021, ICLR, eq. 4-6): the direction with equal projections onto all gradients.

    <d, gᵢ / ‖gᵢ‖> is the same for all tasks, and the weights sum to 1: with C the cosines, ‖gᵢ‖ wᵢ ∝ C⁺ 1.
    Weights may be negative. If they would sum to 0 there is no such direction, and they are equal.
    """

    needs: ClassVar[Needs] = Needs.GRAMIAN

    def __call__(self, signals: Signals) -> Tensor:
        cosines, lengths = normalised(signals.given_gramian)
        there = lengths > 0
        units = torch.linalg.pinv(cosines, hermitian=True, rtol=1e-12) @ there.to(cosines)
        weights = torch.where(there, units / lengths, 0.0)
        total = weights.sum()
        if not bool(there.any()) or abs(float(total)) <= 1e-12 * float(weights.abs().sum()):
            return torch.full_like(signals.losses, 1 / len(lengths))
        return like(weights / total, signals.losses)
