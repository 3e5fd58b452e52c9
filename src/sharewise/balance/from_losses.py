"""Weightings that need the losses alone, and the table of methods by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from sharewise.balance.weighting import Weighting
from sharewise.errors import ConfigError, nearest
from sharewise.tasks import TaskSet


class Equal(Weighting):
    """Weight 1 for every task: the plain sum. Well tuned, it competes with most other methods."""

    uses_losses: ClassVar[bool] = False

    def __call__(self, losses: Tensor) -> Tensor:
        return torch.ones_like(losses)


class Fixed(Weighting):
    """Weights chosen beforehand, times the tasks' own.

    Args:
        weights: one per task; finite, not negative, not all zero.
    """

    uses_losses: ClassVar[bool] = False

    def __init__(self, weights: Sequence[float]) -> None:
        values = torch.tensor(weights, dtype=torch.float32)
        if not (torch.isfinite(values).all() and (values >= 0).all() and (values > 0).any()):
            raise ConfigError(
                f"Fixed weights are {list(weights)}.",
                "Use finite weights, not negative, at least one above 0.",
            )
        self.weights = values

    def __call__(self, losses: Tensor) -> Tensor:
        return self.weights.to(losses.device)

    def state_dict(self) -> dict[str, Tensor]:
        return {"weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.weights = state["weights"]


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


def make_equal(tasks: TaskSet) -> Equal:
    """Return `Equal`, whatever the tasks."""
    return Equal()


METHODS: dict[str, Callable[..., Weighting]] = {"equal": make_equal, "fixed": make_fixed}


def make_weighting(name: str, tasks: TaskSet, **options: Any) -> Weighting:
    """Return the weighting of that name for these tasks.

    Raises:
        ConfigError: if there is no such method, or it does not take these options.
    """
    if name not in METHODS:
        raise ConfigError(f"Balancing method '{name}' is unknown.", nearest(name, tuple(METHODS)))
    try:
        return METHODS[name](tasks, **options)
    except TypeError as error:
        raise ConfigError(
            f"Balancing method '{name}' does not take these options: {error}.", "Correct them."
        ) from error
