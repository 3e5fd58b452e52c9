"""What every user watched last: a ring of items each, all rings in one array."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.ranking.candidates.requests import Ids


class History:
    """The last watches of users.

    Args:
        length: watches that are kept of a user.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self._items = np.full((0, length), -1, dtype=np.int64)
        self._count = np.zeros(0, dtype=np.int64)

    def last(self, users: Ids, width: int) -> Ids:
        """Return each user's last watches, ``[users, width]``, the last first, padded with -1."""
        return self._back(users, np.zeros(len(users), dtype=np.int64), width)

    def before(self, users: Ids, items: Ids, width: int, at: Ids | None = None) -> Ids:
        """Return what was watched before each watch of a stretch, those of the stretch itself included.

        Args:
            users, items: the stretch's watches in the order of time, ``[watches]``; users -1 have no past.
            width: watches at most.
            at: the watches that are asked for; all of them if left out.

        Returns:
            ``[watches asked for, width]``, the last first, padded with -1.
        """
        asked = np.arange(len(users)) if at is None else at
        return self.until(users, np.arange(len(users)), items, users[asked], asked, width)

    def until(self, users: Ids, when: Ids, items: Ids, who: Ids, until: Ids, width: int) -> Ids:
        """Return what some users had watched before some moments of a stretch.

        Args:
            users, when, items: the stretch's watches, ``[watches]``; `when` numbers moments, increasing.
            who, until: who is asked about, and the moment before which, ``[asked]``.
            width: watches at most.

        Returns:
            ``[asked, width]``, the last first, padded with -1.
        """
        moments = max(int(when.max(initial=0)), int(until.max(initial=0))) + 1
        order = np.argsort(users, kind="stable")
        keys = users[order] * moments + when[order]
        own = np.searchsorted(keys, who * moments + until)
        rank = own - np.searchsorted(keys, who * moments)
        steps = np.arange(width)
        inside = np.append(items[order], -1)[np.maximum(own[:, None] - 1 - steps, -1)]
        known = np.where(steps < rank[:, None], inside, self._back(who, -rank, width))
        return np.where(who[:, None] >= 0, known, -1)

    def learn(self, users: Ids, items: Ids, total: int) -> None:
        """Take in watches in the order of time; there are `total` users now."""
        more = total - len(self._count)
        self._items = np.pad(self._items, ((0, more), (0, 0)), constant_values=-1)
        self._count = np.pad(self._count, (0, more))
        known = users >= 0
        users, items = users[known], items[known]
        order = np.argsort(users, kind="stable")
        users, items = users[order], items[order]
        rank = _ranks(users)
        size = np.bincount(users, minlength=total)
        kept = rank >= size[users] - self.length
        slot = (self._count[users] + rank) % self.length
        self._items[users[kept], slot[kept]] = items[kept]
        self._count += size

    def tensors(self) -> dict[str, Tensor]:
        """Return all that is known, by name."""
        return {"items": torch.from_numpy(self._items), "count": torch.from_numpy(self._count)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        self._items, self._count = (tensors[name].numpy().copy() for name in ("items", "count"))

    def _back(self, users: Ids, first: NDArray[np.int64], width: int) -> Ids:
        """Return ``[users, width]`` watches counted from the last as number 0; `first` of them a user."""
        steps = first[:, None] + np.arange(width)
        known = (users >= 0) & (users < len(self._count))
        rows = np.where(known, users, 0)
        if not len(self._count):
            return np.full((len(users), width), -1, dtype=np.int64)
        count = np.where(known, self._count[rows], 0)[:, None]
        found = self._items[rows[:, None], (count - 1 - steps) % self.length]
        return np.where((steps >= 0) & (steps < np.minimum(count, self.length)), found, -1)


def _ranks(users: Ids) -> Ids:
    """Return each entry's place among those of its user, from 0; users are sorted."""
    starts = np.flatnonzero(np.r_[True, users[1:] != users[:-1]]) if len(users) else np.zeros(0, dtype=int)
    lengths = np.diff(np.r_[starts, len(users)])
    found: Ids = np.arange(len(users)) - np.repeat(starts, lengths)
    return found
