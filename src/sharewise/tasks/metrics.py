"""Metrics with their influence functions, so that differences between models come with honest intervals.

An `Effect` is a metric's value together with the influence of every row: to first order, the metric on a
resampled table is ``value + mean(influence of the resampled rows)``. For a mean that is exact; for AUC it
gives DeLong's variance (DeLong et al. 1988); for R² and the like the delta method's. The difference of two
models on the same rows has the difference of their influences.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Effect(NamedTuple):
    """A metric's value and the centred influence of every row, `[rows]`."""

    value: float
    influence: Array


def mean(values: Array, weights: Array) -> Effect:
    """Weighted mean of `values` `[rows]`; NaN if there are no rows."""
    total = weights.sum()
    if not total > 0:
        return Effect(float("nan"), np.zeros_like(values))
    value = float((weights * values).sum() / total)
    return Effect(value, weights * (values - value) * (len(values) / total))


def explained(errors: Array, constant_errors: Array, weights: Array) -> Effect:
    """1 - mean(errors) / mean(constant_errors): R² for squares, D² for deviances; NaN for constant labels."""
    top, bottom = mean(errors, weights), mean(constant_errors, weights)
    if not bottom.value > 0:
        return Effect(float("nan"), np.zeros_like(errors))
    ratio = top.value / bottom.value
    return Effect(1.0 - ratio, (ratio * bottom.influence - top.influence) / bottom.value)


def auc(scores: Array, targets: Array, weights: Array) -> Effect:
    """Area under the ROC curve, ties counted half, with DeLong's influence; NaN if one class is absent."""
    positive = np.where(targets > 0.5, weights, 0.0)
    negative = weights - positive
    total_positive, total_negative = positive.sum(), negative.sum()
    if not (total_positive > 0 and total_negative > 0):
        return Effect(float("nan"), np.zeros_like(scores))
    _, level = np.unique(scores, return_inverse=True)
    positive_at = np.bincount(level, positive)
    negative_at = np.bincount(level, negative)
    below = np.cumsum(negative_at) - 0.5 * negative_at
    above = total_positive - np.cumsum(positive_at) + 0.5 * positive_at
    wins = below[level] / total_negative  # of a positive row against the negatives
    losses = above[level] / total_positive  # of a negative row: positives above it
    value = float((positive * wins).sum() / total_positive)
    rows = len(scores)
    influence = rows * (
        positive * (wins - value) / total_positive + negative * (losses - value) / total_negative
    )
    return Effect(value, influence)
