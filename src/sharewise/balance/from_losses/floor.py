"""Losses whose logarithm is taken."""

from __future__ import annotations

from torch import Tensor

from sharewise.errors import ConfigError

#: Stands for a loss of 0.
FLOOR = 1e-30


def above_zero(method: str, losses: Tensor) -> Tensor:
    """Return the losses with 0 lifted to `FLOOR`.

    Raises:
        ConfigError: if one is negative, as densities above 1 give.
    """
    if bool((losses < 0).any()):
        place = int((losses < 0).nonzero()[0])
        value = float(losses[place])
        raise ConfigError(
            f"{method} takes logarithms of the losses, and that of task {place} is {value:.3g}.",
            "Choose another balancing method, or a loss that is never negative.",
        )
    return losses.clamp(min=FLOOR)
