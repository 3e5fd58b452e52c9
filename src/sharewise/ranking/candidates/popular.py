"""Popular and fresh: what everyone is proposed alike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from sharewise.ranking.candidates.catalogue import Catalogue
from sharewise.ranking.candidates.generator import Generator
from sharewise.ranking.candidates.options import PopularOptions
from sharewise.ranking.candidates.ranked import Counts
from sharewise.ranking.candidates.requests import Array, Found, Ids, Requests, Watches


class Popular(Generator):
    """What is watched most, where a watch counts half after every half-life.

    Args:
        catalogue: the items.
        options: how popularity fades.
    """

    def __init__(self, catalogue: Catalogue, options: PopularOptions) -> None:
        super().__init__(catalogue)
        self._counts = Counts(options.half_life)
        self._order: Ids | None = None

    def learn(self, watches: Watches) -> None:
        self._counts.learn(watches.item, watches.time, watches.now, len(self.catalogue))
        self._order = None

    def propose(self, requests: Requests, count: int) -> Found:
        weight = self._counts.values
        if self._order is None:
            every = np.lexsort((np.arange(len(weight)), -weight))
            self._order = every[weight[every] > 0]
        order = self._order[:count]
        return _alike(order, weight[order], len(requests))

    def tensors(self) -> dict[str, Tensor]:
        return self._counts.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self._counts.load(tensors)
        self._order = None


class Fresh(Generator):
    """What came last: the items that have been in the log for the shortest time, the newest first."""

    def learn(self, watches: Watches) -> None:
        pass  # rows of the catalogue are in the order of coming

    def propose(self, requests: Requests, count: int) -> Found:
        total = len(self.catalogue)
        order = np.arange(total - 1, max(total - count, 0) - 1, -1)
        return _alike(order, order.astype(np.float64), len(requests))

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        pass


def _alike(items: Ids, scores: Array, rows: int) -> Found:
    shape = (rows, len(items))
    return Found(np.broadcast_to(items, shape), np.broadcast_to(scores, shape))
