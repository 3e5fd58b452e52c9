"""The engagement-satisfaction front: what scores of other weights would have made of lists that were shown.

Weights of the blend are drawn at random; each draw orders the rows of lists whose predictions a run kept, and
is worth what two kinds of feedback say of that order. A draw that no other beats in both is on the *front*:
more of one is to be had only for less of the other. The first half of the lists chooses the front; the second
half says what it is worth, so that luck in choosing does not count.

Feedback is NDCG over all lists: the sum of their discounted gains over the largest that it could be. A list
counts by its feedback; lists without any say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import ConfigError
from sharewise.ranking.blend import LEAST
from sharewise.tasks.grouped import discounts, grouped_places

Array = NDArray[np.float64]
Groups = NDArray[np.int64]
ENGAGEMENT, SATISFACTION = "engagement", "satisfaction"
#: Digits of drawn weights; what is measured are the weights so rounded.
DIGITS = 3


@dataclass(frozen=True)
class TuneOptions:
    """How the front is drawn.

    Args:
        draws: of weights, beside those of every objective alone and those of the run.
        seed: of the draws.
        engagement, satisfaction: what feedback is worth: SQL over the labels of tasks, ``"like + 0.2 *
            rating"``; by default the seconds watched, else "click", and "like", else "rating".
        lists: at most so many are looked at, evenly spread.
        most: how many times as much feedback may count where places are seldom examined.
    """

    draws: int = 256
    seed: int = 0
    engagement: str = ""
    satisfaction: str = ""
    lists: int = 20_000
    most: float = 10.0

    def __post_init__(self) -> None:
        for name, least in (("draws", 1), ("lists", 2), ("most", 1)):
            if not getattr(self, name) >= least:
                raise ConfigError(
                    f"Tuning option '{name}' is {getattr(self, name)}.", f"Use {least} or more."
                )


@dataclass(frozen=True)
class Lists:
    """Rows of lists, to be put in other orders.

    Attributes:
        groups: the list of each row, numbered from 0 in the order of time.
        columns: what the weights multiply, ``[rows, tasks]``: predictions, or their logarithms in a product.
        gains: what rows are worth, by name, ``[rows]``.
    """

    groups: Groups
    columns: Array
    gains: dict[str, Array]

    def part(self, rows: NDArray[np.bool_]) -> Lists:
        """Return the lists that these rows are; lists must be whole."""
        _, groups = np.unique(self.groups[rows], return_inverse=True)
        gains = {name: values[rows] for name, values in self.gains.items()}
        return Lists(groups.astype(np.int64), self.columns[rows], gains)

    def halves(self) -> tuple[Lists, Lists]:
        """Return the earlier and the later half of the lists."""
        first = self.groups < (self.groups.max() + 1) // 2
        return self.part(first), self.part(~first)

    @property
    def count(self) -> int:
        """How many lists there are."""
        return int(self.groups.max()) + 1 if len(self.groups) else 0


def columns_of(predicted: Mapping[str, Array], kind: str) -> Array:
    """Return what the weights of a blend of this kind multiply, ``[rows, tasks]``."""
    values = np.stack(list(predicted.values()), 1)
    return np.log(np.maximum(values, LEAST)) if kind == "product" else values


def draw_weights(lists: Lists, signs: Array, options: TuneOptions) -> Array:
    """Return weights, ``[tasks + draws, tasks]``: every task alone, then draws.

    Drawn evenly from the simplex where every column varies by 1 within lists, then taken to the columns' own
    units, the largest weight 1 and rounded.

    Args:
        lists: whose columns are weighed.
        signs: 1 for tasks that count upwards, -1 for those that count downwards, ``[tasks]``.
        options: how many, and by which seed.
    """
    chance = np.random.default_rng([options.seed, 7])
    tasks = len(signs)
    # Half of the draws near edges of the simplex: the front often lies where few objectives count.
    inside = chance.dirichlet(np.ones(tasks), options.draws - options.draws // 2)
    edges = chance.dirichlet(np.full(tasks, 0.4), options.draws // 2)
    even = np.concatenate([np.eye(tasks), inside, edges])
    weights = even * signs / _within(lists)
    return rounded(weights / np.abs(weights).max(1, keepdims=True))


def rounded(weights: Array) -> Array:
    """Return weights of three digits after the point."""
    return np.round(weights, DIGITS) + 0.0


def measure(lists: Lists, weights: Array, k: int) -> dict[str, Array]:
    """Return the NDCG over all lists of every order, by the name of the gain, ``[weights]``.

    Args:
        lists: with gains.
        weights: of the columns, ``[weights, tasks]``.
        k: rows of a list that count.
    """
    worth = {name: _normed(lists.groups, gains, k) for name, gains in lists.gains.items()}
    found = {name: np.empty(len(weights)) for name in worth}
    for place, own in enumerate(weights):
        counted = discounts(grouped_places(lists.groups, lists.columns @ own), k)
        for name, gains in worth.items():
            found[name][place] = gains @ counted
    return found


def front(first: Array, second: Array) -> NDArray[np.int64]:
    """Return which points no other beats in both, by increasing `first`.

    Example:
        >>> front(np.array([0.0, 1.0, 2.0, 1.0]), np.array([3.0, 2.0, 0.0, 1.0])).tolist()
        [0, 1, 2]
    """
    order = np.lexsort((-second, -first))
    best = np.concatenate([[-np.inf], np.maximum.accumulate(second[order])[:-1]])
    kept: NDArray[np.int64] = order[second[order] > best][::-1].copy()
    return kept


def _normed(groups: Groups, gains: Array, k: int) -> Array:
    best = float(gains @ discounts(grouped_places(groups, gains), k))
    return gains / best if best > 0 else np.full(len(gains), np.nan)


def _within(lists: Lists) -> Array:
    """Return how much columns vary within lists; 1 where one does not."""
    rows = np.bincount(lists.groups, minlength=lists.count)[lists.groups]
    found = []
    for values in lists.columns.T:
        mean = np.bincount(lists.groups, values, lists.count)[lists.groups] / rows
        found.append(np.sqrt(np.mean((values - mean) ** 2)))
    spread = np.array(found)
    return np.where(spread > 1e-12, spread, 1.0)
