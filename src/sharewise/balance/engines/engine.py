"""The interface of an engine: the graph of a step's losses -> the Gramian over the shared parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from sharewise.balance.engines.graph import Parting


@dataclass(frozen=True)
class Scene:
    """One step, as an engine sees it. It leaves the graph whole, and every `.grad` alone.

    Attributes:
        parting: where tasks part, and their gradients there.
        shared: the parameters that tasks share.
        reduce: where several processes compute parts of the batch, adds up a tensor over them.
    """

    parting: Parting
    shared: Sequence[Tensor]
    reduce: Callable[[Tensor], Tensor] | None = None

    def sum(self, jacobian: Tensor) -> Tensor:
        """Return a Jacobian of the whole batch, given that of this process's part."""
        return jacobian if self.reduce is None else self.reduce(jacobian)


class Engine(ABC):
    """Computes G = J Jᵀ. It knows nothing of methods."""

    #: True if G is that of all shared parameters, up to rounding.
    complete: ClassVar[bool] = True

    @abstractmethod
    def gramian(self, scene: Scene) -> Float[Tensor, "tasks tasks"]:
        """Return the Gramian, float32 or better, on the losses' device."""
