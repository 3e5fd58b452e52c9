"""How often items occur in a stream, by the gaps between their occurrences (Yi et al., RecSys 2019, alg. 2).

An item's gap is a moving average, ``B ← (1 - α) B + α (t - A)`` with A the time of its last occurrence, and
its frequency 1 / B. Deviations: every item has entries of its own, where the paper hashes; time is counted in
examples, not steps, and n occurrences in a batch are n gaps of ``(t - A) / n``, so that the frequency is the
share of the examples also of items that occur several times a batch; the first gap is the average.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sharewise.ranking.candidates.requests import Array, Ids


class StreamingFrequency:
    """Frequencies of items.

    Args:
        rate: α, how fast they follow.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._time = 0
        self._last: Array = np.zeros(0)
        self._gap: Array = np.zeros(0)

    def grow(self, total: int) -> None:
        """Let there be `total` items; the first gaps of new ones begin now."""
        more = total - len(self._gap)
        self._last = np.pad(self._last, (0, more), constant_values=self._time)
        self._gap = np.pad(self._gap, (0, more))

    def learn(self, items: Ids) -> None:
        """Take in a batch of occurrences ``[examples]``."""
        self._time += len(items)
        found, times = np.unique(items, return_counts=True)
        gap = (self._time - self._last[found]) / times
        kept = np.where(self._gap[found] > 0, (1 - self._rate) ** times, 0.0)
        self._gap[found] = np.maximum(kept * self._gap[found] + (1 - kept) * gap, 1.0)
        self._last[found] = self._time

    def share(self, items: Ids) -> Array:
        """Return the estimated share of the examples that each of `items`, which have occurred, has."""
        found: Array = 1.0 / self._gap[items]
        return found

    def tensors(self) -> dict[str, Tensor]:
        """Return all that was learnt, by name."""
        time = torch.tensor([self._time])
        return {"last": torch.from_numpy(self._last), "gap": torch.from_numpy(self._gap), "time": time}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        self._last, self._gap = (tensors[name].numpy().copy() for name in ("last", "gap"))
        self._time = int(tensors["time"])
