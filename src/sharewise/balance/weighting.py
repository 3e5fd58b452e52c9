"""The one interface of balancing: losses -> weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor


class Weighting(ABC):
    """Maps the tasks' losses of one step to the weights of the sum that is differentiated.

    The losses are already multiplied by the tasks' own weights wᵢ. Weights are constants to the gradient.
    """

    #: False for methods whose weights do not depend on the losses; then processes need not share them first.
    uses_losses: ClassVar[bool] = True

    @abstractmethod
    def __call__(self, losses: Float[Tensor, " tasks"]) -> Float[Tensor, " tasks"]:
        """Return the weights for this step, on the losses' device; `losses` carry no gradient."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that the next call depends on; nothing for a method without memory."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on as the weighting that returned `state` would."""
        if state:
            raise NotImplementedError(f"{type(self).__name__} has a state_dict but no load_state_dict")
