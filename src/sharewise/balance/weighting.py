"""The one interface of balancing: what a step shows of the tasks -> the weights of their losses."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

#: Weights are computed on the CPU in this precision: there are few tasks, and Gramians are ill-conditioned.
EXACT = torch.float64


class Needs(IntEnum):
    """What a weighting must be shown, the cheaper first.

    PRODUCT is G a for the weights a that it gave, told after the step by `hear`.
    """

    NOTHING = 0
    LOSSES = 1
    PRODUCT = 2
    GRAMIAN = 3
    JACOBIAN = 4


@dataclass(frozen=True)
class Signals:
    """What one step shows of the tasks; no tensor carries a gradient.

    Attributes:
        losses: of the whole batch, times the tasks' own weights.
        gramian: G = J Jᵀ of the losses' gradients over the shared parameters, if asked for.
        jacobian: J, one row a task, if asked for.
    """

    losses: Float[Tensor, " tasks"]
    gramian: Float[Tensor, "tasks tasks"] | None = None
    jacobian: Float[Tensor, "tasks parameters"] | None = None

    @property
    def given_gramian(self) -> Float[Tensor, "tasks tasks"]:
        """The Gramian, for methods that have asked for it."""
        if self.gramian is None:
            raise ValueError("A weighting that needs the Gramian was not shown it")
        return self.gramian


class Weighting(ABC):
    """Maps what a step shows of the tasks to the weights of the sum that is differentiated.

    The losses are already multiplied by the tasks' own weights wᵢ. Weights are constants to the gradient. A
    method with memory keeps it in tensors of `state_dict`, so that a resumed run goes on bit for bit.
    """

    #: What must be shown.
    needs: ClassVar[Needs] = Needs.LOSSES
    #: True for methods that ask for the same batch's losses again after the step, by `look_back`.
    looks_back: ClassVar[bool] = False
    #: True if the weights of a step depend on the steps before.
    has_memory: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, signals: Signals) -> Float[Tensor, " tasks"]:
        """Return the weights for this step, float32 on the losses' device."""

    def look_back(self, losses: Float[Tensor, " tasks"]) -> None:  # noqa: B027
        """Hear the same batch's losses after the step; only methods that `looks_back` are told."""

    def hear(self, product: Float[Tensor, " tasks"]) -> None:  # noqa: B027
        """Hear G a of the last step, for methods whose `needs` is PRODUCT."""

    def end_epoch(self) -> None:  # noqa: B027
        """Hear that an epoch is over."""

    def describe(self) -> dict[str, Any]:
        """Return the method's name and options as plain values: arguments are attributes of the same name."""
        names = inspect.signature(type(self)).parameters
        return {"name": type(self).__name__, **{name: _plain(getattr(self, name)) for name in names}}

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that the next call depends on; nothing for a method without memory."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Go on as the weighting that returned `state` would."""


class Remembering(Weighting):
    """A weighting that keeps named tensors from step to step, on the CPU."""

    has_memory: ClassVar[bool] = True

    def __init__(self) -> None:
        self._memory: dict[str, Tensor] = {}

    def _recall(self, name: str, start: Tensor) -> Tensor:
        """Return what is remembered under a name; `start` if nothing is yet."""
        return self._memory.setdefault(name, start)

    def state_dict(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self._memory.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._memory = {name: value.detach().to("cpu", copy=True) for name, value in state.items()}


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, Tensor) else value


def exact(value: Tensor) -> Tensor:
    """Return the value on the CPU in float64, to compute weights with."""
    return value.detach().to("cpu", EXACT)


def like(weights: Tensor, losses: Tensor) -> Tensor:
    """Return computed weights as a step uses them: float32 on the losses' device."""
    return weights.to(losses.device, torch.float32)
