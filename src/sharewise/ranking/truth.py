"""Orders of a simulated world's lists against its truth. Only measuring imports this, never a ranker.

How near an order comes to the best one is NDCG within each list, against four gains:

- ``click``: the probability of a click, once examined.
- ``engagement``: the seconds that are watched, to be expected once examined.
- ``satisfaction``: how far the rating to be expected is above the lowest.
- ``mixture``: half of each of the last two, as shares of their sums over the list: units do not count.

What an order would bring follows from how far down lists are looked at: the rows of a list get the places of
the order, each place is examined as the truth says of it, and clicks, seconds and dismissals are summed. The
rating is the mean over clicks: the satisfaction of those who were drawn in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.tasks.grouped import discounts, grouped_places
from sharewise.tasks.tally import MeanTally

Array = NDArray[np.float64]
Groups = NDArray[np.int64]
GAINS = ("click", "engagement", "satisfaction", "mixture")
#: What an order would bring: sums over a list, and the mean rating of a click.
OUTCOMES = ("clicks", "seconds", "dismissals", "rating")
#: The lowest rating.
LOWEST = 1.0
#: Columns that say that a row of the truth is that of the log.
_SAME = ("request", "item", "position")


def read_truth(folder: Path, partition: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the truth about a partition's rows.

    Args:
        folder: ``truth`` of a world, with a file of the partition's name.
        partition: its name.
        rows: of the log, in its order, to hold the truth against.

    Raises:
        DataError: if there is none, or it is that of other rows.
    """
    path = folder / partition
    if not path.is_file():
        raise DataError(
            f"There is no truth '{path}'.", "Name the folder 'truth' of the world that wrote the log."
        )
    try:
        truth = pl.read_parquet(path)
        parts = [truth.select(name).equals(rows.select(name)) for name in _SAME if name in rows.columns]
        truth = truth.select("examination", "click", "engagement", "satisfaction", "dismiss", "position")
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"'{path}' is no truth: {reason}.", "Simulate the world anew.") from error
    if len(truth) != len(rows) or not all(parts):
        raise DataError(f"'{path}' is the truth about other rows.", "Name the truth of the same world.")
    return truth


def gains_of(truth: pl.DataFrame, groups: Groups) -> dict[str, Array]:
    """Return what every row is worth, ``[rows]``, by the names of `GAINS`."""
    found = {name: _floats(truth, name) for name in ("click", "engagement", "satisfaction")}
    found["satisfaction"] = found["satisfaction"] - LOWEST
    parts = [_share(found[name], groups) for name in ("engagement", "satisfaction")]
    return {**found, "mixture": (parts[0] + parts[1]) / 2}


class TruthMeasures:
    """How good orders are, by name; sums that add up over stretches.

    Args:
        k: rows of a list that NDCG counts.
    """

    def __init__(self, k: int) -> None:
        self.k, self.lists = k, 0
        self.tallies: dict[str, dict[str, MeanTally]] = {}

    def see(self, truth: pl.DataFrame, groups: Groups, scores: Mapping[str, Array]) -> None:
        """Add rows.

        Args:
            truth: of the rows.
            groups: the list of each row, numbered from 0.
            scores: by the name of the order, ``[rows]``; the largest comes first.
        """
        if not len(groups):
            return
        many = int(groups.max()) + 1
        self.lists += many
        gains = gains_of(truth, groups)
        best = {
            name: _sums(groups, g * discounts(grouped_places(groups, g), self.k), many)
            for name, g in gains.items()
        }
        shown = _Shown(truth, groups)
        for name, score in scores.items():
            places = grouped_places(groups, score)
            own = self.tallies.setdefault(name, {part: MeanTally() for part in (*GAINS, *OUTCOMES)})
            weights = discounts(places, self.k)
            for gain, values in gains.items():
                with np.errstate(divide="ignore", invalid="ignore"):
                    ndcg = np.where(
                        best[gain] > 0, _sums(groups, values * weights, many) / best[gain], np.nan
                    )
                own[gain].add(ndcg, np.ones(many))
            for part, (values, weight) in shown.outcomes(places).items():
                own[part].add(values, weight)

    def merge(self, other: TruthMeasures) -> None:
        """Add another stretch's."""
        self.lists += other.lists
        for name, tallies in other.tallies.items():
            own = self.tallies.setdefault(name, {part: MeanTally() for part in tallies})
            for part, tally in tallies.items():
                own[part].merge(tally)

    def record(self) -> dict[str, Any]:
        """Return the measures as plain values: of every order its NDCG by gain, and what it would bring."""
        return {
            "k": self.k,
            "lists": self.lists,
            "orders": {
                name: {
                    "ndcg": {gain: tallies[gain].mean for gain in GAINS},
                    "brings": {part: tallies[part].mean for part in OUTCOMES},
                }
                for name, tallies in self.tallies.items()
            },
        }


class _Shown:
    """What lists bring, if their rows are shown in other places than they were."""

    def __init__(self, truth: pl.DataFrame, groups: Groups) -> None:
        self._groups = groups
        by_place = np.lexsort((_floats(truth, "position"), groups))
        self._first = np.searchsorted(groups[by_place], np.arange(int(groups.max()) + 1))
        self._examined = _floats(truth, "examination")[by_place]
        self._click, self._dismiss = _floats(truth, "click"), _floats(truth, "dismiss")
        self._engagement, self._rating = _floats(truth, "engagement"), _floats(truth, "satisfaction")

    def outcomes(self, places: NDArray[np.int64]) -> dict[str, tuple[Array, Array]]:
        """Return sums over each list, or means, with what they weigh."""
        many = len(self._first)
        examined = self._examined[self._first[self._groups] + places]
        clicks = _sums(self._groups, examined * self._click, many)
        rated = _sums(self._groups, examined * self._click * self._rating, many)
        one = np.ones(many)
        return {
            "clicks": (clicks, one),
            "seconds": (_sums(self._groups, examined * self._engagement, many), one),
            "dismissals": (_sums(self._groups, examined * self._dismiss, many), one),
            "rating": (rated / np.maximum(clicks, 1e-30), clicks),
        }


def _floats(frame: pl.DataFrame, name: str) -> Array:
    found: Array = frame[name].cast(pl.Float64).to_numpy()
    return found


def _sums(groups: Groups, values: Array, many: int) -> Array:
    return np.bincount(groups, values, many).astype(np.float64)


def _share(values: Array, groups: Groups) -> Array:
    total = _sums(groups, values, int(groups.max()) + 1 if len(groups) else 0)[groups]
    found: Array = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
    return found
