"""Partitions of a log: which there are, which are done, and which are set aside and why.

Their names are the order of time. Each is trained on at most once: a name that comes after one that is done
is too late, a content that was read under another name is not read again. What is set aside stays where it
is, and is looked at again only if its file changes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from glob import glob
from pathlib import Path
from typing import Any

from sharewise import files
from sharewise.errors import DataError

#: The file of a run that says what was set aside, and why; a line each.
ASIDE = "set_aside.jsonl"


@dataclass(frozen=True)
class Partition:
    """A file of the log.

    Attributes:
        name: what the order goes by: the path below the log's folder.
        path: where it lies.
        size: in bytes, when it was listed.
    """

    name: str
    path: Path
    size: int


@dataclass(frozen=True)
class Entry:
    """What became of a partition: done if `reason` is empty, else set aside."""

    name: str
    size: int
    sha256: str
    rows: int = 0
    reason: str = ""


@dataclass
class Ledger:
    """What became of every partition so far.

    Attributes:
        done, aside: in the order in which it happened.
    """

    done: list[Entry] = field(default_factory=list)
    aside: list[Entry] = field(default_factory=list)

    @property
    def cursor(self) -> str:
        """The name up to which the log has been read."""
        return max((entry.name for entry in self.done), default="")

    def refusal(self, name: str, sha256: str) -> str:
        """Return why a content under this name must not be trained on; "" if it may be."""
        for entry in self.done:
            if entry.sha256 == sha256:
                return f"Its content was read as '{entry.name}'."
            if entry.name == name:
                return "It changed after it was read."
        return f"It comes after '{self.cursor}' was read." if name < self.cursor else ""

    def known(self, name: str, sha256: str) -> bool:
        """Whether this content was set aside under this name."""
        return any((entry.name, entry.sha256) == (name, sha256) for entry in self.aside)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Ledger:
        return Ledger(*([Entry(**entry) for entry in values[part]] for part in ("done", "aside")))


def list_partitions(source: str | os.PathLike[str]) -> list[Partition]:
    """Return the Parquet files of a folder with all below it, or of a glob, in the order of their names.

    Raises:
        DataError: if there is no such folder.
    """
    text = os.fspath(source)
    marked = any(mark in text for mark in "*?[")
    root = Path(text[: min(text.index(m) for m in "*?[" if m in text)]).parent if marked else Path(text)
    if not marked and not root.is_dir():
        raise DataError(
            f"There is no folder '{root}' of partitions.", "Name a folder, or a glob of Parquet files."
        )
    found = glob(text, recursive=True) if marked else [str(path) for path in root.rglob("*.parquet")]
    paths = [Path(path) for path in found if not Path(path).name.startswith(".")]
    listed = [p for path in paths if (p := _partition(path, root)) is not None]
    return sorted(listed, key=lambda partition: partition.name)


def _partition(path: Path, root: Path) -> Partition | None:
    try:
        if not path.is_file():
            return None
        size = path.stat().st_size
    except OSError:  # it went while we looked
        return None
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    return Partition(name, path, size)


def pending(partitions: list[Partition], ledger: Ledger) -> Iterator[tuple[Partition, bytes, str]]:
    """Yield the partitions that nothing became of yet, each with its content and its SHA-256.

    What the consumer writes into the ledger counts for those that follow.
    """
    settled = {(entry.name, entry.size) for entry in (*ledger.done, *ledger.aside)}
    for partition in partitions:
        if (partition.name, partition.size) in settled:
            continue
        try:
            content = partition.path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise DataError(
                f"'{partition.path}' cannot be read: {error.strerror}.", "Check the disk."
            ) from error
        digest = files.sha256(content)
        if not ledger.known(partition.name, digest):
            yield partition, content, digest


def resting(partition: Partition, seconds: float, now: Callable[[], float] = time.time) -> bool:
    """Whether the file has not been changed for so many seconds."""
    try:
        return now() - partition.path.stat().st_mtime >= seconds
    except OSError:
        return False
