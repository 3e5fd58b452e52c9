"""Recall: the share of what users wanted that is in the lists, as sums that add up over stretches."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.ranking.candidates.requests import Ids
from sharewise.tasks.tally import MeanTally

#: The list of all sources together.
MERGED = "merged"
#: Relevant items that had not come before the stretch.
NEW = "new"


class Recall:
    """Mean recall of requests, by source and length of the list.

    Args:
        sources: their names.
        lengths: of lists.
        count: of the merged list, which is measured whole beside.
    """

    def __init__(self, sources: tuple[str, ...], lengths: tuple[int, ...], count: int) -> None:
        self.lengths = tuple(sorted({length for length in lengths if length < count} | {count}))
        own = tuple(sorted(set(lengths)))
        self.names = {**dict.fromkeys(sources, own), MERGED: self.lengths}
        self.requests = 0
        self._tallies = {f"{n}@{k}": MeanTally() for n, ks in self.names.items() for k in ks}
        self._tallies[NEW] = MeanTally()

    def see(self, lists: Mapping[str, Ids], relevant: Ids, new: NDArray[np.int64]) -> None:
        """Add requests.

        Args:
            lists: items by source, and merged, ``[requests, places]``.
            relevant: ``[requests, items]``, what was wanted, padded with -1.
            new: ``[requests]``, how many beside these had not come before: no list can have them.
        """
        wanted = (relevant >= 0).sum(1) + new
        self.requests += len(wanted)
        weights = np.ones(len(wanted))
        for name, lengths in self.names.items():
            place = _places(relevant, lists[name][:, : max(lengths)])
            for length in lengths:
                hits = (place < length).sum(1)
                self._tallies[f"{name}@{length}"].add(hits / wanted, weights)
        self._tallies[NEW].add(new / wanted, weights)

    def merge(self, other: Recall) -> None:
        """Add another stretch's."""
        self.requests += other.requests
        for name, tally in other._tallies.items():
            self._tallies[name].merge(tally)

    def record(self) -> dict[str, object]:
        """Return recall by source and length, the share of relevant items that were new, and the requests."""
        found: dict[str, object] = {"requests": self.requests, "new": _finite(self._tallies[NEW].mean)}
        for name, lengths in self.names.items():
            found[name] = {f"@{k}": _finite(self._tallies[f"{name}@{k}"].mean) for k in lengths}
        return found

    def tensors(self) -> dict[str, Tensor]:
        """Return all sums, by name."""
        found = {f"{n}/{part}": v for n, t in self._tallies.items() for part, v in t.state().items()}
        return {"requests": torch.tensor(self.requests), **{n: torch.from_numpy(v) for n, v in found.items()}}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        self.requests = int(tensors["requests"])
        for name, tally in self._tallies.items():
            start = f"{name}/"
            tally.load({n[len(start) :]: v.numpy() for n, v in tensors.items() if n.startswith(start)})


def _places(relevant: Ids, items: Ids) -> NDArray[np.float64]:
    """Return where in its row's list each item is, from 0, infinite where it is not; as `relevant`."""
    found = np.full(relevant.shape, np.inf)
    for column, own in enumerate(relevant.T):
        hit = (items == own[:, None]) & (own >= 0)[:, None]
        rows, place = np.nonzero(hit)
        found[rows, column] = place
    return found


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
