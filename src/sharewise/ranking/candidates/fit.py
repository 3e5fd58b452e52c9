"""fit_candidates: learn candidates from the partitions of a log in their order, and go on later."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharewise.ranking.candidates.course import CandidateCourse
from sharewise.ranking.candidates.plan import CandidatePlan
from sharewise.ranking.candidates.proposer import Proposer
from sharewise.ranking.candidates.retriever import Retriever
from sharewise.ranking.options import Follow
from sharewise.ranking.partitions import Entry
from sharewise.train.progress import Progress


@dataclass(frozen=True)
class CandidatesResult:
    """What `fit_candidates` did.

    Attributes:
        proposer: what was learnt; None if there was no partition to learn from.
        history: the log's records, one a partition.
        recall: of all partitions together, each before it was learnt from.
        done, aside: what became of the partitions.
        rows: learnt from in this call.
        seconds: of this call.
    """

    proposer: Proposer | None
    history: list[dict[str, Any]]
    recall: dict[str, Any]
    done: tuple[Entry, ...]
    aside: tuple[Entry, ...]
    rows: int
    seconds: float

    @property
    def retriever(self) -> Retriever | None:
        """What proposes for users and queries by their ids."""
        return None if self.proposer is None else Retriever(self.proposer)


def fit_candidates(
    source: str | os.PathLike[str],
    plan: CandidatePlan | None = None,
    *,
    folder: str | Path | None = None,
    follow: Follow | None = None,
    progress: Progress | None = None,
) -> CandidatesResult:
    """Learn candidates from a log, partition after partition: recall is measured on each, then it is learnt.

    What cannot be read is set aside with a reason, and the run goes on. Called again with the same folder it
    goes on with the partitions that have come since, bit for bit as if it had not stopped.

    Args:
        source: a folder of Parquet files, or a glob; the order of names is the order of time.
        plan: what is proposed, and how.
        folder: where log, checkpoints, what was set aside and the candidates go; None to keep nothing.
        follow: how to wait for new partitions; None to end when there are no more.
        progress: told of the run's course.

    Raises:
        ConfigError: if the plan does not fit the log's columns.
        DataError: if there is no such folder.
        CheckpointError: if the folder holds checkpoints of another plan, or none of them is whole.
    """
    where = None if folder is None else Path(folder)
    course = CandidateCourse(source, plan or CandidatePlan(), where, follow, progress or Progress())
    course.run()
    state, keeper = course.state, course.keeper
    return CandidatesResult(
        proposer=state.proposer,
        history=keeper.log.records(),
        recall=state.recall.record(),
        done=tuple(state.ledger.done),
        aside=tuple(state.ledger.aside),
        rows=keeper.rows,
        seconds=keeper.seconds,
    )
