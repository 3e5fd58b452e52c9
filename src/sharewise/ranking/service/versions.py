"""Versions: which one answers, and how another takes its place while requests run."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sharewise.errors import ConfigError, SharewiseError
from sharewise.ranking.service.canary import check_version
from sharewise.ranking.service.version import Version


class Versions:
    """The version that answers, and the one before it.

    A request takes `current` once and keeps it, so none is answered by two versions; the change is one
    assignment, so none waits for it.

    Args:
        first: checked as any other.

    Raises:
        CheckpointError: if canary requests find the first one bad.
    """

    def __init__(self, first: Version) -> None:
        check_version(first)
        self._current, self._previous = first, first
        self._changing = threading.Lock()
        self.swaps = 0
        self.refused = ""

    @property
    def current(self) -> Version:
        """The version that answers."""
        return self._current

    def swap(self, load: Callable[[], Version]) -> Version:
        """Load a version, check it on canary requests, and let it answer; the one before stays at hand.

        Args:
            load: gives it.

        Raises:
            SharewiseError: what is wrong with it, or that another change is going on; the old one serves on.
        """
        if not self._changing.acquire(blocking=False):
            raise ConfigError("Another version is being loaded.", "Try again when that is done.")
        try:
            version = load()
            check_version(version)
            self._take(version)
            return version
        except SharewiseError as error:
            self.refused = str(error)
            raise
        finally:
            self._changing.release()

    def back(self) -> Version:
        """Let the version before the current one answer again; called twice, it changes nothing."""
        with self._changing:
            self._take(self._previous)
            return self._current

    def _take(self, version: Version) -> None:
        self._previous, self._current = self._current, version
        self.swaps += 1
