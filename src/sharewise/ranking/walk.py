"""Walk: the partitions of a log in their order, each taken once; what cannot be taken is set aside, with the
reason, and the walk goes on."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from sharewise import files
from sharewise.errors import ConfigError, DataError
from sharewise.ranking.options import Follow
from sharewise.ranking.partitions import ASIDE, Entry, Ledger, Partition, list_partitions, pending, resting
from sharewise.train.progress import Progress


class Walker(Protocol):
    """What learns from partitions."""

    @property
    def ledger(self) -> Ledger:
        """What became of partitions so far."""
        ...

    @property
    def begun(self) -> bool:
        """Whether any partition was taken."""
        ...

    def take(self, name: str, content: bytes) -> int:
        """Take a partition; return its rows.

        Raises:
            DataError: if it cannot be read; nothing has changed.
            ConfigError: if the plan does not fit the log's columns.
        """
        ...

    def entered(self, entry: Entry) -> None:
        """Something became of a partition."""
        ...

    def checkpoint(self) -> None:
        """Save the state."""
        ...

    def leave(self) -> None:
        """Write what was learnt, for others to load."""
        ...


class Walk:
    """One walk over a log.

    Args:
        source: a folder or a glob.
        walker: takes the partitions.
        every: rows between checkpoints.
        folder: takes the list of what was set aside; None for no list.
        follow: how to wait for more; None to end when there are no more.
        progress: told of what is set aside.

    Attributes:
        partitions: how many there are when the walk begins.

    Raises:
        DataError: if there is no such folder.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        walker: Walker,
        every: int,
        folder: Path | None,
        follow: Follow | None,
        progress: Progress,
    ) -> None:
        self.partitions = len(list_partitions(source))
        self._source, self._walker, self._every = source, walker, every
        self._folder, self._follow, self._progress = folder, follow, progress
        self._misfit: ConfigError | None = None
        self._unsaved = 0
        self._changed = False

    def rounds(self) -> None:
        """Take partitions until there are no more, or until waiting for them ends."""
        self._write_aside()
        last = time.monotonic()
        while True:
            came = self._round()
            if self._follow is None:
                return
            last = time.monotonic() if came else last
            if self._follow.idle is not None and time.monotonic() - last >= self._follow.idle:
                return
            if self._changed:  # whoever serves takes it from here, and nobody waits for a checkpoint
                self.finish()
            time.sleep(self._follow.poll)

    def finish(self) -> None:
        """Save the state, and leave what was learnt."""
        if self._changed:
            self._checkpoint()
            self._changed = False
        self._walker.leave()

    def _round(self) -> bool:
        """Take what is there now; return whether anything was."""
        came = False
        for partition, content, digest in pending(list_partitions(self._source), self._walker.ledger):
            entry = self._entry(partition, content, digest)
            if entry is None:
                return came  # perhaps half written: wait for it, so that the order is kept
            came = True
            self._enter(entry)
        if self._misfit is not None and not self._walker.begun:
            raise self._misfit  # it fits none of the partitions
        return came

    def _entry(self, partition: Partition, content: bytes, digest: str) -> Entry | None:
        """Return what became of a partition; None if it may still be being written."""
        name, size = partition.name, len(content)
        reason = self._walker.ledger.refusal(name, digest)
        if reason:
            return Entry(name, size, digest, reason=reason)
        try:
            return Entry(name, size, digest, self._walker.take(name, content))
        except ConfigError as error:
            if self._walker.begun:
                raise
            self._misfit = self._misfit or error  # or the plan does not fit the log: `_round` tells
            return Entry(name, size, digest, reason=error.problem)
        except DataError as error:
            if self._follow is not None and not resting(partition, self._follow.settle):
                return None
            return Entry(name, size, digest, reason=error.problem)

    def _enter(self, entry: Entry) -> None:
        ledger = self._walker.ledger
        self._changed = True
        if entry.reason:
            ledger.aside.append(entry)
            self._progress.note(f"'{entry.name}' is set aside. {entry.reason}")
            if self._folder:
                files.append(self._folder / ASIDE, _line(entry))
        else:
            ledger.done.append(entry)
            self._unsaved += entry.rows
            if self._unsaved >= self._every:
                self._checkpoint()
        self._walker.entered(entry)

    def _checkpoint(self) -> None:
        self._unsaved = 0
        self._walker.checkpoint()

    def _write_aside(self) -> None:
        if self._folder:
            lines = b"".join(_line(entry) for entry in self._walker.ledger.aside)
            files.write_bytes(self._folder / ASIDE, lines)


def _line(entry: Entry) -> bytes:
    values = {key: value for key, value in asdict(entry).items() if key != "rows"}
    return f"{json.dumps(values, ensure_ascii=False)}\n".encode()
