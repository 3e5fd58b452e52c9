"""Adam for the few numbers that a weighting learns, with its state among the weighting's own."""

from __future__ import annotations

from collections.abc import MutableMapping

import torch
from torch import Tensor


def adam_step(
    memory: MutableMapping[str, Tensor],
    value: Tensor,
    gradient: Tensor,
    rate: float,
    betas: tuple[float, float] = (0.9, 0.999),
) -> Tensor:
    """Return the value after one step of Adam (Kingma & Ba 2015, algorithm 1).

    Args:
        memory: holds ``adam.*`` from step to step.
        value: what is learned.
        gradient: of what is minimised; a step with one that is not finite is left out.
        rate: the step's size.
        betas: of the moments.
    """
    if not bool(gradient.isfinite().all()):
        return value
    count = memory.get("adam.count", torch.zeros((), dtype=torch.int64)) + 1
    first = torch.lerp(gradient, memory.get("adam.first", torch.zeros_like(value)), betas[0])
    second = torch.lerp(gradient**2, memory.get("adam.second", torch.zeros_like(value)), betas[1])
    memory.update({"adam.count": count, "adam.first": first, "adam.second": second})
    steps = int(count)
    scale = (second / (1 - betas[1] ** steps)).sqrt() + 1e-8
    return value - rate * first / (1 - betas[0] ** steps) / scale
