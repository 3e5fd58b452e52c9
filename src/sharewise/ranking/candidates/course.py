"""The course over a log: partitions are measured, then learnt from; what checkpoints and a run hold of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sharewise import files
from sharewise.ranking.candidates.artifact import save_candidates
from sharewise.ranking.candidates.columns import settle_columns
from sharewise.ranking.candidates.judge import judge
from sharewise.ranking.candidates.plan import CandidatePlan
from sharewise.ranking.candidates.proposer import Proposer
from sharewise.ranking.candidates.state import CandidateState, new_recall
from sharewise.ranking.candidates.stretch import Stretch, read_stretch
from sharewise.ranking.options import Follow
from sharewise.ranking.partitions import Entry, Ledger
from sharewise.ranking.reading import column_types
from sharewise.ranking.walk import Walk
from sharewise.train.keeper import Keeper
from sharewise.train.processes import Processes
from sharewise.train.progress import Progress

#: Of what checkpoints hold; those of another are refused.
FORMAT = 1


class CandidateCourse:
    """One call of `fit_candidates`; a `Walker` over the log.

    Args:
        source: a folder or a glob.
        plan: what is proposed.
        folder: of the run, or None.
        follow: how to wait, or None.
        progress: told of the course.

    Attributes:
        state: where it is.
        keeper: of log and checkpoints.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        plan: CandidatePlan,
        folder: Path | None,
        follow: Follow | None,
        progress: Progress,
    ) -> None:
        self._plan, self._folder, self._endless = plan, folder, follow is not None
        # First, so that nothing is written where there is no log.
        self._walk = Walk(source, self, plan.candidates.checkpoint_every, folder, follow, progress)
        identity = files.sha256(files.to_json({"candidates": FORMAT, **plan.to_dict()}))
        self.keeper = Keeper(folder, identity, progress, Processes())
        self.state = CandidateState(plan)

    def run(self) -> None:
        """Learn until there are no more partitions, or until waiting for them ends."""
        try:
            self.keeper.resume(self.state)
            before = self.state.cursor.step
            self.keeper.start(0 if self._endless else max(self._walk.partitions, before), before)
            self._walk.rounds()
            self._walk.finish()
        finally:
            self.keeper.close()

    @property
    def ledger(self) -> Ledger:
        """What became of partitions so far."""
        return self.state.ledger

    @property
    def begun(self) -> bool:
        """Whether anything was learnt."""
        return self.state.proposer is not None

    def take(self, name: str, content: bytes) -> int:
        """Measure a partition and learn from it; return its rows.

        Raises:
            DataError: if it cannot be read; nothing has changed.
            ConfigError: if the plan does not fit the log's columns.
        """
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

    def entered(self, entry: Entry) -> None:
        """Tell of a partition."""
        self.keeper.step(entry.rows)

    def checkpoint(self) -> None:
        """Save the state."""
        self.keeper.checkpoint(self.state)

    def leave(self) -> None:
        """Write the candidates."""
        if self._folder:
            timing = {"seconds": self.keeper.seconds, "rows": self.keeper.rows}
            save_candidates(self._folder, self.state, self.keeper.log, timing)
