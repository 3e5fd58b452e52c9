"""Initial values from named streams: a weight's first value depends on the seed and on its own name only.

So the same seed gives equal encoders under every structure, a task's head does not change when another task
is added, and a network of one task starts as that task's copy in a stack of many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.streams import stream


@dataclass(frozen=True)
class Initial:
    """A source of initial values at a place in the model: ``Initial(seed).at("tower", 0)``."""

    seed: int
    place: tuple[str | int, ...] = ()

    def at(self, *names: str | int) -> Initial:
        """Return the source for a part of this place."""
        return Initial(self.seed, self.place + names)

    def uniform(self, bound: float, shape: Sequence[int], copies: Sequence[str] | None = None) -> Tensor:
        """Draw from U(-bound, bound); with `copies` named, each its own draw: ``[len(copies), *shape]``."""
        return self._draw(lambda x, g: x.uniform_(-bound, bound, generator=g), shape, copies)

    def normal(self, scale: float, shape: Sequence[int], copies: Sequence[str] | None = None) -> Tensor:
        """Draw from N(0, scale²); with `copies` named, each its own draw: ``[len(copies), *shape]``."""
        return self._draw(lambda x, g: x.normal_(0.0, scale, generator=g), shape, copies)

    def signs(self, shape: Sequence[int], copies: Sequence[str] | None = None) -> Tensor:
        """Draw -1 or 1; with `copies` named, each its own draw: ``[len(copies), *shape]``."""
        return self._draw(lambda x, g: x.bernoulli_(0.5, generator=g).mul_(2).sub_(1), shape, copies)

    def _draw(
        self,
        fill: Callable[[Tensor, torch.Generator], Tensor],
        shape: Sequence[int],
        copies: Sequence[str] | None,
    ) -> Float[Tensor, ...]:
        names: Sequence[str] = ("",) if copies is None else copies
        values = torch.empty(len(names), *shape)
        if not values.is_meta:
            for i, name in enumerate(names):
                fill(values[i], stream(self.seed, *self.place, name))
        return values[0] if copies is None else values
