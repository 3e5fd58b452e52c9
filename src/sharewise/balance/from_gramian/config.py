"""Conflict-free inverse gradients."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.solvers import normalised
from sharewise.balance.weighting import Needs, Signals, Weighting, like


class ConFIG(Weighting):
    """ConFIG (Liu, Chu, Thuerey 2024, ICLR 2025, eq. 2-3): the same cosine with every gradient.

    d ∝ U⁺ 1 with U the unit gradients, as long as the gradients' projections onto it together. With C = U Uᵀ
    that is Uᵀ C⁺ 1. Gradients that are linearly dependent are met in the least squares sense.
    """

    needs: ClassVar[Needs] = Needs.GRAMIAN

    def __call__(self, signals: Signals) -> Tensor:
        cosines, lengths = normalised(signals.given_gramian)
        there = lengths > 0
        units = torch.linalg.pinv(cosines, hermitian=True, rtol=1e-12) @ there.to(cosines)
        toward = cosines @ units
        square = torch.dot(units, toward)
        if not bool(there.any()) or float(square) <= 0:
            return torch.ones_like(signals.losses)
        length = torch.dot(lengths, toward) / square
        return like(torch.where(there, length * units / lengths, 0.0), signals.losses)
