"""Tallies: a measure is a function of sums, so measures of parts add up to those of the whole.

A tally holds named arrays of sums. Those of two stretches of a stream are added, entry by entry; the measures
are computed from the sums whenever somebody asks, and need none of the rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
T = TypeVar("T", bound="Tally")

#: Probabilities are told apart to 1/2,048 of themselves, down to 2^-24: by exponent and 11 bits more.
_SHIFT = 12
_LEAST = 0x33800000 >> _SHIFT
_CELLS = (0x3F800000 >> _SHIFT) - _LEAST + 1
#: Groups of about equal probability for calibration: quarters of a unit of the logit, from -10 to 10.
_GROUPS = 80
_TINY = 1e-7


class Tally(ABC):
    """Sums by name.

    Args:
        sums: as `state` gave them; zeros if left out.
    """

    def __init__(self, sums: Mapping[str, Array] | None = None) -> None:
        self.sums = self.empty() if sums is None else dict(sums)

    @staticmethod
    @abstractmethod
    def empty() -> dict[str, Array]:
        """Return the sums over no rows."""

    @abstractmethod
    def add(self, predictions: Array, targets: Array) -> None:
        """Add the sums over rows, both ``[rows]``."""

    @classmethod
    def of(cls: type[T], predictions: Array, targets: Array) -> T:
        """Return the tally of some rows."""
        tally = cls()
        tally.add(predictions, targets)
        return tally

    @abstractmethod
    def values(self) -> dict[str, float]:
        """Return the measures by name; NaN where nothing can be said."""

    def merge(self: T, other: T) -> T:
        """Add the sums of another stretch, and return this tally."""
        for name, value in other.sums.items():
            self.sums[name] += value
        return self

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the sums that are not 0, with their places: a fine histogram is mostly empty."""
        found: dict[str, NDArray[Any]] = {}
        for name, value in self.sums.items():
            flat = value.ravel()
            at = np.flatnonzero(flat)
            found[f"{name}.at"], found[f"{name}.sum"] = at.astype(np.int64), flat[at]
        return found

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Inverse of `state`."""
        self.sums = self.empty()
        for name, value in self.sums.items():
            value.ravel()[state[f"{name}.at"]] = state[f"{name}.sum"]


class BinaryTally(Tally):
    """Probabilities against labels of 0 and 1: AUC, squared error, log loss, calibration.

    ``auc`` is that of probabilities cut to 12 bits, ties counted half: apart from the exact one by less than
    1e-6 for scores that are spread out. ``ratio`` is the mean prediction over the mean label, ``ece`` the
    mean distance of the two (Naeini et al. 2015) in 80 groups of equal width of the logit.
    """

    @staticmethod
    def empty() -> dict[str, Array]:
        return {
            "moments": np.zeros(5),  # rows, labels, predictions, squared errors, log losses
            "histogram": np.zeros((2, _CELLS)),
            "groups": np.zeros((3, _GROUPS)),
        }

    def add(self, predictions: Array, targets: Array) -> None:
        p = np.clip(predictions.astype(np.float64), _TINY, 1 - _TINY)
        below = np.log1p(-p)
        odds = np.log(p) - below
        losses = -below - targets * odds
        squares = (predictions - targets) ** 2
        self.sums["moments"] += [len(p), targets.sum(), predictions.sum(), squares.sum(), losses.sum()]
        np.add.at(self.sums["histogram"].reshape(-1), _cells(predictions, targets), 1.0)
        group = np.clip(np.floor(4 * odds) + _GROUPS // 2, 0, _GROUPS - 1).astype(np.int64)
        for sums, weights in zip(self.sums["groups"], (None, predictions, targets), strict=True):
            sums += np.bincount(group, weights, _GROUPS)

    def values(self) -> dict[str, float]:
        rows, labels, predictions, squares, losses = self.sums["moments"].tolist()
        if not rows:
            return {"rows": 0}
        _, predicted, observed = self.sums["groups"]
        return {
            "rows": int(rows),
            "auc": auc_of(*self.sums["histogram"]),
            "squared_error": squares / rows,
            "log_loss": losses / rows,
            "base_rate": labels / rows,
            "ratio": predictions / labels if labels else float("nan"),
            "ece": float(np.abs(predicted - observed).sum()) / rows,
        }

    def bins(self, most: int = 20) -> list[dict[str, float]]:
        """Return mean predictions and labels in at most so many groups, neighbours of few rows together.

        Returns:
            ``[{"predicted", "observed", "rows"}]`` by increasing prediction.
        """
        rows, predicted, observed = self.sums["groups"]
        before = np.cumsum(rows) - rows
        cell = np.floor(before * most / max(rows.sum(), 1)).astype(np.int64)
        whole = [np.bincount(cell, sums, most) for sums in (rows, predicted, observed)]
        return [
            {"predicted": p / n, "observed": o / n, "rows": int(n)}
            for n, p, o in zip(*(sums.tolist() for sums in whole), strict=True)
            if n
        ]


class NumberTally(Tally):
    """Predicted means against numbers: squared and absolute error, R², and the ratio of the means."""

    @staticmethod
    def empty() -> dict[str, Array]:
        return {"moments": np.zeros(6)}  # rows, labels, predictions, squared and absolute errors, squares

    def add(self, predictions: Array, targets: Array) -> None:
        y, error = targets.astype(np.float64), predictions.astype(np.float64) - targets
        sums = [len(y), y.sum(), y.sum() + error.sum(), (error**2).sum(), np.abs(error).sum(), (y**2).sum()]
        self.sums["moments"] += sums

    def values(self) -> dict[str, float]:
        rows, labels, predictions, squares, sizes, total = self.sums["moments"].tolist()
        if not rows:
            return {"rows": 0}
        spread = total - labels**2 / rows
        return {
            "rows": int(rows),
            "r2": 1 - squares / spread if spread > 0 else float("nan"),
            "squared_error": squares / rows,
            "absolute_error": sizes / rows,
            "mean": labels / rows,
            "ratio": predictions / labels if labels else float("nan"),
        }


class MeanTally(Tally):
    """The mean of a number that not every group has, such as AUC or NDCG within requests."""

    @staticmethod
    def empty() -> dict[str, Array]:
        return {"moments": np.zeros(2)}

    def add(self, predictions: Array, targets: Array) -> None:
        """Add groups' numbers, and what each weighs; those that are NaN do not count."""
        seen = ~np.isnan(predictions)
        values, weights = predictions[seen], targets[seen]
        self.sums["moments"] += [(values * weights).sum(), weights.sum()]

    @property
    def mean(self) -> float:
        """The weighted mean; NaN without groups."""
        total, weight = self.sums["moments"].tolist()
        return total / weight if weight else float("nan")

    def values(self) -> dict[str, float]:
        return {"mean": self.mean, "weight": self.sums["moments"][1]}


def auc_of(negative: Array, positive: Array) -> float:
    """Return the area under the ROC curve of two histograms over increasing scores, ties counted half."""
    seen = np.flatnonzero(negative + positive)
    negative, positive = negative[seen], positive[seen]
    pairs = negative.sum() * positive.sum()
    below = np.cumsum(negative) - 0.5 * negative
    return float((positive * below).sum() / pairs) if pairs else float("nan")


def _cells(predictions: Array, targets: Array) -> NDArray[np.int64]:
    """Return the place in the flat histogram of each row."""
    # The bits of a float that is not negative are in the order of its size.
    bits = np.clip(predictions, 0, 1).astype(np.float32).view(np.int32) >> _SHIFT
    own: NDArray[np.int64] = np.maximum(bits - _LEAST, 0).astype(np.int64)
    found: NDArray[np.int64] = own + _CELLS * (targets > 0.5)
    return found
