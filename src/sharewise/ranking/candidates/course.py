"""The course over a log: partitions in their order, measured, then learnt from; checkpoints in between."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sharewise import files
from sharewise.errors import ConfigError, DataError
from sharewise.ranking.candidates.artifact import ASIDE, save_candidates
from sharewise.ranking.candidates.columns import settle_columns
from sharewise.ranking.candidates.judge import judge
from sharewise.ranking.candidates.plan import CandidatePlan
from sharewise.ranking.candidates.proposer import Proposer
from sharewise.ranking.candidates.state import CandidateState, new_recall
from sharewise.ranking.candidates.stretch import Stretch, read_stretch
from sharewise.ranking.partitions import Entry, list_partitions, pending
from sharewise.ranking.reading import column_types
from sharewise.train.keeper import Keeper
from sharewise.train.processes import Processes
from sharewise.train.progress import Progress

#: Of what checkpoints hold; those of another are refused.
FORMAT = 1


class CandidateCourse:
    """One call of `fit_candidates`.

    Args:
        source: a folder or a glob.
        plan: what is proposed.
        folder: of the run, or None.
        progress: told of the course.

    Attributes:
        state: where it is.
        keeper: of log and checkpoints.
    """

    def __init__(
        self, source: str | os.PathLike[str], plan: CandidatePlan, folder: Path | None, progress: Progress
    ) -> None:
        self._source, self._plan, self._folder, self._progress = source, plan, folder, progress
        identity = files.sha256(files.to_json({"candidates": FORMAT, **plan.to_dict()}))
        self.keeper = Keeper(folder, identity, progress, Processes())
        self.state = CandidateState(plan)
        self._misfit: ConfigError | None = None
        self._unsaved = 0

    def run(self) -> None:
        """Learn until there are no more partitions."""
        try:
            partitions = list_partitions(self._source)  # or it fails before anything is written
            self.keeper.resume(self.state)
            self._write_aside()
            before = self.state.cursor.step
            self.keeper.start(max(len(partitions), before), before)
            for partition, content, digest in pending(partitions, self.state.ledger):
                entry = self._entry(partition.name, content, digest)
                self._enter(entry)
                self.keeper.step(entry.rows)
            if self._misfit is not None and self.state.proposer is None:
                raise self._misfit  # it fits none of the partitions
            if self.state.cursor.step > before:
                self.keeper.checkpoint(self.state)
            if self._folder:
                timing = {"seconds": self.keeper.seconds, "rows": self.keeper.rows}
                save_candidates(self._folder, self.state, self.keeper.log, timing)
        finally:
            self.keeper.close()

    def _entry(self, name: str, content: bytes, digest: str) -> Entry:
        reason = self.state.ledger.refusal(name, digest)
        if reason:
            return Entry(name, len(content), digest, reason=reason)
        try:
            return Entry(name, len(content), digest, self._take(name, content))
        except ConfigError as error:
            if self.state.proposer is not None:
                raise
            self._misfit = self._misfit or error
            return Entry(name, len(content), digest, reason=error.problem)
        except DataError as error:
            return Entry(name, len(content), digest, reason=error.problem)

    def _take(self, name: str, content: bytes) -> int:
        """Measure a partition and learn from it; return its rows. If it raises, nothing has changed."""
        proposer = self.state.proposer
        columns = settle_columns(column_types(content), self._plan) if proposer is None else proposer.columns
        stretch = read_stretch(content, columns, self._plan)
        if proposer is None:
            self.state.proposer = Proposer(self._plan, columns)
        self._learn(name, stretch)
        return len(stretch)

    def _learn(self, name: str, stretch: Stretch) -> None:
        proposer, measured = self.state.proposer, None
        assert proposer is not None
        if proposer.stretches:
            recall = new_recall(self._plan)
            judge(proposer, stretch, recall)
            self.state.recall.merge(recall)
            measured = recall.record()
        proposer.learn(stretch)
        record: dict[str, Any] = {
            "partition": name,
            "rows": len(stretch),
            "wanted": int(stretch.wanted.sum()),
            "items": len(proposer.catalogue),
            "users": len(proposer.users),
            "recall": measured,
        }
        self.keeper.evaluated(record)

    def _enter(self, entry: Entry) -> None:
        ledger = self.state.ledger
        if entry.reason:
            ledger.aside.append(entry)
            self._progress.note(f"'{entry.name}' is set aside. {entry.reason}")
            if self._folder:
                files.append(self._folder / ASIDE, _line(entry))
            return
        ledger.done.append(entry)
        self._unsaved += entry.rows
        if self._unsaved >= self._plan.candidates.checkpoint_every:
            self._unsaved = 0
            self.keeper.checkpoint(self.state)

    def _write_aside(self) -> None:
        if self._folder:
            lines = b"".join(_line(entry) for entry in self.state.ledger.aside)
            files.write_bytes(self._folder / ASIDE, lines)


def _line(entry: Entry) -> bytes:
    values = {key: value for key, value in asdict(entry).items() if key != "rows"}
    return f"{json.dumps(values, ensure_ascii=False)}\n".encode()
