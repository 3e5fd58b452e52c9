"""EpisodeSource: where episodes come from. A draw is a function of a seed and a number."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256

import torch
from torch import Tensor

from sharewise.data.episodes.condition import Condition
from sharewise.data.episodes.shots import Episodes
from sharewise.streams import stream
from sharewise.tasks import InputSpec
from sharewise.tasks.kind import Kind

#: Numbers to draw in one go: drawing few episodes at a time costs more than the work on them, and what is
#: drawn should stay in the cache until it is used.
NUMBERS = 1 << 15

#: Hands out some of the episodes that were drawn.
Drawn = Callable[[slice], Episodes]


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
    _known_digest: str = ""

    @abstractmethod
    def sample(self, condition: Condition, count: int, generator: torch.Generator) -> Episodes:
        """Draw `count` episodes, all of the same ways and shots.

        Raises:
            DataError: if no task has enough examples or classes for the condition.
        """

    def draw(self, condition: Condition, count: int, generator: torch.Generator) -> Drawn:
        """Draw as `sample` does; for sources that know which rows they want before they fetch them."""
        return self.sample(condition, count, generator).take

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
        several = self._together(condition, count)
        number = start
        while True:
            generator = stream(seed, "episodes", name, number // several)
            drawn = self.draw(condition, several * count, generator)
            for place in range(number % several, several):
                yield drawn(slice(place * count, (place + 1) * count))
            number += several - number % several

    def _together(self, condition: Condition, count: int) -> int:
        """Return how many batches to draw in one go; those whose ways and shots vary, one by one."""
        if not condition.fixed:
            return 1
        rows = max(condition.most_ways, 1) * (condition.most_shots + condition.queries)
        return max(NUMBERS // (count * rows * self._row), 1)

    @property
    def _row(self) -> int:
        """Numbers that `draw` makes for a row."""
        columns = len(self.inputs.bins) + len(self.inputs.cardinalities)
        return max(columns + math.prod(self.inputs.image or (0,)), 1)

    def _digest(self, description: object, tensors: Mapping[str, Tensor]) -> str:
        """Return the hash of a description and tensors; made once, as a source does not change."""
        if not self._known_digest:
            found = sha256(repr((type(self).__name__, self.inputs, description)).encode())
            for name, tensor in tensors.items():
                found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
                found.update(tensor.contiguous().numpy().data)
            self._known_digest = found.hexdigest()
        return self._known_digest
