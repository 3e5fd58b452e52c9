"""What a run leaves behind while it goes on: log, checkpoints, progress; by the first process alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from torch import nn

from sharewise import files
from sharewise.data import Schema
from sharewise.nn import MultiTaskModel
from sharewise.train.checkpoint import Checkpoints, Saved
from sharewise.train.processes import Processes
from sharewise.train.progress import Progress
from sharewise.train.result import Log
from sharewise.train.run import LOG, TIMING, Run
from sharewise.train.state import Resumable


class Keeper:
    """Keeps a run's records.

    Args:
        folder: the run's folder, or None to keep nothing on disk.
        fingerprint: of the configuration; a folder with checkpoints of another is refused.
        progress: told of everything, in the first process.
        processes: this process among the others.
    """

    def __init__(
        self, folder: Path | None, fingerprint: str, progress: Progress, processes: Processes
    ) -> None:
        self.log = Log()
        self.rows = 0
        self._began = time.perf_counter()
        self._processes = processes
        self._progress = progress if processes.first else Progress()
        writes = folder is not None and processes.first
        self._run = Run.create(folder) if writes and folder is not None else None
        self._checkpoints = (
            Checkpoints(self._run.folder / "checkpoint", fingerprint, self._progress.note)
            if self._run
            else None
        )

    @property
    def seconds(self) -> float:
        """Since the run was started or resumed."""
        return time.perf_counter() - self._began

    def resume(self, state: Resumable) -> None:
        """Bring `state` and the log to where the newest whole checkpoint left them; all processes alike."""
        saved = self._shared(self._checkpoints.newest() if self._checkpoints else None)
        if saved is not None:
            state.load(*saved.state())
            self.log = Log(saved.log)
        if self._run and not state.cursor.finished:
            files.write_bytes(self._run.folder / LOG, self.log.content)

    def start(self, steps: int, done: int) -> None:
        """The loop begins."""
        self._progress.start(steps, done)

    def step(self, rows: int) -> None:
        """A step was taken."""
        self.rows += rows
        self._progress.step(rows)

    def evaluated(self, record: dict[str, Any]) -> None:
        """A record belongs into the log."""
        line = self.log.add(record)
        if self._run:
            files.append(self._run.folder / LOG, line)
        self._progress.evaluated(record)

    def checkpoint(self, state: Resumable) -> None:
        """Save the state."""
        if self._checkpoints:
            self._checkpoints.save(state.cursor.step, state.tensors(), state.values(), self.log.content)

    def finish(self, model: nn.Module, schema: Schema | None) -> None:
        """Write what the run leaves and seal it, unless a finished run lies here whole already.

        Args:
            model: trained.
            schema: of the table that it was trained on, if it was one: then the run can be loaded to predict.
        """
        if self._run is None or self._run.manifest is not None:
            return
        self._run.write_weights(model)
        if schema is not None and isinstance(model, MultiTaskModel):
            self._run.write_model(model, schema)
        self._run.write(LOG, self.log.content)
        self._run.write_json(TIMING, {"seconds": self.seconds, "rows": self.rows})
        self._run.seal()

    def close(self) -> None:
        """The run ended, or failed."""
        self._progress.close()

    def _shared(self, saved: Saved | None) -> Saved | None:
        parts = (saved.tensors, saved.values, saved.log) if saved else (b"", b"", b"")
        tensors, values, log = (self._processes.share(content) for content in parts)
        return Saved(tensors, values, log) if tensors else None
