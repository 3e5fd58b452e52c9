"""Dynamic weight average."""

from __future__ import annotations

import torch
from torch import Tensor

from sharewise.balance.options import positive
from sharewise.balance.weighting import Remembering, Signals, exact, like


class DWA(Remembering):
    """Dynamic weight average (Liu, Johns, Davison 2019, CVPR, eq. 7): tasks that learn slowly count more.

    Weights T · softmax(r / temperature) with r the ratio of a task's mean losses over the last two epochs;
    1 until there are two. They sum to T. A task without loss in the epoch before has ratio 1.

    Args:
        temperature: a larger one makes weights more equal.
    """

    def __init__(self, *, temperature: float = 2.0) -> None:
        super().__init__()
        self.temperature = positive("DWA", "temperature", temperature)

    def __call__(self, signals: Signals) -> Tensor:
        losses = exact(signals.losses)
        zero = torch.zeros_like(losses)
        self._memory["sum"] = self._recall("sum", zero) + losses
        self._memory["count"] = self._recall("count", torch.zeros(())) + 1
        if "before" not in self._memory:
            return torch.ones_like(signals.losses)
        last, before = self._memory["last"], self._memory["before"]
        ratio = torch.where(before != 0, last / before, 1.0).nan_to_num(1.0)
        return like(len(losses) * torch.softmax(ratio / self.temperature, 0), signals.losses)

    def end_epoch(self) -> None:
        if "sum" not in self._memory:
            return
        if "last" in self._memory:
            self._memory["before"] = self._memory["last"]
        self._memory["last"] = self._memory.pop("sum") / self._memory.pop("count")
