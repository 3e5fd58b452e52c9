"""What every strategy does, and the two that stack episodes: all of them, or a few at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.data.episodes import Episodes
from sharewise.meta.learner import Learner


class Strategy(ABC):
    """Computes meta-gradients of one learner."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner

    @abstractmethod
    def backward(self, episodes: Episodes) -> Float[Tensor, " tasks"]:
        """Add the gradient of the mean surrogate to the parameters' `grad`, and return the tasks' losses."""

    def close(self) -> None:  # noqa: B027, most take nothing
        """Give back what was taken, such as threads."""


class Whole(Strategy):
    """All episodes at once: stacked weights, batched products."""

    def backward(self, episodes: Episodes) -> Tensor:
        judged = self.learner.judge(episodes)
        judged.surrogate.mean().backward()  # type: ignore[no-untyped-call]
        return judged.losses.detach()


class Chunks(Strategy):
    """A few episodes at a time, whose graphs are freed before the next: less memory, better in the cache."""

    def __init__(self, learner: Learner, size: int) -> None:
        super().__init__(learner)
        self.size = size

    def backward(self, episodes: Episodes) -> Tensor:
        count = len(episodes)
        found = []
        for start in range(0, count, self.size):
            judged = self.learner.judge(episodes.take(slice(start, start + self.size)))
            (judged.surrogate.sum() / count).backward()  # type: ignore[no-untyped-call]
            found.append(judged.losses.detach())
        return torch.cat(found)
