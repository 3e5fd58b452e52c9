"""FeedbackLog: lists that were shown and what came of them, from a journal to a log's hourly partitions.

``journal/2026-01-01T00.jsonl`` grows while lists of that hour may still get feedback. Then its impressions
become ``2026-01-01T00.parquet``, whole under its name at once, and the journal goes. If the process dies in
between, a partition that is there says that its journal is done with; one that is not is made again from it.
So what was acknowledged is in the log, and is there once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sharewise import files
from sharewise.errors import ConfigError, DataError, SharewiseError
from sharewise.ranking.prepared import TEXT, Shown
from sharewise.ranking.service.hour import Hour, end_of, hour_of
from sharewise.ranking.service.journal import read_journal
from sharewise.ranking.service.partition import make_partition, to_parquet

JOURNAL, LOCK = "journal", "lock"
SECOND = 1_000_000


def microseconds() -> int:
    """Return the time in microseconds since 1970."""
    return time.time_ns() // 1000


class FeedbackLog:
    """The log of one service; no other may write to its folder at the same time.

    Args:
        folder: of the log; journals lie in ``journal/`` below it.
        settle: seconds after its hour for which a list takes feedback.
        now: the time in microseconds since 1970.

    Raises:
        ConfigError: if another process has the folder.
        SharewiseError: if it cannot be written to.
    """

    def __init__(self, folder: Path, settle: float = 900.0, now: Callable[[], int] = microseconds) -> None:
        self.folder, self._settle, self._now = folder, round(settle * SECOND), now
        self._lock, self._collecting = threading.Lock(), threading.Lock()
        self._hours: dict[str, Hour] = {}
        self._done: dict[str, Hour] = {}
        self._last = 0
        files.make_folder(folder / JOURNAL)
        self._held = _hold(folder / JOURNAL / LOCK)
        files.sweep(folder)
        for path in sorted((folder / JOURNAL).glob("*.jsonl")):
            self._recover(path)

    def serve(self, shown: Shown, own: Mapping[str, str], version: str, arms: str = "") -> int:
        """Note that a list is being shown; return the number of its request, which is the microsecond.

        Args:
            shown: the list of one request.
            own: the log's own name of each column that has another one there.
            version: that made it.
            arms: that its user is in, as the log has them.
        """
        record = {
            "types": {**shown.types, "served_by": TEXT, "arms": TEXT},
            "once": {**shown.once, "served_by": version, "arms": arms or None},
            "each": shown.each,
            "own": dict(own),
        }
        with self._lock:
            request = self._last = max(self._last + 1, self._now())
            hour = self._open(hour_of(request))
        hour.serve(request, record)
        return request

    def take(self, request: int, events: Sequence[Mapping[str, Any]]) -> None:
        """Add what came of a list's items; it is on the disk when this returns.

        Args:
            request: its number.
            events: ``item`` and what is known of it: ``position``, ``clicked``, ``watched`` and so on. What
                comes twice counts once.

        Raises:
            DataError: if the list was not served here, its hour is over, or an item was not in it.
            SharewiseError: if the disk is full; nothing counts then.
        """
        name = hour_of(request)
        with self._lock:
            hour = self._hours.get(name)
        if hour is None:
            over = self._now() >= end_of(name)
            problem = f"The hour of request {request} is over." if over else f"There is no request {request}."
            raise DataError(
                problem, "Send feedback of recent lists." if over else "Name one that was answered."
            )
        hour.take(request, events)

    def collect(self) -> list[Path]:
        """Write the partitions of hours that take no more feedback; return those that were written."""
        with self._collecting:
            with self._lock:
                for name in [name for name in self._hours if self._over(name)]:
                    self._done[name] = self._hours.pop(name)
            found = []
            for name in sorted(self._done):
                self._done[name].journal.close()
                found.append(self._write(name, self._done[name].journal.path))
                del self._done[name]  # only now: what could not be written is tried again
            return [path for path in found if path is not None]

    def state(self) -> dict[str, Any]:
        """Return the open hours and the feedback that they hold."""
        with self._lock:
            return {name: hour.events for name, hour in sorted(self._hours.items())}

    def close(self) -> None:
        """Let go of the folder; open hours stay in their journals."""
        with self._lock:
            for hour in self._hours.values():
                hour.journal.close()
            self._hours.clear()
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _over(self, name: str) -> bool:
        return self._now() >= end_of(name) + self._settle

    def _open(self, name: str) -> Hour:
        if name not in self._hours:
            path = self.folder / JOURNAL / f"{name}.jsonl"
            if self._partition(name).exists():
                raise SharewiseError(
                    f"'{self._partition(name)}' is there already.", "Set the clock, or choose another log."
                )
            self._hours[name] = Hour(path)
        return self._hours[name]

    def _recover(self, path: Path) -> None:
        name = path.stem
        if self._partition(name).exists():
            files.remove(path)
        elif self._over(name):
            self._write(name, path)
        else:
            self._hours[name] = Hour(path)
            self._last = max(self._last, self._hours[name].last)

    def _write(self, name: str, journal: Path) -> Path | None:
        frame, path = make_partition(read_journal(journal)), self._partition(name)
        if len(frame):
            files.write_bytes(path, to_parquet(frame))
        files.remove(journal)
        return path if len(frame) else None

    def _partition(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"


def _hold(path: Path) -> int | None:
    """Take a lock that goes with the process, however it ends."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return None
    with files.reported(path):
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise ConfigError(
            f"Another service writes the log '{path.parents[1]}'.", "Stop it, or choose another log."
        ) from None
    return file
