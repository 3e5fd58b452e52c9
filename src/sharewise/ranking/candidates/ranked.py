"""The best of many rows at once, and weights of items that fade with time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from sharewise.ranking.candidates.requests import Array, Found, Ids, aged


def top_of_rows(scores: sparse.csr_matrix, count: int) -> Found:
    """Return the largest entries of every row, the largest first, of equal ones the first column.

    Args:
        scores: ``[rows, items]``; entries that are not stored do not count.
        count: of a row at most.
    """
    length = np.diff(scores.indptr)
    rows = np.repeat(np.arange(scores.shape[0]), length)
    order = np.lexsort((scores.indices, -scores.data, rows))
    place = np.arange(len(rows)) - scores.indptr[rows]
    kept = place < count
    width = min(count, int(length.max(initial=0)))
    items = np.full((scores.shape[0], width), -1, dtype=np.int64)
    values = np.zeros(items.shape)
    at = rows[kept], place[kept]
    items[at], values[at] = scores.indices[order][kept], scores.data[order][kept]
    return Found(items, values)


def heaviest(matrix: sparse.csr_matrix, count: int) -> sparse.csr_matrix:
    """Return the matrix with the largest `count` entries of every row alone."""
    if not len(matrix.data) or np.diff(matrix.indptr).max() <= count:
        return matrix
    top = top_of_rows(matrix, count)
    kept = top.items >= 0
    place = np.nonzero(kept)[0], top.items[kept]
    return sparse.csr_matrix((top.scores[kept], place), shape=matrix.shape)


class Counts:
    """Weights of items that fade: a watch counts half after every half-life.

    Args:
        half_life: in hours.
    """

    def __init__(self, half_life: float) -> None:
        self._half_life = half_life
        self.values: Array = np.zeros(0)
        self._now = 0.0

    def learn(self, items: Ids, time: Array, now: float, total: int) -> None:
        """Let what there is fade until `now`, and count watches of `items` ``[watches]`` at their `time`."""
        now = max(now, self._now)
        faded = self.values * aged(np.float64(self._now), now, self._half_life)
        weight = aged(time, now, self._half_life)
        own = np.bincount(items, weight, minlength=total).astype(np.float64)
        self.values, self._now = own + np.pad(faded, (0, total - len(faded))), now

    def tensors(self) -> dict[str, Tensor]:
        """Return all that was learnt, by name."""
        return {
            "weight": torch.from_numpy(self.values),
            "now": torch.tensor([self._now], dtype=torch.float64),
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        self.values, self._now = tensors["weight"].numpy().copy(), float(tensors["now"])
