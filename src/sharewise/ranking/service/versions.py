"""Versions: which one answers, and how another takes its place while requests run."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sharewise.errors import ConfigError, SharewiseError

#: Changes that are remembered.
REMEMBERED = 50
Answering = TypeVar("Answering")


@dataclass(frozen=True)
class Change(Generic[Answering]):
    """Something was to answer from now on.

    Attributes:
        time: in seconds since 1970.
        version: what answers since; None if it was refused.
        refused: why it was; "" if it was not.
    """

    time: float
    version: Answering | None
    refused: str = ""


class Versions(Generic[Answering]):
    """What answers, and what did before it.

    A request takes `current` once and keeps it, so none is answered by two; the change is one assignment, so
    none waits for it.

    Args:
        first: checked as any other.
        check: raises a `CheckpointError` for what cannot answer.

    Attributes:
        swaps, refusals: how often it changed, and how often it was to and did not.
        refused: why the last one was that was refused; "" if none was.
        changes: the last ones, refused ones too.

    Raises:
        CheckpointError: if the first one is bad.
    """

    def __init__(self, first: Answering, check: Callable[[Answering], None]) -> None:
        check(first)
        self._current, self._previous = first, first
        self._check = check
        self._changing = threading.Lock()
        self.swaps = self.refusals = 0
        self.refused = ""
        self.changes: deque[Change[Answering]] = deque([Change(time.time(), first)], REMEMBERED)

    @property
    def current(self) -> Answering:
        """What answers."""
        return self._current

    def swap(self, load: Callable[[], Answering]) -> Answering:
        """Load something, check it on canary requests, and let it answer; what did before stays at hand.

        Args:
            load: gives it.

        Raises:
            SharewiseError: what is wrong with it, or that another change is going on; the old one serves on.
        """
        if not self._changing.acquire(blocking=False):
            raise ConfigError("Another version is being loaded.", "Try again when that is done.")
        try:
            version = load()
            self._check(version)
            self._take(version)
            return version
        except SharewiseError as error:
            self.refused = str(error)
            self.refusals += 1
            self.changes.append(Change(time.time(), None, self.refused))
            raise
        finally:
            self._changing.release()

    def back(self) -> Answering:
        """Let what answered before answer again; called twice, it changes nothing."""
        with self._changing:
            self._take(self._previous)
            return self._current

    def _take(self, version: Answering) -> None:
        self._previous, self._current = self._current, version
        self.swaps += 1
        self.changes.append(Change(time.time(), version))
