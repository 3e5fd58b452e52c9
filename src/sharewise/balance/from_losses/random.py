"""Random loss weighting."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.weighting import EXACT, Needs, Remembering, Signals, like
from sharewise.streams import stream


class RLW(Remembering):
    """Random loss weighting (Lin, Ye, Zhang, Tsang 2022, TMLR): softmax of standard normals, anew each step.

    The honest control for all methods that move weights about. Weights sum to 1.

    Args:
        seed: of the draws.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def __call__(self, signals: Signals) -> Tensor:
        draw = self._recall("draws", torch.zeros((), dtype=torch.int64))
        self._memory["draws"] = draw + 1
        normal = torch.randn(len(signals.losses), dtype=EXACT, generator=stream(self.seed, "rlw", int(draw)))
        return like(torch.softmax(normal, 0), signals.losses)
