"""A journal: records at the end of a file, each of them whole or not there, on the disk before it counts.

A line a record: the CRC-32 of its text, a space, the text as JSON. What a killed process or a lost current
leaves half written at the end fails its check, and is cut off when the file is opened again.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sharewise import files
from sharewise.errors import SharewiseError


class ClosedJournalError(SharewiseError):
    """The journal takes no more records."""


class Journal:
    """Records of one file; may be added to from several threads.

    Args:
        path: of the file, which need not be there.

    Raises:
        SharewiseError: if the disk cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing, self._syncing = threading.Lock(), threading.Lock()
        self._closed = False
        with files.reported(path):
            self._end = self._synced = _good_length(path)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
            os.ftruncate(self._file, self._end)
            os.fsync(self._file)
        files.sync_folder(path.parent)

    def append(self, record: Any, durable: bool) -> None:
        """Add a record.

        A record that is not durable outlives the death of the process, and that of the machine as soon as a
        later one is durable.

        Args:
            record: a JSON value.
            durable: return only once it is on the disk. Threads that wait share one flush.

        Raises:
            ClosedJournalError: if the journal is closed; nothing was added.
            SharewiseError: if the disk is full; nothing was added.
        """
        line = _line(record)
        with self._writing:
            if self._closed:
                raise ClosedJournalError("The hour of this list is over.", "Send feedback sooner.")
            with files.reported(self.path):
                self._write(line)
            end = self._end
        if durable:
            self._flush(end)

    def close(self) -> None:
        """Take no more records; all that were added are on the disk."""
        with self._writing:
            self._closed = True
            end = self._end
        self._flush(end)
        with self._syncing:
            if self._file >= 0:
                os.close(self._file)
            self._file = -1

    def _write(self, line: bytes) -> None:
        place = self._end
        try:
            os.lseek(self._file, place, os.SEEK_SET)
            left = memoryview(line)
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            os.ftruncate(self._file, place)
            raise
        self._end += len(line)

    def _flush(self, end: int) -> None:
        with self._syncing:
            if self._synced >= end:
                return
            with self._writing:
                reached = self._end
            with files.reported(self.path):
                os.fsync(self._file)
            self._synced = reached


def read_journal(path: Path) -> Iterator[Any]:
    """Yield the records of a journal; damaged lines are left out."""
    with files.reported(path, "read"), path.open("rb") as file:
        for line in file:
            if _whole(line):
                yield json.loads(line[9:])


def _line(record: Any) -> bytes:
    text = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _whole(line: bytes) -> bool:
    return line.endswith(b"\n") and line[:9] == b"%08x " % zlib.crc32(line[9:-1])


def _good_length(path: Path) -> int:
    """Return how many bytes there are up to the last whole record."""
    if not path.is_file():
        return 0
    length = good = 0
    with path.open("rb") as file:
        for line in file:
            length += len(line)
            good = length if _whole(line) else good
    return good
