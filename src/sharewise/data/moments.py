"""Moments: mean and variance of columns, of a stream or of parts of it, to be merged in any order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Of every column: how many values, their mean, and the sum of squared distances from it.

    Attributes:
        count, mean, squares: ``[columns]``.
    """

    count: Array
    mean: Array
    squares: Array

    @staticmethod
    def empty(columns: int) -> Moments:
        """Return those of no rows."""
        return Moments(np.zeros(columns), np.zeros(columns), np.zeros(columns))

    @staticmethod
    def of(values: NDArray[np.floating]) -> Moments:
        """Return those of ``[rows, columns]``, missing values NaN."""
        found = Moments.empty(values.shape[1])
        for place, column in enumerate(np.ascontiguousarray(values.T)):
            known = column[~np.isnan(column)].astype(np.float64)
            found.count[place] = len(known)
            found.mean[place] = known.sum() / max(len(known), 1)
            known -= found.mean[place]
            found.squares[place] = known @ known
        return found

    def merge(self, other: Moments) -> Moments:
        """Return those of both (Chan, Golub & LeVeque 1979, eq. 2.1)."""
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        gap = other.mean - self.mean
        squares = self.squares + other.squares + gap**2 * self.count * share
        return Moments(count, self.mean + gap * share, squares)

    @property
    def scale(self) -> Array:
        """Standard deviations; 1 for columns that do not vary."""
        spread = np.sqrt(self.squares / np.maximum(self.count, 1))
        return np.where(spread > 1e-12 * np.maximum(np.abs(self.mean), 1e-12), spread, 1.0)
