"""fit_stream: train a ranker on the partitions of a log in their order, and go on where it stopped."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharewise.ranking.options import Follow
from sharewise.ranking.partitions import Entry
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.ranker import Ranker
from sharewise.ranking.stream import Stream
from sharewise.train.progress import Progress


@dataclass(frozen=True)
class StreamResult:
    """What `fit_stream` did.

    Attributes:
        ranker: trained; None if there was no partition to train on. Of spread embeddings only the first
            process has all rows.
        history: the log's records, one a partition.
        measures: of all partitions together, each before it was trained on.
        done, aside: what became of the partitions.
        rows: trained on in this call.
        seconds: of this call.
    """

    ranker: Ranker | None
    history: list[dict[str, Any]]
    measures: dict[str, Any]
    done: tuple[Entry, ...]
    aside: tuple[Entry, ...]
    rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Rows read, tested on and trained on a second, in this call."""
        return self.rows / self.seconds


def fit_stream(
    source: str | os.PathLike[str],
    plan: RankPlan | None = None,
    *,
    folder: str | Path | None = None,
    follow: Follow | None = None,
    progress: Progress | None = None,
) -> StreamResult:
    """Train a ranker on a log, partition after partition: each is tested on, then trained on, once.

    What cannot be trained on is set aside with a reason, and training goes on. Called again with the same
    folder it goes on with the partitions that have come since, bit for bit as if it had not stopped.

    Args:
        source: a folder of Parquet files, or a glob; the order of names is the order of time.
        plan: what is trained, and how.
        folder: where log, checkpoints, what was set aside and the ranker go; None to keep nothing.
        follow: how to wait for new partitions; None to end when there are no more.
        progress: told of the run's course.

    Raises:
        ConfigError: if the plan does not fit the log's columns.
        DataError: if there is no such folder.
        CheckpointError: if the folder holds checkpoints of another plan, or none of them is whole.
        DivergedError: if a loss is not finite; the last good checkpoint is kept.
    """
    where = None if folder is None else Path(folder)
    stream = Stream(source, plan or RankPlan(), where, follow, progress or Progress())
    stream.run()
    course, ledger, keeper = stream.state.course, stream.state.ledger, stream.keeper
    return StreamResult(
        ranker=course.ranker if course else None,
        history=keeper.log.records(),
        measures=course.measures.record() if course else {},
        done=tuple(ledger.done),
        aside=tuple(ledger.aside),
        rows=keeper.rows,
        seconds=keeper.seconds,
    )
