"""The course of a stream: partitions are tested on, then trained on; what checkpoints and runs hold of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from sharewise import files
from sharewise.errors import ConfigError
from sharewise.ranking.artifact import save_run
from sharewise.ranking.encoding import Rows
from sharewise.ranking.kept import KeptPredictions
from sharewise.ranking.options import Follow
from sharewise.ranking.partitions import Entry, Ledger
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.reading import column_types, read_pieces
from sharewise.ranking.schema import settle
from sharewise.ranking.state import Course, StreamState, new_measures
from sharewise.ranking.stretch import Trainer
from sharewise.ranking.walk import Walk
from sharewise.train.devices import choose_device, repeatable
from sharewise.train.keeper import Keeper
from sharewise.train.processes import connect
from sharewise.train.progress import Progress
from sharewise.train.spreading import gather_tables, gathered, spread_tables

#: Of what checkpoints hold; those of another are refused.
FORMAT = 1


class Stream:
    """One call of `fit_stream`; a `Walker` over the log.

    Args:
        source: a folder or a glob.
        plan: what is trained.
        folder: of the run, or None.
        follow: how to wait, or None.
        progress: told of the course.

    Attributes:
        state: where the stream is.
        keeper: of log and checkpoints.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        plan: RankPlan,
        folder: Path | None,
        follow: Follow | None,
        progress: Progress,
    ) -> None:
        self._plan, self._progress = plan, progress
        self._processes = connect(choose_device(plan.train.device))
        if follow is not None and self._processes.size > 1:
            raise ConfigError(
                "Several processes cannot wait for partitions: each would see its own.",
                "Follow with one process, or train on what is there with several.",
            )
        self._folder = folder if self._processes.first else None
        self._kept = KeptPredictions(self._folder, plan)
        # First, so that nothing is written where there is no log.
        self._walk = Walk(source, self, plan.train.checkpoint_every, self._folder, follow, progress)
        self.keeper = Keeper(folder, fingerprint(plan), progress, self._processes)
        self.state = StreamState(plan, self._processes.device)
        self._trainer: Trainer | None = None
        self._polarised: list[str] = []

    def run(self) -> None:
        """Train until there are no more partitions, or until waiting for them ends."""
        try:
            self.keeper.resume(self.state)
            self.keeper.start(0, self.state.cursor.step)
            with repeatable(self._processes.device):
                self._walk.rounds()
            self._walk.finish()
            if self.state.course:
                gather_tables(self.state.course.ranker.model, self.state.course.run.optimizer)
        finally:
            self._kept.close()
            self.keeper.close()

    @property
    def ledger(self) -> Ledger:
        """What became of partitions so far."""
        return self.state.ledger

    @property
    def begun(self) -> bool:
        """Whether the log's schema is known."""
        return self.state.course is not None

    def take(self, name: str, content: bytes) -> int:
        """Test and train on a partition; return its rows.

        Raises:
            DataError: if it cannot be read; nothing has changed.
            ConfigError: if the plan does not fit the log's columns.
        """
        course = self.state.course or Course(
            self._plan, settle(column_types(content), self._plan), self._processes.device
        )
        pieces = self._checked(content, course)
        self.state.course = course
        if self._trainer is None:
            if self._plan.train.spread:
                spread_tables(course.ranker.model, course.run.optimizer, self._processes)
            self._trainer = Trainer(course, self._plan, self._processes, self.keeper)
        return self._record(name, course, self._trainer, pieces)

    def _checked(self, content: bytes, course: Course) -> Iterator[tuple[pl.DataFrame, Rows]]:
        """Return the pieces, once all of them were found to be right."""
        most, encoding = self._plan.train.piece, course.ranker.encoding
        pieces = read_pieces(content, course.schema, most)
        first = next(pieces)
        if self.state.course is None:
            encoding.check_labels(first)
        rows = encoding.read(first)
        if len(first) < most:
            return iter([(first, rows)])
        for other in pieces:
            encoding.read(other)
        rest = read_pieces(content, course.schema, most, most)
        return chain([(first, rows)], ((frame, encoding.read(frame)) for frame in rest if len(frame)))

    def _record(
        self, name: str, course: Course, trainer: Trainer, pieces: Iterator[tuple[pl.DataFrame, Rows]]
    ) -> int:
        measures, count, gates = new_measures(self._plan), 0, None
        for frame, rows in pieces:
            gates = trainer.take(frame, rows, measures, partial(self._kept.see, name)) or gates
            count += len(frame)
        self._kept.end()
        course.measures.merge(measures)
        self._warn(name, gates)
        record: dict[str, Any] = {
            "step": course.run.cursor.step,
            "partition": name,
            "rows": count,
            "vocabulary": course.ranker.encoding.vocabulary.rows,
            "train": trainer.losses(),
            "measured": measures.record() if measures.rows else None,
            "gates": gates,
        }
        self.keeper.evaluated(record)
        return count

    def _warn(self, name: str, gates: dict[str, Any] | None) -> None:
        polarised = gates["polarised"] if gates else []
        for task in polarised:
            if task not in self._polarised:
                self._progress.note(f"The gate of task '{task}' gives one expert nearly all, in '{name}'.")
        self._polarised = polarised

    def entered(self, entry: Entry) -> None:
        """Steps were told of while they were taken."""

    def checkpoint(self) -> None:
        """Save the state."""
        with self._whole():
            self.keeper.checkpoint(self.state)

    def leave(self) -> None:
        """Write the ranker, by the first process."""
        with self._whole():
            if self._folder and self.state.course:
                timing = {"seconds": self.keeper.seconds, "rows": self.keeper.rows}
                save_run(self._folder, self.state, self.keeper.log, timing)

    def _whole(self) -> AbstractContextManager[None]:
        """Return the context in which the first process holds all there is."""
        course = self.state.course
        return gathered(course.ranker.model, course.run.optimizer) if course else nullcontext()


def fingerprint(plan: RankPlan) -> str:
    """Return what the checkpoints of a plan are known by."""
    return files.sha256(files.to_json({"format": FORMAT, **plan.to_dict()}))
