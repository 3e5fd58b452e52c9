"""Smooth Tchebycheff scalarisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sharewise.balance.options import positive
from sharewise.balance.weighting import EXACT, Signals, Weighting, exact, like
from sharewise.errors import ConfigError


class STCH(Weighting):
    """Smooth Tchebycheff scalarisation (Lin et al. 2024, ICML, eq. 8): μ log Σ exp(λᵢ (Lᵢ - zᵢ) / μ).

    A smooth maximum of the preferred losses: it finds every point of the Pareto front, convex or not, for
    some λ. The weights are its gradient, λᵢ softmax(λ (L - z) / μ)ᵢ.

    Args:
        mu: smoothing; towards 0 only the largest counts.
        preferences: λ, one a task; 1 / T each by default.
        reference: z, the least loss to hope for; 0 by default.
    """

    def __init__(
        self,
        *,
        mu: float = 1.0,
        preferences: Sequence[float] | None = None,
        reference: Sequence[float] | None = None,
    ) -> None:
        self.mu = positive("STCH", "mu", mu)
        self.preferences, self.reference = preferences, reference

    def __call__(self, signals: Signals) -> Tensor:
        losses = exact(signals.losses)
        tasks = len(losses)
        preferences = _one_each(self.preferences, tasks, 1 / tasks, "preferences")
        least = _one_each(self.reference, tasks, 0.0, "reference values")
        return like(preferences * torch.softmax(preferences * (losses - least) / self.mu, 0), signals.losses)


def _one_each(given: Sequence[float] | None, tasks: int, default: float, what: str) -> Tensor:
    if given is None:
        return torch.full((tasks,), default, dtype=EXACT)
    if len(given) != tasks:
        raise ConfigError(f"STCH has {len(given)} {what} for {tasks} tasks.", "Give one a task.")
    return torch.tensor(given, dtype=EXACT)
