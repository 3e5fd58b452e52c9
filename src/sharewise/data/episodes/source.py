"""EpisodeSource: where episodes come from. A draw is a function of a seed and a number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch

from sharewise.data.episodes.condition import Condition
from sharewise.data.episodes.shots import Episodes
from sharewise.streams import stream
from sharewise.tasks import InputSpec
from sharewise.tasks.kind import Kind


class EpisodeSource(ABC):
    """Tasks to draw episodes from: those of one split.

    Attributes:
        kind: of the label.
        inputs: what a row looks like.
        names: of the tasks, or of the classes that tasks are made of; empty where there is no end of them.
    """

    kind: Kind
    inputs: InputSpec
    names: tuple[str, ...] = ()
    #: Classes that tasks are made of, each a few of them; 0 where every task has a label of its own.
    drawn_classes: int = 0
    #: Tasks worth drawing in one go; drawing few at a time costs more than the work on them.
    block: int = 64

    @abstractmethod
    def sample(self, condition: Condition, count: int, generator: torch.Generator) -> Episodes:
        """Draw `count` episodes, all of the same ways and shots.

        Raises:
            DataError: if no task has enough examples or classes for the condition.
        """

    @abstractmethod
    def check(self, condition: Condition) -> None:
        """Raise DataError, with what there is, if the condition asks for more."""

    def ways(self, condition: Condition) -> int:
        """Return the most classes of a task; 0 where labels are no classes."""
        return condition.most_ways

    def digest(self) -> str:
        """Return a text that differs where the tasks do."""
        return ""

    def batches(
        self, condition: Condition, count: int, seed: int, name: str, start: int = 0
    ) -> Iterator[Episodes]:
        """Yield batches of `count` episodes without end, from the one with number `start` on.

        The batch with a number is the same whatever was drawn before it, so a resumed run sees what an
        undisturbed one would.
        """
        # Ways and shots that vary are drawn for every batch; draws of one size are made many at a time.
        several = max(self.block // count, 1) if condition.fixed else 1
        number = start
        while True:
            generator = stream(seed, "episodes", name, number // several)
            drawn = self.sample(condition, several * count, generator)
            for place in range(number % several, several):
                yield drawn.take(slice(place * count, (place + 1) * count))
            number += several - number % several
