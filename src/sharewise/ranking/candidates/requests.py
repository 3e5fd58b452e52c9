"""What is asked and what is learnt from, in rows: users, queries and items as numbers from 0, -1 for none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Array = NDArray[np.float64]
#: Sets of so few items are compared one by one, larger ones by sorting.
FEW = 16


@dataclass(frozen=True)
class Requests:
    """Who asks for candidates, and beside what.

    Attributes:
        user, query: ``[requests]``, -1 where unknown or none.
        past: ``[requests, watches]``, what each user watched before, the last first, padded with -1.
    """

    user: Ids
    query: Ids
    past: Ids

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, rows: slice | Ids) -> Requests:
        return Requests(self.user[rows], self.query[rows], self.past[rows])


@dataclass(frozen=True)
class Watches:
    """What was watched, in the order of time.

    Attributes:
        asked: when it came up: user, query, and what the user had watched before.
        item: ``[watches]``.
        time: ``[watches]``, hours since 1970.
        now: hours since 1970 of the stretch's end, also where nothing was watched.
    """

    asked: Requests
    item: Ids
    time: Array
    now: float

    def __len__(self) -> int:
        return len(self.item)


@dataclass(frozen=True)
class Found:
    """What a source proposes.

    Attributes:
        items: ``[requests, places]``, best first, padded with -1 at the end.
        scores: ``[requests, places]``, comparable within a row only.
    """

    items: Ids
    scores: Array


def aged(time: Array, now: float, half_life: float) -> Array:
    """Return what is left of a weight of 1 after the time from `time` to `now`, in hours."""
    left: Array = np.exp2((time - now) / half_life)
    return left


def without(found: Found, excluded: Ids, count: int) -> Found:
    """Return the first `count` items that are not excluded.

    Args:
        found: of a source.
        excluded: ``[requests, items]``, items by request; -1 stands for none.
        count: items of a request at most.
    """
    bad = (found.items < 0) | among(found.items, excluded)
    order = np.argsort(bad, axis=1, kind="stable")[:, :count]
    items = np.where(bad, -1, found.items)
    return Found(taken(items, order), taken(found.scores, order))


def taken(values: NDArray[Any], order: Ids) -> NDArray[Any]:
    """Return the values of these places of every row: `take_along_axis`, at a tenth of its fixed cost."""
    found: NDArray[Any] = values[np.arange(len(values))[:, None], order]
    return found


def among(items: Ids, sets: Ids) -> NDArray[np.bool_]:
    """Return which of a row's items are in the same row of `sets`; both ``[rows, items]``, -1 for none."""
    if sets.shape[1] <= FEW:
        hit = np.zeros(items.shape, dtype=np.bool_)
        for column in sets.T:
            hit |= items == column[:, None]
        return hit & (items >= 0)
    width = max(items.max(initial=0), sets.max(initial=0)) + 1
    rows = np.arange(len(items))[:, None] * width
    known = (rows + sets)[sets >= 0]
    found: NDArray[np.bool_] = (items >= 0) & np.isin(rows + items, known)
    return found
