"""Equal weights."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.weighting import Needs, Signals, Weighting


class Equal(Weighting):
    """Weight 1 for every task: the plain sum. Well tuned, it competes with most other methods."""

    needs: ClassVar[Needs] = Needs.NOTHING

    def __call__(self, signals: Signals) -> Tensor:
        return torch.ones_like(signals.losses)
