"""What can be chosen about candidates, table by table; `CandidatePlan` is all of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from sharewise.errors import ConfigError, nearest

#: Sources in the order of their bits and of their turns.
SOURCES = ("co_watched", "topics", "two_tower", "popular", "fresh")
#: How nearest vectors are found.
INDEXES = ("exact", "faiss")


@dataclass(frozen=True)
class ListOptions:
    """What is proposed, and what counts as right.

    Args:
        relevant: the log's column, or an SQL expression over its columns, that says that an impression was
            what the user wanted; it is what sources learn from and recall looks for.
        count: items of a merged list.
        sources: share of the merged list that each source fills, where it can: its turns come as often. By
            default all alike, topics only if columns are given for them.
        repeat: whether what a user has watched may be proposed again.
        history: watches that are remembered of a user.
        recent: the last of them that stand for the user's taste.
        remember_item, remember_query, remember_user: columns whose last values are kept by item, query and
            user, for the ranker that reads the candidates.
        recall_at: lengths of the lists whose recall is measured.
        recall_rows: requests of a partition that recall is measured on at most, drawn by chance; 0 for all.
        seed: of all chance.
        checkpoint_every: rows after which the next end of a partition has a checkpoint; 0 for all of them.
    """

    relevant: str = "clicked"
    count: int = 300
    sources: dict[str, float] = field(default_factory=dict)
    repeat: bool = True
    history: int = 50
    recent: int = 10
    remember_item: tuple[str, ...] = ()
    remember_query: tuple[str, ...] = ()
    remember_user: tuple[str, ...] = ()
    recall_at: tuple[int, ...] = (10, 100)
    recall_rows: int = 2000
    seed: int = 0
    checkpoint_every: int = 400_000

    def __post_init__(self) -> None:
        for name, share in self.sources.items():
            if name not in SOURCES:
                raise ConfigError(f"There is no source '{name}' of candidates.", nearest(name, SOURCES))
            _check(0 < share < math.inf, f"share of source '{name}'", share, "a positive number")
        for name in ("count", "history", "recent"):
            _check(getattr(self, name) >= 1, name, getattr(self, name), "a whole number from 1 on")
        _check(
            self.recent <= self.history, "recent", self.recent, f"at most history, which is {self.history}"
        )
        _check(bool(self.recall_at), "recall_at", "empty", "at least one length")
        for length in self.recall_at:
            _check(length >= 1, "recall_at", length, "whole numbers from 1 on")
        for name in ("recall_rows", "checkpoint_every"):
            _check(getattr(self, name) >= 0, name, getattr(self, name), "a whole number from 0 on")


@dataclass(frozen=True)
class CoWatchOptions:
    """Items that the same users watch together.

    Args:
        window: watches of a user before a watch that it is paired with, beside the query.
        half_life: hours after which a pair counts half.
        shrink: pairs by which a similarity of few is pulled to 0.
        neighbours: pairs that are kept of an item, the heaviest.
        beside: weight of the user's last watches, all together, where there is a query; without one they are
            all that is asked with.
    """

    window: int = 5
    half_life: float = 168.0
    shrink: float = 2.0
    neighbours: int = 300
    beside: float = 0.5

    def __post_init__(self) -> None:
        for name in ("window", "neighbours"):
            _check(getattr(self, name) >= 1, name, getattr(self, name), "a whole number from 1 on")
        _check(0 < self.half_life < math.inf, "half_life", self.half_life, "a positive number of hours")
        for name in ("shrink", "beside"):
            _check(0 <= getattr(self, name) < math.inf, name, getattr(self, name), "a number from 0 on")


@dataclass(frozen=True)
class TopicOptions:
    """Items of the same topics.

    Args:
        columns: the log's columns that say what an item is about, such as its topic or language.
        separator: what stands between topics where a column's text has several; "" where it has one.
    """

    columns: tuple[str, ...] = ()
    separator: str = ""

    def __post_init__(self) -> None:
        for name in self.columns:
            _check(self.columns.count(name) == 1, "columns", f"'{name}' twice", "each column once")


@dataclass(frozen=True)
class TowerOptions:
    """Two-tower retrieval.

    Args:
        size: of the vectors, and of the embeddings that they are made of.
        hidden: layers of each tower.
        temperature: by which cosines are divided.
        correct: whether in-batch negatives are corrected for how often items occur.
        gap_rate: how fast the estimate of an item's frequency follows, from 0 to 1.
        drop: share of the watches whose user is hidden in training, so that unknown users are served too.
        batch_size, learning_rate, passes: of training on a partition.
        most: watches of a partition that are trained on at most, the last ones; 0 for all.
        index: "exact", or "faiss" for products by codes: nearly exact, and faster where items are many.
    """

    size: int = 32
    hidden: tuple[int, ...] = (64,)
    temperature: float = 0.1
    correct: bool = True
    gap_rate: float = 0.05
    drop: float = 0.2
    batch_size: int = 512
    learning_rate: float = 3e-3
    passes: int = 1
    most: int = 0
    index: str = "exact"

    def __post_init__(self) -> None:
        for name in ("size", "passes", *(("hidden",) if min(self.hidden, default=1) < 1 else ())):
            value = getattr(self, name)
            _check(isinstance(value, int) and value >= 1, name, value, "whole numbers from 1 on")
        _check(self.batch_size >= 2, "batch_size", self.batch_size, "a whole number from 2 on")
        for name in ("temperature", "learning_rate"):
            _check(0 < getattr(self, name) < math.inf, name, getattr(self, name), "a positive number")
        _check(0 < self.gap_rate <= 1, "gap_rate", self.gap_rate, "a share above 0, at most 1")
        _check(0 <= self.drop < 1, "drop", self.drop, "a share from 0 to less than 1")
        _check(self.most >= 0, "most", self.most, "a whole number from 0 on")
        if self.index not in INDEXES:
            raise ConfigError(f"There is no index '{self.index}'.", nearest(self.index, INDEXES))


@dataclass(frozen=True)
class PopularOptions:
    """What many watch now.

    Args:
        half_life: hours after which a watch counts half.
    """

    half_life: float = 24.0

    def __post_init__(self) -> None:
        _check(0 < self.half_life < math.inf, "half_life", self.half_life, "a positive number of hours")


def _check(right: bool, name: str, value: object, wanted: str) -> None:
    if not right:
        raise ConfigError(f"Candidates' option '{name}' is {value}.", f"Use {wanted}.")
