"""Unconflicting projection of gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.solvers import dual_cone
from sharewise.balance.weighting import EXACT, Needs, Signals, Weighting, like


class UPGrad(Weighting):
    """UPGrad (Quinton & Rey 2024, Jacobian descent, definition 3): the mean of the projected gradients.

    Each gradient is projected onto the cone of directions that oppose no gradient; the mean of the results
    opposes none either: <gᵢ, d> ≥ 0. Solved exactly, all projections at once, from the last step's active
    set, which is all it remembers: it makes the next step faster and not another. Weights sum to 1 or more.
    """

    needs: ClassVar[Needs] = Needs.GRAMIAN

    def __init__(self) -> None:
        self._active: Tensor | None = None

    def __call__(self, signals: Signals) -> Tensor:
        tasks = len(signals.losses)
        active = self._active if self._active is not None and len(self._active) == tasks else None
        start = torch.eye(tasks, dtype=EXACT) / tasks
        projected, self._active = dual_cone(signals.given_gramian, start, active)
        return like(projected.sum(0), signals.losses)

    def state_dict(self) -> dict[str, Tensor]:
        return {} if self._active is None else {"active": self._active}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._active = state["active"].cpu().clone() if "active" in state else None
