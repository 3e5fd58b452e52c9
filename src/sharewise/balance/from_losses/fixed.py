"""Weights chosen beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.weighting import Needs, Signals, Weighting
from sharewise.errors import ConfigError, nearest
from sharewise.tasks import TaskSet


class Fixed(Weighting):
    """Weights chosen beforehand, times the tasks' own.

    Args:
        weights: one per task; finite, not negative, not all zero.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, weights: Sequence[float]) -> None:
        values = torch.tensor(weights, dtype=torch.float32)
        if not (torch.isfinite(values).all() and (values >= 0).all() and (values > 0).any()):
            raise ConfigError(
                f"Fixed weights are {list(weights)}.",
                "Use finite weights, not negative, at least one above 0.",
            )
        self.weights = values

    def __call__(self, signals: Signals) -> Tensor:
        return self.weights.to(signals.losses.device)


def make_fixed(tasks: TaskSet, weights: Mapping[str, float] | Sequence[float]) -> Fixed:
    """Return `Fixed` for weights by task name (1 where not named) or in order of the tasks."""
    if not isinstance(weights, Mapping):
        if len(weights) != len(tasks):
            raise ConfigError(
                f"There are {len(weights)} fixed weights for {len(tasks)} tasks.", "Give one weight per task."
            )
        return Fixed(weights)
    for name in weights:
        if name not in tasks.names:
            raise ConfigError(
                f"A weight names the task '{name}', which is unknown.", nearest(name, tasks.names)
            )
    return Fixed([weights.get(name, 1.0) for name in tasks.names])
