"""Measures within groups of rows, such as the list of a request: AUC and NDCG of every group at once.

Scores are compared in float32, as networks give them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Groups = NDArray[np.int64]


def number(groups: NDArray[Any]) -> Groups:
    """Return the groups numbered from 0, ``[rows]``, whatever they are called."""
    _, found = np.unique(groups, return_inverse=True)
    return np.asarray(found, dtype=np.int64)


def grouped_auc(groups: Groups, scores: Array, targets: Array) -> Array:
    """Return each group's AUC, ties counted half; NaN where a group has one class only.

    Args:
        groups: the group of each row, numbered from 0.
        scores: larger is likelier.
        targets: 0 or 1.
    """
    if not len(groups):
        return np.zeros(0)
    order = _order(groups, scores)
    group, score, label = groups[order], scores.astype(np.float32)[order], targets[order]
    fresh = np.append(True, (group[1:] != group[:-1]) | (score[1:] != score[:-1]))
    tie = np.cumsum(fresh) - 1
    positive, rows = np.bincount(tie, label), np.bincount(tie)
    first, member = np.flatnonzero(fresh), group[fresh]
    rank = first + (rows + 1) / 2  # the mean of the ranks that share a score
    many = int(groups.max()) + 1
    start = np.searchsorted(group, np.arange(many))
    size, won = np.bincount(groups, minlength=many), np.bincount(member, positive, many)
    ranks = np.bincount(member, positive * (rank - start[member]), many)
    pairs = won * (size - won)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(pairs > 0, (ranks - won * (won + 1) / 2) / pairs, np.nan)


def grouped_ndcg(groups: Groups, scores: Array, gains: Array, k: int) -> Array:
    """Return each group's normalised discounted cumulative gain of its first k rows; NaN without any gain.

    The gain itself is summed, not 2 to its power (Järvelin & Kekäläinen 2002). Rows of one score come in any
    order, always the same.

    Args:
        groups: the group of each row, numbered from 0.
        scores: what rows are put in order by, the largest first.
        gains: what each row is worth, not negative.
        k: how many rows count.
    """
    if not len(groups):
        return np.zeros(0)
    best = _discounted(groups, gains, gains, k)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(best > 0, _discounted(groups, scores, gains, k) / best, np.nan)


def grouped_places(groups: Groups, scores: Array) -> NDArray[np.int64]:
    """Return each row's place within its group, ``[rows]``, from 0 for the one with the largest score."""
    order = _order(groups, -scores)
    group = groups[order]
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order)) - np.searchsorted(group, np.arange(_many(groups)))[group]
    return places


def discounts(places: NDArray[np.int64], k: int) -> Array:
    """Return what the gain of a row in such a place counts for: 1 / log2(place + 2), from place k on 0."""
    return np.where(places < k, 1 / np.log2(places + 2), 0.0)


def _discounted(groups: Groups, scores: Array, gains: Array, k: int) -> Array:
    worth = gains * discounts(grouped_places(groups, scores), k)
    return np.bincount(groups, worth, _many(groups)).astype(np.float64)


def _many(groups: Groups) -> int:
    return int(groups.max()) + 1 if len(groups) else 0


def _order(groups: Groups, scores: Array) -> NDArray[np.int64]:
    """Return the rows by group, and within it by increasing score.

    Group and score are one whole number each, which sorts several times as fast as a pair: the bits of a
    float32 are in the order of its size, and of a negative one in the opposite order.
    """
    bits = scores.astype(np.float32).view(np.int32).astype(np.int64)
    place = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    found: NDArray[np.int64] = np.argsort((groups << 33) + place)
    return found
