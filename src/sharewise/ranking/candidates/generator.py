"""Generator: what every source of candidates does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from sharewise.ranking.candidates.catalogue import Catalogue
from sharewise.ranking.candidates.requests import Found, Requests, Watches


class Generator(ABC):
    """Learns from the log in the order of time, and proposes items for many requests at once.

    What it proposes depends on what it has learnt and on the request alone. It need not leave out the query
    or what was watched before: whoever asks does, and asks for so many more.

    Args:
        catalogue: the items that there are, and what they are about; it has learnt of a stretch before the
            generators do.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @abstractmethod
    def learn(self, watches: Watches) -> None:
        """Take in what was watched in a stretch of the log."""

    @abstractmethod
    def propose(self, requests: Requests, count: int) -> Found:
        """Return at most `count` items a request, ``[requests, count or fewer]``, the best first.

        Items of equal score come in the order of their rows, where a source has scores.
        """

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return all that was learnt, by name."""

    @abstractmethod
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`; the catalogue is loaded before."""
